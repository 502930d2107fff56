"""One image file to one uint8 array: decode, cut, resize; and the JPEG round trip."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from balancing_vae.errors import InputError

JPEG_QUALITY = 75
JPEG_SUBSAMPLING = "4:2:0"

# Eight-bit modes that turn into RGB without guessing. CMYK needs its colour profile, and
# Pillow clips 16-bit and float pixels instead of scaling them: those are refused.
_CONVERTIBLE = frozenset({"RGB", "L", "1", "P", "LA", "PA", "RGBA", "RGBX", "RGBa", "La", "YCbCr"})


@dataclass(frozen=True)
class Cut:
    """How an image is cut and shrunk.

    Args:
        box: (left, top, right, bottom) in pixels, the last two exclusive; or the side of a
            centred square; or None for the largest centred square.
        side: Side of the result in pixels.
        size: The (width, height) that every image must have, or None.

    Example:
        ```python
        Cut(box=(25, 45, 153, 173), side=64, size=(178, 218))  # CelebA
        ```
    """

    box: tuple[int, int, int, int] | int | None
    side: int
    size: tuple[int, int] | None = None

    def box_in(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return the box to cut from an image of this size.

        Args:
            width: Width of the image in pixels.
            height: Height of the image in pixels.

        Returns:
            (left, top, right, bottom), the last two exclusive.

        Raises:
            ValueError: The image has not the size it must have, or the box sticks out of it.
        """
        if self.size is not None and (width, height) != self.size:
            raise InputError(f"it is {width}x{height}, not {self.size[0]}x{self.size[1]}")
        if isinstance(self.box, tuple):
            left, top, right, bottom = self.box
        else:
            square = min(width, height) if self.box is None else self.box
            left, top = (width - square) // 2, (height - square) // 2
            right, bottom = left + square, top + square
        if left < 0 or top < 0 or right > width or bottom > height:
            raise InputError(f"it is {width}x{height}, too small for the crop {self.box}")
        return left, top, right, bottom


def decode(data: bytes, cut: Cut) -> np.ndarray:
    """Decode an image file, cut it and resize it.

    The resize is Pillow's bilinear, which is antialiased: its weights are 1-3-3-1 when it
    halves (the original program; TensorFlow's resize is not antialiased).

    Args:
        data: The file's bytes, in any format that Pillow reads.
        cut: What to cut out and the side to shrink it to.

    Returns:
        uint8 [side, side, 3]. Grey and palette images become RGB; an alpha channel is
        dropped; an EXIF orientation is not applied, so a box always counts stored pixels.

    Raises:
        ValueError: The image is CMYK, has more than 8 bits a channel, or has the wrong size.
        OSError: The file is truncated or not an image.

    Example:
        ```python
        face = decode(Path("000001.jpg").read_bytes(), Cut((25, 45, 153, 173), 64))
        ```
    """
    with Image.open(io.BytesIO(data)) as image:
        box = cut.box_in(*image.size)
        if _has_16_bits(image):
            raise InputError("it has 16 bits a channel; save it with 8 first")
        if image.mode not in _CONVERTIBLE:
            raise InputError(f"its mode is {image.mode}; save it as 8-bit RGB or grey first")
        colour = image.convert("RGB")
    # Cut first: `resize(box=...)` would let pixels outside the box into its border.
    small = colour.crop(box).resize((cut.side, cut.side), Image.Resampling.BILINEAR)
    return np.asarray(small)


def _has_16_bits(image: Image.Image) -> bool:
    """Look at the file's own format: Pillow calls 16-bit colour RGB and drops the low bytes."""
    arguments = image.tile[0].args if image.tile else ""
    raw_mode = arguments if isinstance(arguments, str) else next(iter(arguments or ()), "")
    return str(raw_mode).endswith((";16B", ";16L", ";16N"))


def jpeg_round_trip(images: np.ndarray) -> np.ndarray:
    """Write each image as a JPEG and read it back: quality 75, chroma at half size (4:2:0).

    The original program does this to CIFAR-10 before it trains, tests and measures the FID.

    Args:
        images: uint8 [N, H, W, 3].

    Returns:
        uint8 [N, H, W, 3], what the JPEGs show.

    Example:
        ```python
        as_trained = jpeg_round_trip(cifar10_images)
        ```
    """
    result = np.empty_like(images)
    for index, image in enumerate(images):
        file = io.BytesIO()
        Image.fromarray(image).save(
            file, "JPEG", quality=JPEG_QUALITY, subsampling=JPEG_SUBSAMPLING
        )
        with Image.open(file) as decoded:
            result[index] = decoded
    return result
