"""Sets of images as files: arrays, folders of images, prepared datasets."""

import os
from pathlib import Path

import numpy as np
from PIL import Image
from PIL import UnidentifiedImageError

from balancing_vae.datasets import open_prepared
from balancing_vae.datasets.prepared import DESCRIPTION_FILE
from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError


def open_images(path: str | os.PathLike) -> "np.ndarray | ImageFolder":
    """Open a set of images without reading it into memory.

    Args:
        path: A `.npy` array (memory-mapped); a prepared dataset, whose `test.npy` is
            taken (for another split give its file); or a folder of image files.

    Returns:
        Something with a length that gives arrays [n, h, w, c] when sliced.

    Raises:
        FileNotFoundError: There is nothing there, or no image in the folder.
        ValueError: It is no set of images.

    Example:
        ```python
        open_images("data/cifar10")  # its test.npy
        ```
    """
    path = Path(path)
    if not path.exists():
        raise MissingFileError(
            f"There is no {path}; expected images (.npy, a folder of image files, a prepared "
            "dataset) or statistics (.npz)."
        )
    if path.is_dir():
        if (path / DESCRIPTION_FILE).is_file():
            return open_prepared(path).images("test")
        return ImageFolder(path)
    if path.suffix != ".npy":
        raise InputError(
            f"{path} is neither .npy nor a folder; expected images (.npy, a folder of image "
            "files, a prepared dataset) or statistics (.npz)."
        )
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read as .npy ({error}): write it again.") from error
    if images.ndim not in (3, 4):
        raise InputError(
            f"{path} has shape {images.shape}; expected images [n, h, w] or [n, h, w, c]."
        )
    return images


class ImageFolder:
    """The image files in a folder and its subfolders, sorted by path, decoded when sliced.

    Files that Pillow has no format for by their name are left out. Whatever a file's mode
    (grey, palette, transparency), it is converted to RGB, as pytorch-fid does; images of
    more than 8 bits a channel are refused.

    Args:
        folder: The folder.

    Raises:
        FileNotFoundError: It holds no image file.

    Example:
        ```python
        len(ImageFolder("samples"))  # 10000
        ```
    """

    def __init__(self, folder: str | os.PathLike):
        known = Image.registered_extensions()
        self.paths = sorted(
            path
            for path in Path(folder).rglob("*")
            if path.suffix.lower() in known and path.is_file()
        )
        if not self.paths:
            raise MissingFileError(
                f"{folder} holds no image file; expected PNG, JPEG or what else Pillow reads."
            )
        self._size = _decode(self.paths[0]).shape

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, part: slice) -> np.ndarray:
        """Return uint8 [n, h, w, 3].

        Raises:
            ValueError: An image cannot be read or differs in size from the first.
        """
        images = []
        for path in self.paths[part]:
            image = _decode(path)
            if image.shape != self._size:
                raise InputError(
                    f"{path} is {_size(image.shape)} pixels, but {self.paths[0].name} is "
                    f"{_size(self._size)}; a set needs images of one size: crop or resize them."
                )
            images.append(image)
        return np.stack(images)


def _decode(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):
                raise InputError(
                    f"{path} has more than 8 bits a channel (mode {image.mode}): convert it to "
                    "8 bits, for the networks were trained on such."
                )
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"{path} cannot be read ({error}): mend or remove it.") from error


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
