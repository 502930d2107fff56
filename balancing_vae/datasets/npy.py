"""Open `.npy` files without unpickling anything, and report damage."""

import os
import tokenize
from pathlib import Path

import numpy as np

from balancing_vae.datasets.bounded import refuse_special_file
from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError

# The exceptions that NumPy raises for a damaged header. It parses the header as Python, and uses
# the header's shape before it reads the data.
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


def open_npy(path: str | os.PathLike) -> np.ndarray:
    """Open a `.npy` file memory-mapped, for reading.

    Args:
        path: The file.

    Returns:
        The array, memory-mapped.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It is empty, truncated, damaged, holds Python objects, or is a pipe or a
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
            f"{path} is not a complete array of plain numbers ({reason}); write it again."
        ) from error
