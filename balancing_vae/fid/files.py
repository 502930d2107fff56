"""Sets of images as files: arrays, folders of images, prepared datasets."""

import os
import warnings
from pathlib import Path

import numpy as np

from balancing_vae.datasets import open_prepared
from balancing_vae.datasets.description import DESCRIPTION_FILE
from balancing_vae.datasets.files import find_images
from balancing_vae.datasets.files import in_words
from balancing_vae.datasets.files import open_files
from balancing_vae.datasets.files import read_image_file
from balancing_vae.datasets.images import read_picture
from balancing_vae.datasets.npy import open_npy
from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError


def open_images(path: str | os.PathLike) -> "np.ndarray | ImageFolder":
    """Open a set of images without reading it into memory.

    Args:
        path: A `.npy` array (memory-mapped); a prepared dataset, whose `test.npy` is used (for
            another split, give its file); or a folder of image files.

    Returns:
        An object with a length that returns arrays [n, h, w, c] when sliced.

    Raises:
        FileNotFoundError: `path` does not exist, or the folder has no image.
        ValueError: It does not contain images.

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
    images = open_npy(path)
    if images.ndim not in (3, 4):
        raise InputError(
            f"{path} has shape {images.shape}; expected images [n, h, w] or [n, h, w, c]."
        )
    return images


class ImageFolder:
    """The image files in a folder and its subfolders, sorted by path, decoded when sliced.

    It accepts and refuses the same files as `datasets.prepare("folder", ...)`; see
    `datasets.files.find_images` and `datasets.images.read_picture`. Grey, palette and
    transparent images become RGB, as in pytorch-fid. Unlike there, a photo is rotated according
    to its EXIF tag. Warnings name the ignored files and the first image with transparency.

    Args:
        folder: The folder.

    Attributes:
        names: The images' names in the folder, sorted.
        passed_over: Number of other files, by their ending or kind.

    Raises:
        FileNotFoundError: It has no image file.
        ValueError: The first image cannot be read.

    Example:
        ```python
        len(ImageFolder("samples"))  # 10000
        ```
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self._files = open_files(self.folder)
        self.names, self.passed_over = find_images(self._files)
        others = in_words(self.passed_over)
        if not self.names:
            raise MissingFileError(
                f"{folder} holds no image file{f', only {others}' if others else ''}; expected "
                "PNG, JPEG or another format that `balancing-vae datasets prepare folder` takes."
            )
        if others:
            warnings.warn(
                f"{folder}: {len(self.names):,} images; passed over: {others}.", stacklevel=2
            )
        self._said_transparent = False
        self._size = self._decode(self.names[0]).shape

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, part: slice) -> np.ndarray:
        """Return uint8 [n, h, w, 3].

        Raises:
            ValueError: An image cannot be read or differs in size from the first.
        """
        images = []
        for name in self.names[part]:
            image = self._decode(name)
            if image.shape != self._size:
                raise InputError(
                    f"{self.folder / name} is {_size(image.shape)} pixels, but {self.names[0]} is "
                    f"{_size(self._size)}; a set needs images of one size: crop or resize them."
                )
            images.append(image)
        return np.stack(images)

    def _decode(self, name: str) -> np.ndarray:
        path = self.folder / name
        try:
            picture = read_picture(read_image_file(self._files, name))
        except (InputError, OSError) as error:
            raise InputError(f"{path} cannot be read ({error}); replace or remove it.") from error
        if picture.transparent and not self._said_transparent:
            self._said_transparent = True
            warnings.warn(
                f"{path} has transparent pixels, which are used without their transparency; other "
                "images may have them, too.",
                stacklevel=2,
            )
        return np.asarray(picture.image)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
