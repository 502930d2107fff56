"""CIFAR-10: the python version and the binary version, as archives or unpacked."""

import hashlib
import io
import pickle
from pathlib import Path

import numpy as np

from balancing_vae.datasets.arrays import Arrays
from balancing_vae.datasets.arrays import from_arrays
from balancing_vae.datasets.bounded import read_file
from balancing_vae.datasets.bounded import read_tar
from balancing_vae.datasets.images import JPEG_QUALITY
from balancing_vae.datasets.images import JPEG_SUBSAMPLING
from balancing_vae.datasets.images import jpeg_round_trip
from balancing_vae.datasets.prepared import Contents
from balancing_vae.datasets.published import sources
from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError

CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
COUNTS = {"train": 50_000, "test": 10_000}
_SIDE = 32
_RECORD = 1 + 3 * _SIDE**2  # of the binary version: a label, then red, green, blue planes
_LARGEST_BATCH = 32_000_000  # bytes: 10,000 records and the pickle's overhead
LARGEST_ARCHIVE = 200_000_000  # bytes unpacked: six batches and some text
_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
_BATCHES = {  # in the order of the images
    "python": (*_TRAIN, "test_batch"),
    "binary": (*(f"{name}.bin" for name in _TRAIN), "test_batch.bin"),
}
# Where the batches may be in a folder: directly, in an unpacked folder, or in an archive.
_INSIDE = (
    "cifar-10-batches-py",
    "cifar-10-batches-bin",
    "cifar-10-python.tar.gz",
    "cifar-10-binary.tar.gz",
)


def read(
    source: Path,
    jpeg: bool = False,
    allow_partial: bool = False,
    workers: int | None = None,
    checksums: dict[str, str] | None = None,
) -> Contents:
    """Read CIFAR-10.

    Args:
        source: `cifar-10-python.tar.gz`, `cifar-10-binary.tar.gz`, the folder
            `cifar-10-batches-py` or `cifar-10-batches-bin`, or a folder that holds one of them.
        jpeg: Whether each image is written as a JPEG and read back, as the original program does.
        allow_partial: Whether fewer than 50,000 and 10,000 images are accepted (binary version).
        workers: Number of processes for the JPEGs; all cores by default.
        checksums: sha256 of each batch of the python version; by default the published ones. A
            batch is a pickle, so it is opened only if its sha256 matches.

    Returns:
        The images, uint8 32x32x3, and labels, in `train` and `test` in the source's order.

    Raises:
        FileNotFoundError: The source does not exist, or a batch is missing.
        ValueError: A checksum does not match, a batch is truncated, or the count is wrong.
    """
    kind, files = _read_files(source)
    if kind == "python":
        checksums = checksums or sources()["cifar10"]["batches"]
        for name, data in files.items():
            _check_sha256(f"{source}: {name}", data, checksums[name])
    decode = _unpickle if kind == "python" else _decode_records
    *train, test = [decode(f"{source}: {name}", files.pop(name)) for name in _BATCHES[kind]]
    images, labels = zip(*train, strict=True)
    arrays = {"train": (np.concatenate(images), np.concatenate(labels)), "test": test}
    _check_counts(source, arrays, allow_partial)
    description = {
        "source": {"file": source.name, "format": kind},
        "classes": CLASSES,
        "jpeg": {"quality": JPEG_QUALITY, "subsampling": JPEG_SUBSAMPLING} if jpeg else None,
    }
    return from_arrays(arrays, description, jpeg_round_trip if jpeg else None, workers)


def _read_files(source: Path) -> tuple[str, dict[str, bytes]]:
    """Return the version of the source and the bytes of its six batches."""
    if not source.exists():
        raise MissingFileError(
            f"{source} does not exist; give cifar-10-python.tar.gz or cifar-10-binary.tar.gz, "
            "or the folder it unpacks to."
        )
    wanted = {name for names in _BATCHES.values() for name in names}
    if source.is_dir():
        found = {name: source / name for name in wanted if (source / name).is_file()}
        inside = [source / name for name in _INSIDE if (source / name).exists()]
        if not found and inside:
            return _read_files(inside[0])
        files = {name: read_file(path, _LARGEST_BATCH) for name, path in found.items()}
    else:
        files = read_tar(source, wanted, LARGEST_ARCHIVE)
    for kind, names in _BATCHES.items():
        missing = [name for name in names if name not in files]
        if not missing:
            return kind, {name: files[name] for name in names}
        if len(missing) < len(names):
            raise MissingFileError(
                f"{source} lacks {', '.join(missing)}; unpack or download CIFAR-10 again."
            )
    raise InputError(
        f"{source} is not CIFAR-10: it holds neither data_batch_1 nor data_batch_1.bin; give "
        "cifar-10-python.tar.gz or cifar-10-binary.tar.gz, or the folder it unpacks to."
    )


def _check_sha256(place: str, data: bytes, expected: str) -> None:
    actual = hashlib.sha256(data).hexdigest()
    if actual != expected:
        raise InputError(
            f"{place} has the sha256 {actual}, but CIFAR-10's is {expected}; the file is a pickle "
            "and was not opened: download CIFAR-10 again."
        )


class _BatchUnpickler(pickle.Unpickler):
    """Unpickle a dictionary of NumPy arrays and nothing else, even if the checksum matches."""

    _allowed = {
        # NumPy 1 wrote the batches; NumPy 2 has another name for this module.
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self._allowed:
            raise pickle.UnpicklingError(f"it requires {module}.{name}")
        return self._allowed[module, name]


def _unpickle(place: str, data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return a python batch's images, uint8 [n, 32, 32, 3], and labels, int64 [n]."""
    try:
        batch = _BatchUnpickler(io.BytesIO(data), encoding="bytes").load()
        images = _planes_to_images(np.asarray(batch[b"data"], np.uint8))
        labels = np.asarray(batch[b"labels"], np.int64)
    except (pickle.UnpicklingError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{place} is not a batch of CIFAR-10 ({error}); download CIFAR-10 again."
        ) from error
    if labels.shape != (len(images),):
        raise InputError(
            f"{place} has {labels.size} labels for {len(images)} images; download it again."
        )
    return images, labels


def _decode_records(place: str, data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return a binary batch's images, uint8 [n, 32, 32, 3], and labels, int64 [n]."""
    if not data or len(data) % _RECORD:
        raise InputError(
            f"{place} has {len(data):,} bytes, which is not a multiple of the record size "
            f"{_RECORD:,}; it is truncated: download CIFAR-10 again."
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, _RECORD)
    labels = records[:, 0].astype(np.int64)
    if labels.max() >= len(CLASSES):
        raise InputError(
            f"{place} has the label {labels.max()}, CIFAR-10's go to 9 (is it CIFAR-100?); "
            "download CIFAR-10 again."
        )
    return _planes_to_images(records[:, 1:]), labels


def _planes_to_images(planes: np.ndarray) -> np.ndarray:
    return planes.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)


def _check_counts(source: Path, arrays: Arrays, allow_partial: bool) -> None:
    for split, (images, _) in arrays.items():
        if len(images) != COUNTS[split] and not allow_partial:
            raise InputError(
                f"{source} has {len(images):,} {split} images, CIFAR-10 has {COUNTS[split]:,}",
                "download all of it, or accept a part with allow_partial=True",
                "download all of it, or accept a part with --allow-partial",
            )
