"""Images on disk, for other people's tools: one `.npy`, or a folder of PNGs."""

from pathlib import Path

import numpy as np
from PIL import Image

from balancing_vae.checks import as_uint8
from balancing_vae.errors import ExistingFileError
from balancing_vae.storage.atomic import atomic_file
from balancing_vae.storage.atomic import atomic_folder
from balancing_vae.storage.atomic import refuse_existing


def refuse_existing_images(path: Path, overwrite: bool) -> None:
    """Raise if `write_images` would refuse, before the images are made.

    Args:
        path: A `.npy` file or a folder.
        overwrite: Whether what is there may be replaced.

    Raises:
        FileExistsError: Something is there, and `overwrite` is false.
    """
    if path.suffix != ".npy":
        refuse_existing(path, overwrite)
    elif path.exists() and not overwrite:
        raise ExistingFileError(f"{path} is there already; choose another name, or --overwrite.")


def write_images(path: Path, images: np.ndarray, overwrite: bool = False) -> None:
    """Write images rounded to 8 bits.

    Args:
        path: A name that ends in `.npy`: one array, uint8 [N, D, D, C]; any other: a
            folder of `00000.png`, `00001.png`, ...
        images: Float [N, D, D, C] in [0, 1], C 1 or 3.
        overwrite: Whether what is there may be replaced.

    Raises:
        FileExistsError: Something is there, and `overwrite` is false.
        OSError: The disk is full; nothing is left half-written.

    Example:
        ```python
        write_images(Path("samples.npy"), vae.generate(10_000))
        ```
    """
    refuse_existing_images(path, overwrite)
    images = as_uint8(images)
    if path.suffix == ".npy":
        with atomic_file(path) as temporary:
            np.save(temporary, images)
        return
    with atomic_folder(path, overwrite) as folder:
        for i, image in enumerate(images):
            Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(
                folder / f"{i:05d}.png"
            )
