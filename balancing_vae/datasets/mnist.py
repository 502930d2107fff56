"""MNIST and Fashion-MNIST, from idx files (compressed or not) or from one .npz."""

import functools
import hashlib
import math
from pathlib import Path

import numpy as np

from balancing_vae.datasets.arrays import from_arrays
from balancing_vae.datasets.bounded import gunzip
from balancing_vae.datasets.bounded import read_file
from balancing_vae.datasets.padding import MARGIN
from balancing_vae.datasets.padding import pad as pad_images
from balancing_vae.datasets.prepared import Contents
from balancing_vae.datasets.published import sources
from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.files.arrays import load_arrays

CLASSES = {
    "mnist": [str(digit) for digit in range(10)],
    "fashion_mnist": [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
}
TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}
COUNTS = {"train": 60_000, "test": 10_000}
_SIDE = 28
_IDX_NAMES = {"train": "train", "test": "t10k"}
_UINT8 = 8  # idx's code of the type
_LARGEST = COUNTS["train"] * _SIDE**2  # bytes of the largest array
_IDX_HEADER = 16  # bytes, for three axes


def read(name: str, source: Path, pad: bool = False, allow_partial: bool = False) -> Contents:
    """Read MNIST or Fashion-MNIST.

    Args:
        name: `mnist` or `fashion_mnist`.
        source: The folder with the four idx files (`.gz` or unpacked), or an `.npz` with
            `x_train`, `y_train`, `x_test`, `y_test`.
        pad: Whether a black frame is added, which makes 28x28 images 32x32.
        allow_partial: Whether fewer than 60,000 and 10,000 images are accepted.

    Returns:
        The images, uint8 28x28x1 (or 32x32x1), and labels, in `train` and `test`.

    Raises:
        FileNotFoundError: The source does not exist, or a file is missing.
        ValueError: A file is damaged, the count is wrong, or it is the other dataset.
    """
    if source.is_dir():
        kind, arrays = "idx", {split: _read_idx_split(source, split) for split in COUNTS}
    elif source.is_file():
        kind, arrays = "npz", _read_npz(source)
    else:
        raise MissingFileError(
            f"{source} does not exist; give the folder with {TITLES[name]}'s four idx files, "
            "or its .npz."
        )
    for split, (images, labels) in arrays.items():
        _check_split(name, f"{source} ({split})", images, labels, split, allow_partial)
    _check_identity(name, source, arrays["train"][0], allow_partial)
    description = {
        "source": {"file": source.name, "format": kind},
        "classes": CLASSES[name],
        "padding": MARGIN if pad else 0,
    }
    return from_arrays(
        {
            split: (images.reshape(-1, _SIDE, _SIDE, 1), labels.astype(np.int64))
            for split, (images, labels) in arrays.items()
        },
        description,
        functools.partial(pad_images, margin=MARGIN) if pad else None,
    )


def read_idx(path: Path) -> np.ndarray:
    """Read an idx file of bytes, compressed with gzip or not.

    Args:
        path: The file.

    Returns:
        uint8 with the shape in the header.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: The header is invalid, the data are longer or shorter than it declares, or
            larger than MNIST's largest file.

    Example:
        ```python
        images = read_idx(Path("train-images-idx3-ubyte.gz"))  # [60000, 28, 28]
        ```
    """
    read = gunzip if path.suffix == ".gz" else read_file
    data = read(path, _IDX_HEADER + _LARGEST)
    rank = data[3] if len(data) >= 4 else 0
    header = 4 + 4 * rank
    if data[:3] != bytes([0, 0, _UINT8]) or rank == 0 or len(data) < header:
        raise InputError(
            f"{path} does not start like an idx file of bytes (0, 0, 8, rank); download it again."
        )
    shape = tuple(int(length) for length in np.frombuffer(data, ">u4", rank, offset=4))
    if math.prod(shape) != len(data) - header:
        raise InputError(
            f"{path} declares {'x'.join(map(str, shape))} = {math.prod(shape):,} bytes in its "
            f"header, but {len(data) - header:,} follow; it is truncated or was changed: "
            "download it again."
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def _read_idx_split(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    return (
        read_idx(_find_idx(folder, f"{_IDX_NAMES[split]}-images", "idx3-ubyte")),
        read_idx(_find_idx(folder, f"{_IDX_NAMES[split]}-labels", "idx1-ubyte")),
    )


def _find_idx(folder: Path, stem: str, kind: str) -> Path:
    """Find a file under its usual names: with `-` or `.` before `idx`, compressed or not."""
    for joint in "-.":
        for ending in ("", ".gz"):
            path = folder / f"{stem}{joint}{kind}{ending}"
            if path.is_file():
                return path
    raise MissingFileError(f"{folder / f'{stem}-{kind}'} is missing, also with .gz; download it.")


def _read_npz(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    try:
        arrays = load_arrays(path, 2 * _LARGEST)
        return {split: (arrays[f"x_{split}"], arrays[f"y_{split}"]) for split in COUNTS}
    except (InputError, KeyError) as error:
        raise InputError(
            f"{path} is not an .npz with plain arrays x_train, y_train, x_test and y_test "
            f"({error}); download it again, or give the folder with the idx files."
        ) from error


def _check_split(
    name: str,
    place: str,
    images: np.ndarray,
    labels: np.ndarray,
    split: str,
    allow_partial: bool,
) -> None:
    shape = images.shape[:-1] if images.ndim == 4 and images.shape[-1] == 1 else images.shape
    if images.dtype != np.uint8 or shape[1:] != (_SIDE, _SIDE) or len(images) == 0:
        raise InputError(
            f"{place} holds images of {images.dtype} {images.shape}, expected uint8 [N, 28, 28]; "
            "download it again."
        )
    fitting = labels.shape == (len(images),) and labels.dtype.kind in "iu"
    if not fitting or labels.min() < 0 or labels.max() > 9:
        raise InputError(
            f"{place} has labels of {labels.dtype} {labels.shape} for {len(images):,} images, "
            "expected one whole number from 0 to 9 for each; download it again."
        )
    if len(images) != COUNTS[split] and not allow_partial:
        raise InputError(
            f"{place} has {len(images):,} images, {TITLES[name]} has {COUNTS[split]:,}",
            "download all of it, or accept a part with allow_partial=True",
            "download all of it, or accept a part with --allow-partial",
        )


def _check_identity(name: str, source: Path, images: np.ndarray, allow_partial: bool) -> None:
    """Distinguish the two datasets, whose files have the same names and sizes."""
    mnist = sources()["mnist"]["train_sha256"]
    is_mnist = hashlib.sha256(np.ascontiguousarray(images)).hexdigest() == mnist
    if is_mnist and name != "mnist":
        raise InputError(f"{source} holds MNIST, not {TITLES[name]}; give {TITLES[name]}'s files.")
    if not is_mnist and name == "mnist" and not allow_partial:
        raise InputError(
            f"{source} does not hold the images of MNIST (is it Fashion-MNIST?): its training "
            f"images' sha256 is not {mnist}; give MNIST's files."
        )
