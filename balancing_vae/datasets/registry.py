"""The datasets by name, with the functions that prepare and open them."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from balancing_vae.datasets import celeba
from balancing_vae.datasets import cifar10
from balancing_vae.datasets import digits
from balancing_vae.datasets import folder
from balancing_vae.datasets import mnist
from balancing_vae.datasets.description import DESCRIPTION_FILE
from balancing_vae.datasets.download import download_source
from balancing_vae.datasets.prepared import Contents
from balancing_vae.datasets.prepared import Prepared
from balancing_vae.datasets.prepared import open_prepared
from balancing_vae.datasets.prepared import write_prepared
from balancing_vae.datasets.published import sources
from balancing_vae.errors import InputError
from balancing_vae.files.formats import PREPARED
from balancing_vae.files.targets import output_folder


@dataclass(frozen=True)
class Dataset:
    """One dataset that can be prepared.

    Args:
        name: Its name in `load` and `prepare`.
        summary: A one-line description with the crop.
        shape: The shape of the prepared images, in words.
        counts: Number of images by split; empty if it depends on the source.
        read: The function that reads its source.
        options: The keywords of `read` that `prepare` accepts.
        instructions: What to download and give as the source; empty if no source is needed.
    """

    name: str
    summary: str
    shape: str
    counts: dict[str, int]
    read: Callable[..., Contents]
    options: tuple[str, ...]
    instructions: str

    @property
    def needs_source(self) -> bool:
        """Whether a source must be given or downloaded."""
        return bool(self.instructions)

    @property
    def downloadable(self) -> bool:
        """Whether this program can download it."""
        return "files" in sources().get(self.name, {})


_DOWNLOAD_CELEBA = (
    'Download img_align_celeba.zip ("Align&Cropped Images") and list_eval_partition.txt from '
    f"{sources()['celeba']['homepage']} (or Kaggle's mirror, with its .csv), put both into "
    "one folder, and give the zip, or the folder it unpacks to, as the source. This program "
    "does not download it: Google Drive's quota is often exhausted, and you must accept its terms."
)
_DOWNLOAD_IDX = (
    "Give the folder of the four idx files ({} ...), with .gz or not, or an .npz with x_train, "
    "y_train, x_test, y_test; without a source they are downloaded from {}."
)


def _mnist(name: str, summary: str) -> Dataset:
    published = sources()[name]
    return Dataset(
        name,
        summary,
        "28x28x1 (pad: 32x32x1)",
        mnist.COUNTS,
        functools.partial(mnist.read, name),
        ("pad", "allow_partial"),
        _DOWNLOAD_IDX.format(next(iter(published["files"])), published["base"]),
    )


def _celeba(name: str, summary: str) -> Dataset:
    return Dataset(
        name,
        summary,
        "64x64x3",
        celeba.COUNTS,
        functools.partial(celeba.read, name),
        ("allow_partial", "skip_broken", "workers"),
        _DOWNLOAD_CELEBA,
    )


DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            "cifar10",
            "CIFAR-10: photographs of ten classes",
            "32x32x3",
            cifar10.COUNTS,
            cifar10.read,
            ("jpeg", "allow_partial", "workers"),
            "Give cifar-10-python.tar.gz or cifar-10-binary.tar.gz, or the folder it unpacks to; "
            f"without a source it is downloaded from {sources()['cifar10']['base']}.",
        ),
        _celeba("celeba", "CelebA: faces, cropped to 128x128 (rows 45-172, columns 25-152)"),
        _celeba("celeba140", "CelebA: faces, cropped to 140x140 (rows 39-178, columns 19-158)"),
        _mnist("mnist", "MNIST: handwritten digits"),
        _mnist("fashion_mnist", "Fashion-MNIST: pieces of clothing"),
        Dataset(
            "digits",
            "Scikit-learn's handwritten digits, scaled to 0..255",
            "8x8x1",
            digits.COUNTS,
            digits.read,
            (),
            "",
        ),
        Dataset(
            "folder",
            "Any folder of images, cropped to squares and resized to a given side",
            "side x side x 3 (grey: 1)",
            {},
            folder.read,
            ("side", "crop", "grayscale", "skip_broken", "workers"),
            "Give a folder of images (or a zip of it) and the side.",
        ),
    )
}


def dataset(name: str) -> Dataset:
    """Return the registry's entry of a dataset.

    Args:
        name: Its name.

    Returns:
        The entry.

    Raises:
        ValueError: The name is not registered.
    """
    if name not in DATASETS:
        raise InputError(f"Unknown dataset {name!r}; choose one of {', '.join(DATASETS)}.")
    return DATASETS[name]


def prepare(
    name: str,
    source: str | os.PathLike | None,
    out: str | os.PathLike,
    overwrite: bool = False,
    **options: object,
) -> Prepared:
    """Convert a dataset's source files to NumPy arrays on disk.

    Args:
        name: `cifar10`, `celeba`, `celeba140`, `mnist`, `fashion_mnist`, `digits` or `folder`.
        source: The downloaded files; None downloads them, if this program can.
        out: The folder to write: `train.npy`, `val.npy`, `test.npy`, labels, `dataset.json`.
        overwrite: Whether an existing prepared dataset is replaced.
        **options: Options of the dataset: `jpeg` (cifar10), `pad` (mnist, fashion_mnist),
            `crop`, `side` and `grayscale` (folder), `allow_partial`, `skip_broken`, `workers`.

    Returns:
        The prepared dataset, open.

    Raises:
        ValueError: The source is invalid or would be overwritten, or an option does not apply.
        FileNotFoundError: The source is missing.
        FileExistsError: `out` is not empty, and `overwrite` is false or it holds other files.
        OSError: The disk is full, or a download fails.

    Example:
        ```python
        datasets.prepare("celeba", "img_align_celeba.zip", "data/celeba")
        x = datasets.load("celeba", "train", "data")  # (162770, 64, 64, 3), memory-mapped
        ```
    """
    entry = dataset(name)
    unknown = [option for option in options if option not in entry.options]
    if unknown:
        takes = ", ".join(entry.options) or "none"
        raise InputError(f"{name} does not take the option {unknown[0]}; it takes {takes}.")
    output_folder(out, PREPARED, overwrite, sources=[source])
    if not entry.needs_source:
        if source is not None:
            raise InputError(f"{name} takes no source: scikit-learn contains it.")
        return write_prepared(out, name, entry.read(), overwrite)
    if source is None:
        if not entry.downloadable:
            raise InputError(f"{name} needs a source. {entry.instructions}")
        source = download_source(name)
    return write_prepared(out, name, entry.read(source=Path(source), **options), overwrite)


def load(name: str, split: str, root: str | os.PathLike | None = None) -> np.ndarray:
    """Open the images of a split.

    Args:
        name: The dataset's name.
        split: `train`, `val` or `test`; only some datasets have `val`.
        root: The prepared folder, or the folder that holds it under the dataset's name.
            `digits` needs none.

    Returns:
        uint8 [N, D, D, C], memory-mapped (`digits` without a root: in memory).

    Raises:
        ValueError: The dataset or split does not exist, or `root` holds another dataset.
        FileNotFoundError: The dataset has not been prepared.

    Example:
        ```python
        x = datasets.load("digits", "train")  # (1285, 8, 8, 1)
        x = datasets.load("cifar10", "train", "data")  # from data/cifar10/train.npy
        ```
    """
    prepared = _find_prepared(name, root)
    return prepared.images(split) if prepared else _digits(split)[0]


def load_labels(name: str, split: str, root: str | os.PathLike | None = None) -> np.ndarray | None:
    """Open the labels of a split, in the order of its images.

    Args:
        name: The dataset's name.
        split: `train`, `val` or `test`; only some datasets have `val`.
        root: As for `load`.

    Returns:
        int64 [N], or None if the source has no labels.

    Raises:
        ValueError: The dataset or split does not exist, or `root` holds another dataset.
        FileNotFoundError: The dataset has not been prepared.

    Example:
        ```python
        y = datasets.load_labels("digits", "train")  # [1285], 0 to 9
        ```
    """
    prepared = _find_prepared(name, root)
    return prepared.labels(split) if prepared else _digits(split)[1]


def _find_prepared(name: str, root: str | os.PathLike | None) -> Prepared | None:
    """Open the dataset in `root`; return None for the digits, which need no preparation."""
    entry = dataset(name)
    if root is None:
        if entry.needs_source:
            raise InputError(
                f"{name} needs a root, the folder in which it was prepared. To prepare it: "
                f"{entry.instructions}"
            )
        return None
    root = Path(root)
    prepared = open_prepared(root if (root / DESCRIPTION_FILE).exists() else root / name)
    if prepared.name != name:
        raise InputError(f"{prepared.folder} holds {prepared.name}, not {name}; give its folder.")
    return prepared


def _digits(split: str) -> tuple[np.ndarray, np.ndarray | None]:
    arrays = digits.arrays()
    if split not in arrays:
        raise InputError(f"digits has no split {split!r}; it has {', '.join(arrays)}.")
    return arrays[split]
