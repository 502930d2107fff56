"""Convert an image file to a uint8 array: decode, crop, resize, and the JPEG round trip."""

import functools
import io
import math
import struct
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags
from PIL import Image
from PIL import UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from balancing_vae.errors import InputError

JPEG_QUALITY = 75
JPEG_SUBSAMPLING = "4:2:0"

# The image formats that Pillow itself decodes. Its vector formats start other programs, and its
# stubs (HDF5, MPEG) read nothing. A file's content must be in one of these formats, regardless of
# its name.
FORMATS = ("AVIF", "BMP", "DIB", "GIF", "JPEG", "PNG", "PPM", "QOI", "TGA", "TIFF", "WEBP")

# Eight-bit modes with a well-defined conversion to RGB. Others are refused: CMYK needs its colour
# profile, and Pillow clips 16-bit and float pixels instead of scaling them.
_CONVERTIBLE = frozenset({"RGB", "L", "1", "P", "LA", "PA", "RGBA", "RGBX", "RGBa", "La", "YCbCr"})

# How to turn an image whose EXIF orientation is not 1, "upright". ImageOps.exif_transpose is not
# used, because it also rewrites the tags, and fails if they are damaged.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BITS_PER_SAMPLE = 258  # TIFF's tag


@functools.cache
def readable_endings() -> frozenset[str]:
    """Return the file endings that count as images, in lower case, with the dot."""
    known = Image.registered_extensions()
    return frozenset(ending for ending, kind in known.items() if kind in _readable_formats())


@functools.cache
def _readable_formats() -> tuple[str, ...]:
    """Return the formats in FORMATS that this build of Pillow supports."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def largest_pixels() -> float:
    """Return the maximum pixels of an image: Pillow's limit, which a program can change."""
    return math.inf if Image.MAX_IMAGE_PIXELS is None else Image.MAX_IMAGE_PIXELS


def largest_file() -> float:
    """Return the maximum bytes of an image file: four per pixel, as if it were uncompressed."""
    return 4 * largest_pixels() + 1_000_000


@dataclass(frozen=True)
class Picture:
    """The pixels of an image file.

    Attributes:
        image: The image in mode RGB.
        transparent: Whether any pixel was transparent; it now shows its stored colour.
        turned: Whether the image was turned or mirrored according to its EXIF tag.
    """

    image: Image.Image
    transparent: bool
    turned: bool


def read_picture(data: bytes, upright: bool = True) -> Picture:
    """Decode an image file; every command reads its images with this function.

    Args:
        data: The file's bytes, in one of FORMATS.
        upright: Whether the image is turned according to its EXIF tag.

    Returns:
        Its pixels in RGB. Grey and palette images are converted to RGB, only the first picture
        of an animation is used, and transparency is dropped.

    Raises:
        ValueError: It is damaged or in another format, has more than 8 bits per channel, has a
            colour mode other than grey or RGB, or is too large. The message is a clause that
            begins with "it", so that the caller can put the file's name before it.

    Example:
        ```python
        read_picture(Path("photo.jpg").read_bytes()).image.size
        ```
    """
    try:
        with Image.open(io.BytesIO(data), formats=_readable_formats()) as image:
            _refuse(image)
            # Pillow turns a TIFF when it loads it. The tags of a PNG may follow its pixels.
            turned = image.format == "TIFF" and _orientation(image) in _TURNS
            image.load()
            turn = _TURNS.get(_orientation(image)) if upright else None
            transparent = image.has_transparency_data
            pixels = image.convert("RGBA" if transparent else "RGB")
            if transparent:
                transparent = any(pixels.getchannel("A").histogram()[:255])
                pixels = pixels.convert("RGB")
        if turn is not None:
            pixels = pixels.transpose(turn)
        return Picture(pixels, transparent, turned or turn is not None)
    except UnidentifiedImageError as error:
        raise InputError(f"it is not a complete image in {', '.join(FORMATS)}") from error
    except (InputError, MemoryError):
        raise
    # Pillow's readers raise almost any exception for damaged files.
    except Exception as error:
        raise InputError(str(error) or type(error).__name__) from error


def _refuse(image: ImageFile) -> None:
    width, height = image.size
    if width * height > largest_pixels():
        raise InputError(
            f"it has {width}x{height} pixels; at most {largest_pixels():,} are read "
            "(PIL.Image.MAX_IMAGE_PIXELS)"
        )
    if _has_16_bits(image):
        raise InputError("it has 16 bits per channel; save it with 8 first")
    if image.mode not in _CONVERTIBLE:
        raise InputError(f"its mode is {image.mode}; save it as 8-bit RGB or grey first")


def _has_16_bits(image: ImageFile) -> bool:
    """Check the file's own header, because Pillow reads 16-bit colour as 8-bit RGB."""
    if isinstance(image, TiffImageFile):
        return max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,))) > 8
    arguments = image.tile[0].args if image.tile else ""
    raw_mode, *rest = (arguments,) if isinstance(arguments, str) else arguments or ("",)
    if image.format == "PPM" and rest:
        return rest[0] > 255  # the value of white
    return str(raw_mode).endswith((";16B", ";16L", ";16N"))


def _orientation(image: ImageFile) -> int:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except (SyntaxError, ValueError, KeyError, struct.error):
        # Damaged tags are ignored.
        return 1


@dataclass(frozen=True)
class Cut:
    """How an image is cropped and resized.

    Args:
        box: (left, top, right, bottom) in pixels, the last two exclusive; or the side of a
            centred square; or None for the largest centred square.
        side: Side of the result in pixels.
        size: The (width, height) that every image must have, or None for any.
        upright: Whether images are first turned according to their EXIF tags. If false, the box
            refers to the stored pixels.
        grayscale: Whether the result has a single, grey channel.

    Example:
        ```python
        Cut(box=(25, 45, 153, 173), side=64, size=(178, 218), upright=False)  # CelebA
        ```
    """

    box: tuple[int, int, int, int] | int | None
    side: int
    size: tuple[int, int] | None = None
    upright: bool = True
    grayscale: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """(side, side, channels) of the result."""
        return self.side, self.side, 1 if self.grayscale else 3

    def box_in(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return the box to crop from an image of this size.

        Args:
            width: Width of the image in pixels.
            height: Height of the image in pixels.

        Returns:
            (left, top, right, bottom), the last two exclusive.

        Raises:
            ValueError: The image does not have the required size, or is smaller than the box.
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


def cut_and_shrink(image: Image.Image, cut: Cut) -> np.ndarray:
    """Crop a square from an image and resize it.

    The filter is Pillow's bilinear, as in the original program. It is antialiased, with weights
    1-3-3-1 when it halves the side; TensorFlow's resize is not antialiased.

    Args:
        image: An image in mode RGB.
        cut: The crop and the side of the result.

    Returns:
        uint8 [side, side, 3], or [side, side, 1] if `cut.grayscale` is true (0.299 red + 0.587
        green + 0.114 blue; grey images keep their values).

    Raises:
        ValueError: The image does not have the required size, or is too small.

    Example:
        ```python
        picture = read_picture(Path("000001.jpg").read_bytes(), upright=False)
        face = cut_and_shrink(picture.image, Cut((25, 45, 153, 173), 64))
        ```
    """
    box = cut.box_in(*image.size)
    if cut.grayscale:
        image = image.convert("L")
    # Crop first, because `resize(box=...)` would mix pixels outside the box into its border.
    small = image.crop(box).resize((cut.side, cut.side), Image.Resampling.BILINEAR)
    return np.asarray(small).reshape(cut.shape)


def jpeg_round_trip(images: np.ndarray) -> np.ndarray:
    """Write each image as a JPEG and read it back: quality 75, chroma at half size (4:2:0).

    The original program does this to CIFAR-10 before it trains, tests and measures the FID.

    Args:
        images: uint8 [N, H, W, 3].

    Returns:
        The decoded JPEGs, uint8 [N, H, W, 3].

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
