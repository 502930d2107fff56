"""Check an HDF5 weights file before Keras reads it.

An HDF5 file can refer to other files and can declare gigabytes that it does not hold. Weights
need neither: each array is stored in the file itself, complete and uncompressed.
"""

import math
import os
import zipfile
from collections import Counter
from collections.abc import Iterator
from typing import IO

import h5py
import numpy as np

from balancing_vae.errors import InputError

SMALL = 2**26
# Random floats hardly compress; a model's description shrinks about tenfold.
LARGEST_RATIO = 50


def check_weights(file: str | os.PathLike | IO[bytes], shapes: Counter | None = None) -> None:
    """Raise if an HDF5 file holds anything but finite arrays of numbers.

    Args:
        file: A path, or an open file.
        shapes: Number of the model's arrays by shape; the file may not hold any other. By
            default any shapes are allowed.

    Raises:
        ValueError: The file holds a link, an array in another file, a virtual, compressed or
            incomplete array, an array of another dtype or shape, or NaN or infinite values.
            The message names what was found, without the file's name.
        OSError: The file is not HDF5; h5py also raises other errors on a damaged file.

    Example:
        ```python
        check_weights(path, Counter(tuple(w.shape) for w in model.weights))
        ```
    """
    with h5py.File(file, "r") as opened:
        arrays = list(_arrays(opened, {}))
        for name, array in arrays:
            _check_storage(name, array)
        found = Counter(array.shape for _, array in arrays)
        if shapes is not None and (others := found - shapes):
            shape = next(iter(others))
            raise InputError(
                "weights of another network than the config in its folder describes "
                f"({found[shape]} arrays of shape {shape} instead of {shapes[shape]})"
            )
        for name, array in arrays:
            if not np.isfinite(array[()]).all():
                raise InputError(f"NaN or infinite values, in {name!r}")


def check_model_archive(path: str | os.PathLike) -> None:
    """Raise if `check_weights` would refuse the weights in a `.keras` file.

    Args:
        path: The file.

    Raises:
        ValueError: As in `check_weights`; or the archive declares far more than it can hold.
        OSError: The file cannot be read; h5py and zipfile also raise other errors on a
            damaged file.

    Example:
        ```python
        check_model_archive("classifier.keras")
        ```
    """
    with zipfile.ZipFile(path) as archive:
        claimed = sum(member.file_size for member in archive.infolist())
        if claimed > max(SMALL, LARGEST_RATIO * os.path.getsize(path)):
            raise InputError(f"{claimed:,} bytes, more than a file of this size can")
        for name in archive.namelist():
            if name.endswith(".h5"):
                with archive.open(name) as file:
                    check_weights(file)


def _arrays(group: h5py.Group, seen: dict) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield the arrays below a group by name; links out of the file are refused."""
    for key in group:
        name = f"{group.name.rstrip('/')}/{key}"
        link = group.get(key, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise InputError(f"a link, {name!r} ({type(link).__name__})")
        item = group[key]
        place = h5py.h5o.get_info(item.id).addr
        if place in seen:
            raise InputError(f"the same array under two names, {name!r} and {seen[place]!r}")
        seen[place] = name
        if isinstance(item, h5py.Group):
            yield from _arrays(item, seen)
        elif isinstance(item, h5py.Dataset):
            yield name, item
        else:
            raise InputError(f"neither a group nor an array, {name!r}")


def _check_storage(name: str, array: h5py.Dataset) -> None:
    if array.external:
        raise InputError(f"an array that is in another file, {name!r} in {array.external[0][0]!r}")
    if array.is_virtual:
        raise InputError(f"a virtual array, made of other files, {name!r}")
    if array.chunks is not None:
        raise InputError(f"an array in chunks, perhaps compressed, {name!r}")
    if array.dtype.kind not in "fiub" or array.shape is None:
        raise InputError(f"{array.dtype} in place of numbers, {name!r}")
    claimed, stored = math.prod(array.shape) * array.dtype.itemsize, array.id.get_storage_size()
    if claimed != stored:
        raise InputError(f"{stored:,} bytes of an array of {claimed:,}, {name!r}")
