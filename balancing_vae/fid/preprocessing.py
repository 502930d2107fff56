"""From stored images to a feature network's input, as the protocol defines it."""

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.fid.protocols import Protocol
from balancing_vae.fid.resize import resize_bicubic_pil
from balancing_vae.fid.resize import resize_bilinear_tf1

INCEPTION_SIDE = 299


def preprocess(
    images: np.ndarray, protocol: Protocol, generated: bool = False, first: int = 0
) -> np.ndarray:
    """Return images as float32 RGB in 0..255: checked, quantised, stretched.

    Grey images are repeated to three channels.

    Args:
        images: uint8 array in 0..255, or floating-point array in [0, 1], of shape
            [n, h, w], [n, h, w, 1] or [n, h, w, 3].
        protocol: Defines how floats are quantised and whether generated images are stretched.
        generated: Whether these images are the generated side.
        first: Index of the first image in the whole set, for the error messages.

    Returns:
        float32 array [n, h, w, 3] in 0..255.

    Raises:
        ValueError: A shape, dtype or value is invalid (the message names the image), or the
            protocol stretches images and one has the same value everywhere.

    Example:
        ```python
        preprocess(np.zeros((2, 28, 28), "uint8"), get_protocol("ttur")).shape  # (2, 28, 28, 3)
        ```
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise InputError(
            f"Images of shape {images.shape} were given; expected [n, height, width], "
            "[n, height, width, 1] or [n, height, width, 3]: put the channels last."
        )
    if images.dtype == np.uint8:
        images = images.astype(np.float32)
    elif np.issubdtype(images.dtype, np.floating):
        images = _quantize(images, protocol, first)
    else:
        raise InputError(
            f"Images of dtype {images.dtype} were given; expected uint8 in 0..255 or floats "
            "in [0, 1]: convert them."
        )
    if generated and protocol.stretch:
        images = _stretch(images, protocol, first)
    if images.shape[-1] == 1:
        images = np.repeat(images, 3, axis=-1)
    return images


def network_input(images: np.ndarray, protocol: Protocol) -> np.ndarray:
    """Resize to 299 x 299 and scale to about [-1, 1], as Inception expects.

    Args:
        images: Array [n, h, w, 3], values 0..255, from `preprocess`.
        protocol: Defines the resize and the scale: `(x - center) / scale`.

    Returns:
        float32 array [n, 299, 299, 3].

    Example:
        ```python
        network_input(np.full((1, 32, 32, 3), 255.0), get_protocol("asperti2020")).max()  # 1.0
        ```
    """
    center = np.float32(protocol.center)
    scale = np.float32(protocol.scale)
    if protocol.resize == "pil_bicubic":
        images = resize_bicubic_pil(images, INCEPTION_SIDE, INCEPTION_SIDE)
        return (images - center) / scale
    # Interpolation is linear, so scaling the small images first is cheaper and gives the same.
    scaled = (images.astype(np.float32, copy=False) - center) / scale
    return resize_bilinear_tf1(scaled, INCEPTION_SIDE, INCEPTION_SIDE)


def check_range(images: np.ndarray, first: int = 0) -> None:
    """Refuse float images outside [0, 1].

    Args:
        images: Floating-point array [n, h, w] or [n, h, w, c].
        first: Index of the first image in the whole set, for the error message.

    Raises:
        ValueError: A value is outside, or NaN; the message names the image.

    Example:
        ```python
        check_range(np.zeros((2, 28, 28, 1)))
        ```
    """
    axes = tuple(range(1, images.ndim))
    # Written so that NaN counts as outside.
    outside = ~((images.min(axis=axes) >= 0) & (images.max(axis=axes) <= 1))
    if outside.any():
        index = int(np.flatnonzero(outside)[0])
        raise InputError(
            f"Image {first + index} has values from {images[index].min():g} to "
            f"{images[index].max():g}; floating-point images must lie in [0, 1]: clip or "
            "rescale them, or give uint8 in 0..255."
        )


def _quantize(images: np.ndarray, protocol: Protocol, first: int) -> np.ndarray:
    """Return float images in [0, 1] as float32 in 0..255, on the protocol's levels."""
    check_range(images, first)
    images = images.astype(np.float32) * np.float32(255)
    if protocol.quantization == "truncate":
        return np.floor(images)
    if protocol.quantization == "round":
        return np.floor(images + np.float32(0.5))
    return images


def _stretch(images: np.ndarray, protocol: Protocol, first: int) -> np.ndarray:
    """Return `255 (x - min) / max(x - min)`, with the minimum and maximum of each image."""
    axes = (1, 2, 3)
    images = images - images.min(axis=axes, keepdims=True)
    maximum = images.max(axis=axes, keepdims=True)
    if not maximum.all():
        index = first + int(np.flatnonzero(maximum == 0)[0])
        raise InputError(
            f"Image {index} has the same value everywhere; the protocol {protocol.name} "
            "stretches each generated image to its own range, which is empty here: leave "
            "such images out or choose another protocol."
        )
    return images / maximum * np.float32(255)
