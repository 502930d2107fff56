"""Arrays from `.npy` and `.npz` files: nothing is unpickled, damage is named."""

import io
import os
import tokenize
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from balancing_vae.datasets.bounded import DAMAGE
from balancing_vae.datasets.bounded import read_zip_entry
from balancing_vae.datasets.bounded import refuse_special_file
from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError

# What NumPy raises where a header is damaged: it is parsed as Python, and its shape is
# believed before the data are looked at.
_BAD_HEADER = (
    ValueError,
    EOFError,
    SyntaxError,
    tokenize.TokenError,
    TypeError,
    OverflowError,
    MemoryError,
    RecursionError,
)
# NumPy refuses longer headers of its own accord.
_LONGEST_HEADER = 10_000 + 12


def open_npy(path: str | os.PathLike) -> np.ndarray:
    """Open a `.npy` file memory-mapped, for reading.

    Args:
        path: The file.

    Returns:
        The array, memory-mapped.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is empty, cut short, damaged, holds Python objects, or is a pipe or a
            device.

    Example:
        ```python
        open_npy("data/cifar10/train.npy").shape  # (50000, 32, 32, 3)
        ```
    """
    path = Path(path)
    if not path.exists():
        raise MissingFileError(f"{path} is missing; expected a .npy file.")
    refuse_special_file(path)
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except _BAD_HEADER as error:
        reason = "it is empty" if path.stat().st_size == 0 else str(error) or type(error).__name__
        raise InputError(
            f"{path} is not a whole array of plain numbers ({reason}); write it again."
        ) from error


def read_npz(path: str | os.PathLike, names: Sequence[str], limit: int) -> list[np.ndarray]:
    """Return arrays of an `.npz`.

    Args:
        path: The file.
        names: Which arrays.
        limit: Bytes of one array at most.

    Returns:
        The arrays in the order of `names`.

    Raises:
        ValueError: It is not such an `.npz`, or an array is larger, damaged or of Python
            objects.

    Example:
        ```python
        x, y = read_npz("mnist.npz", ["x_train", "y_train"], 47_040_000)
        ```
    """
    path = Path(path)
    refuse_special_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return [_read_array(archive, name, limit) for name in names]
    except (*DAMAGE, *_BAD_HEADER, KeyError) as error:
        # A KeyError puts its message into quotation marks.
        reason = error.args[0] if isinstance(error, KeyError) else error
        raise InputError(
            f"{path} is not an .npz with plain arrays {', '.join(names)} "
            f"({reason or type(error).__name__}); fetch or write it again."
        ) from error


def _read_array(archive: zipfile.ZipFile, name: str, limit: int) -> np.ndarray:
    data = read_zip_entry(archive, archive.getinfo(f"{name}.npy"), limit + _LONGEST_HEADER)
    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
