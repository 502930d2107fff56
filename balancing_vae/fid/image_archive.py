"""A set of images in a `.npz`, as `balancing-vae generate` and other programs write it."""

import os
import zipfile
from pathlib import Path

import numpy as np

from balancing_vae.errors import InputError

# Our own name, and NumPy's for an array that was given none.
_NAMES = ("images", "arr_0")


def read_image_archive(path: str | os.PathLike) -> np.ndarray | None:
    """Read the images of a `.npz`.

    Args:
        path: The file. Nothing in it is unpickled.

    Returns:
        Its array `images`, or else `arr_0`, [n, h, w] or [n, h, w, c]; None where it has
        neither, or has statistics (`mu` and `sigma`), or is not a `.npz`.

    Raises:
        ValueError: The array is damaged or is not one of images.

    Example:
        ```python
        read_image_archive("samples.npz").shape  # (10000, 32, 32, 3)
        ```
    """
    path = Path(path)
    if not path.is_file() or not zipfile.is_zipfile(path):
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            name = next((name for name in _NAMES if name in archive.files), None)
            if name is None or {"mu", "sigma"} <= set(archive.files):
                return None
            images = archive[name]
    # Whatever NumPy, zipfile or zlib says of damaged bytes.
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as .npz ({error}): write or fetch it again."
        ) from error
    if images.ndim not in (3, 4):
        raise InputError(
            f"{path} has {name} of shape {images.shape}; expected images [n, h, w] or [n, h, w, c]."
        )
    return images
