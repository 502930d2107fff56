"""Refuse bad input before any work starts, in one sentence that says how to fix it."""

import warnings

import numpy as np

from balancing_vae.errors import InputError

ROWS_PER_SCAN = 4096


def check_images(x: np.ndarray, image_shape: tuple[int, ...], name: str = "x") -> None:
    """Raise if `x` is not an array of images of the expected shape.

    Args:
        x: Images, integers in 0..255 or floats in [0, 1], [N, D, D, C]; memory-mapped arrays
            are read in parts.
        image_shape: Side, side, channels that the networks take.
        name: The caller's name for the images, used in the message.

    Raises:
        ValueError: `x` has another rank, shape or dtype, is a masked array, holds no image, or
            has values that are out of range or NaN.

    Warns:
        UserWarning: The first images are integers with no value above 1.

    Example:
        ```python
        check_images(x_train, (32, 32, 3))
        ```
    """
    if not isinstance(x, np.ndarray):
        raise InputError(f"{name} must be a NumPy array, got {type(x).__name__}.")
    if isinstance(x, np.ma.MaskedArray):
        raise InputError(
            f"{name} is a masked array, whose mask would be ignored; remove the masked images, "
            f"or fill them with {name}.filled(0)."
        )
    expected = "[N, {}, {}, {}]".format(*image_shape)
    if x.ndim != 4:
        single = x.shape == tuple(image_shape)
        raise InputError(
            f"{name} must have the shape {expected}, got {x.ndim} axes {x.shape}",
            "put the single image into a batch, x[None], or batch the dataset"
            if single
            else "add the missing axis, for grey images x[..., None]",
            "store the array with four axes, grey images with one channel",
        )
    if len(x) == 0:
        raise InputError(f"{name} holds no image; give at least one of shape {image_shape}.")
    if x.shape[3] != image_shape[2] and x.shape[1] == image_shape[2]:
        raise InputError(
            f"{name} has its channels first, {x.shape}; move them to the end, as "
            "np.moveaxis(x, 1, -1) does",
        )
    if x.shape[3] != image_shape[2]:
        raise InputError(
            f"{name} has {x.shape[3]} channels, the model was made for {image_shape[2]}",
            f"convert the images, or make a model with image_shape={x.shape[1:]}",
            f"convert the images, or train a model with --set 'image_shape={list(x.shape[1:])}'",
        )
    if x.shape[1:] != tuple(image_shape):
        raise InputError(
            f"{name} has images of {x.shape[1]}x{x.shape[2]}, the model was made for "
            f"{image_shape[0]}x{image_shape[1]}",
            f"resize or pad the images, or make a model with image_shape={x.shape[1:]}",
            "prepare the images in that size (`datasets prepare` has --pad for mnist and "
            "fashion_mnist, --side for folder), or train a model with "
            f"--set 'image_shape={list(x.shape[1:])}'",
        )
    if np.issubdtype(x.dtype, np.integer):
        _check_integers(x, name)
    elif np.issubdtype(x.dtype, np.floating):
        _check_floats(x, name)
    else:
        raise InputError(
            f"{name} has dtype {x.dtype}; give integers in 0..255 or floats in [0, 1]."
        )


def _check_integers(x: np.ndarray, name: str) -> None:
    if x[:ROWS_PER_SCAN].max() <= 1 and x[:ROWS_PER_SCAN].min() >= 0:
        warnings.warn(
            f"{name} is {x.dtype} with no value above 1: almost black. Were the images divided "
            "by 255 twice, or were floats in [0, 1] converted to integers?",
            stacklevel=3,
        )
    if x.dtype == np.uint8:  # every value is valid
        return
    for start in range(0, len(x), ROWS_PER_SCAN):
        part = x[start : start + ROWS_PER_SCAN]
        if part.min() < 0 or part.max() > 255:
            raise InputError(
                f"{name} has integers from {part.min()} to {part.max()}, expected 0..255; scale "
                "them to floats in [0, 1]."
            )


def _check_floats(x: np.ndarray, name: str) -> None:
    for start in range(0, len(x), ROWS_PER_SCAN):
        part = x[start : start + ROWS_PER_SCAN]
        if not np.isfinite(part).all():
            bad = start + int(np.argmin(np.isfinite(part).all(axis=(1, 2, 3))))
            raise InputError(f"{name} has NaN or infinite values, first in image {bad}.")
        if part.min() < 0 or part.max() > 1:
            raise InputError(
                f"{name} has float values from {part.min():.4g} to {part.max():.4g}, expected "
                f"[0, 1]; {_way_to_intensities(part.min(), part.max())}, or give uint8."
            )


def _way_to_intensities(low: float, high: float) -> str:
    if low >= 0:
        return "divide by 255"
    if low >= -1 and high <= 1:
        return "rescale them by (x + 1) / 2"
    return "undo their standardisation"


def check_finite(x: np.ndarray, name: str) -> None:
    """Raise if numbers that a model computed are NaN or infinite.

    Args:
        x: Numbers, float [N, ...].
        name: What they are, for the message, such as "The latents".

    Raises:
        ValueError: Some are NaN or infinite; the first row is named.
    """
    finite = np.isfinite(x).reshape(len(x), -1).all(axis=1)
    if not finite.all():
        raise InputError(
            f"{name} have NaN or infinite values, first in row {int(np.argmin(finite))}; check "
            "whether the training diverged."
        )


def check_batch_size(count: int, batch_size: int, name: str = "x") -> None:
    """Raise if a training set is smaller than one batch.

    Args:
        count: Number of images.
        batch_size: Images per step.
        name: The caller's name for the images, used in the message.

    Raises:
        ValueError: There are fewer images than one batch needs.
    """
    if count < batch_size:
        raise InputError(
            f"{name} has {count} images, fewer than one batch of {batch_size}",
            "give more images or a smaller batch_size",
            "give more images or a smaller --batch-size",
        )


def as_float(x: np.ndarray) -> np.ndarray:
    """Return images as float32 in [0, 1].

    Args:
        x: Images, integers in 0..255 or floats in [0, 1].

    Returns:
        Float32 of the same shape; integers divided by 255.
    """
    floats = x.astype(np.float32)
    return floats / np.float32(255) if np.issubdtype(x.dtype, np.integer) else floats


def as_uint8(x: np.ndarray) -> np.ndarray:
    """Return images as uint8, rounded to the nearest level.

    Args:
        x: Images, float in [0, 1].

    Returns:
        Uint8 of the same shape.

    Raises:
        ValueError: Some values are NaN or infinite.
    """
    check_finite(x, "The images")
    return np.clip(np.rint(x * 255), 0, 255).astype(np.uint8)
