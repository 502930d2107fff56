"""A set of images in a `.npz`, as written by `balancing-vae generate` and other programs."""

import os
import zipfile
from pathlib import Path

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.files.arrays import load_arrays

# Our own name, and NumPy's name for an unnamed array.
_NAMES = ("images", "arr_0")


def read_image_archive(path: str | os.PathLike) -> np.ndarray | None:
    """Read the images of a `.npz`.

    Args:
        path: The file. Nothing in it is unpickled.

    Returns:
        Its array `images` or, if there is none, `arr_0`, [n, h, w] or [n, h, w, c]. None if it
        has neither, if it has statistics (`mu` and `sigma`), or if it is not a `.npz`.

    Raises:
        ValueError: The file is damaged or claims more than it can hold, or the array is not
            one of images.

    Example:
        ```python
        read_image_archive("samples.npz").shape  # (10000, 32, 32, 3)
        ```
    """
    path = Path(path)
    if not path.is_file():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            there = {name.removesuffix(".npy") for name in archive.namelist()}
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return None
    name = next((name for name in _NAMES if name in there), None)
    if name is None or {"mu", "sigma"} <= there:
        return None
    images = load_arrays(path)[name]
    if images.ndim not in (3, 4):
        raise InputError(
            f"{path} has {name} of shape {images.shape}; expected images [n, h, w] or [n, h, w, c]."
        )
    return images
