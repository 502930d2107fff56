"""Write images as one `.npy` or `.npz`, or as a folder of PNGs."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from balancing_vae.checks import as_uint8
from balancing_vae.files.arrays import save_array
from balancing_vae.files.arrays import save_arrays
from balancing_vae.files.atomic import atomic_folder
from balancing_vae.files.formats import PICTURES
from balancing_vae.files.targets import output_file
from balancing_vae.files.targets import output_folder

ARRAY_ENDINGS = (".npy", ".npz")


def check_images_path(
    path: Path, overwrite: bool, sources: Iterable[str | os.PathLike | None] = ()
) -> None:
    """Raise if `write_images` would refuse the path, before the images are made.

    Args:
        path: A `.npy` or `.npz` file, or a folder.
        overwrite: Whether an existing file or folder may be replaced.
        sources: Files and folders that are read and must not be replaced.

    Raises:
        FileExistsError: `path` exists, and `overwrite` is false or this package did not write it.
        ValueError: `path` cannot be written, or its name has the ending of another kind of file.
        OSError: The folder is not writable.
    """
    if path.suffix in ARRAY_ENDINGS:
        output_file(path, overwrite, sources=[source for source in sources if source is not None])
    else:
        output_folder(path, PICTURES, overwrite, sources)


def write_images(path: Path, images: np.ndarray, overwrite: bool = False) -> None:
    """Write images rounded to 8 bits.

    Args:
        path: A name that ends in `.npy` gets one array, uint8 [N, D, D, C]; a name that ends in
            `.npz` gets the same array under the name `images`; a name without such an ending
            becomes a folder of `00000.png`, `00001.png`, ...
        images: Float [N, D, D, C] in [0, 1], C 1 or 3.
        overwrite: Whether an existing file or folder may be replaced; a folder only if it holds
            nothing but such pictures.

    Raises:
        FileExistsError: `path` exists, and `overwrite` is false or this package did not write it.
        ValueError: `path` cannot be written, or its name has the ending of another kind of file.
        OSError: The disk is full; nothing is left partly written.

    Example:
        ```python
        write_images(Path("samples.npy"), vae.generate(10_000))
        ```
    """
    check_images_path(path, overwrite)
    images = as_uint8(images)
    if path.suffix == ".npy":
        save_array(path, images)
        return
    if path.suffix == ".npz":
        save_arrays(path, images=images)
        return
    with atomic_folder(path, PICTURES, overwrite) as folder:
        for i, image in enumerate(images):
            Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(
                folder / f"{i:05d}.png"
            )
