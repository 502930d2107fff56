"""Write a .npy file piece by piece, when its length is known only at the end."""

import hashlib
import math
from pathlib import Path

import numpy as np

from balancing_vae.errors import InputError


class ArrayWriter:
    """Append uint8 images to a .npy file, and compute their summary for `dataset.json`.

    It writes with plain `write` calls, never through a memory map. On a full disk a `write`
    raises `OSError`, but a store into a memory map would kill the process.

    Args:
        path: The file to write, which must not exist.
        image_shape: (H, W, C) of every image.

    Example:
        ```python
        with ArrayWriter(Path("train.npy"), (64, 64, 3)) as writer:
            writer.append(images)
        print(writer.summary())
        ```
    """

    def __init__(self, path: Path, image_shape: tuple[int, int, int]):
        self.image_shape = tuple(image_shape)
        self.count = 0
        channels = self.image_shape[-1]
        self._sum = np.zeros(channels, np.uint64)
        self._sum_of_squares = np.zeros(channels, np.uint64)
        self._sha256 = hashlib.sha256()
        self._file = path.open("xb")
        self._write_header()

    def __enter__(self) -> "ArrayWriter":
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            # NumPy pads the header, so that it can be overwritten with a larger first axis.
            if exception[0] is None:
                self._file.seek(0)
                self._write_header()
        finally:
            self._file.close()

    def append(self, images: np.ndarray) -> None:
        """Append images.

        Args:
            images: uint8 [n, H, W, C], n at most 65,536.

        Raises:
            ValueError: The images have another type or shape than those in the file.
            OSError: The disk is full.
        """
        if images.dtype != np.uint8 or images.shape[1:] != self.image_shape:
            raise InputError(
                f"images of {images.dtype} {images.shape[1:]} do not fit into an array of "
                f"uint8 {self.image_shape}."
            )
        images = np.ascontiguousarray(images)
        self._file.write(images)
        self._sha256.update(images)
        # Exact integers, so that the statistics do not depend on how the images were batched.
        self._sum += _channel_sums(images)
        self._sum_of_squares += _channel_sums(np.square(images, dtype=np.uint16))
        self.count += len(images)

    def summary(self) -> dict:
        """Return count, per-channel mean and standard deviation on [0, 1], and sha256.

        The sha256 covers the array's bytes without the .npy header.
        """
        values = self.count * math.prod(self.image_shape[:-1])
        mean = [int(total) / values / 255 for total in self._sum]
        std = [
            math.sqrt(values * int(squares) - int(total) ** 2) / values / 255
            for total, squares in zip(self._sum, self._sum_of_squares, strict=True)
        ]
        return {
            "count": self.count,
            "mean": mean,
            "std": std,
            "sha256": self._sha256.hexdigest(),
        }

    def _write_header(self) -> None:
        np.lib.format.write_array_header_1_0(
            self._file,
            {"descr": "|u1", "fortran_order": False, "shape": (self.count, *self.image_shape)},
        )


def _channel_sums(images: np.ndarray) -> np.ndarray:
    """Return the sums, uint64 [C]; images are summed first, because contiguous rows are fast."""
    pixels = images.sum(axis=0, dtype=np.uint32)
    return pixels.reshape(-1, images.shape[-1]).sum(axis=0, dtype=np.uint64)
