"""The `conv` encoder and decoder: strided convolutions only."""

import keras
from keras import layers

from balancing_vae.config import Layers
from balancing_vae.config import Size
from balancing_vae.errors import InputError
from balancing_vae.layers.transposed_convolution import Conv2DTranspose

KERNEL_SIZE = 4


def conv_networks(
    image_shape: tuple[int, int, int], latent_dim: int, base_dim: Size = 32, num_scale: Layers = 3
) -> tuple[keras.Model, keras.Model]:
    """Build an encoder of strided convolutions with two heads, and the mirrored decoder.

    Each convolution halves the side and rounds up: 28, 14, 7, 4. Each transposed convolution
    doubles it; if the encoder rounded up there, the last row and column are cut off.

    Args:
        image_shape: Side, side, channels of the images; the side is even.
        latent_dim: Latent size, at least 1.
        base_dim: Channels after the first convolution; they double at each halving.
        num_scale: Number of halvings.

    Returns:
        The encoder from images, float [B, D, D, C] in [0, 1], to `mu` and `log_sigma`, float
        [B, latent_dim] each; and the decoder from latents, float [B, latent_dim], to images.

    Raises:
        ValueError: The images are not square, their side is odd, or it cannot be halved
            `num_scale` times.

    Example:
        ```python
        encoder, decoder = conv_networks((32, 32, 3), 64)
        ```
    """
    _check_side(image_shape, num_scale)
    return (
        _encoder(image_shape, latent_dim, base_dim, num_scale),
        _decoder(image_shape, latent_dim, base_dim, num_scale),
    )


def _encoder(
    image_shape: tuple[int, int, int], latent_dim: int, base_dim: int, num_scale: int
) -> keras.Model:
    images = keras.Input(image_shape, name="images")
    y = images
    for i in range(num_scale):
        y = layers.Conv2D(
            base_dim * 2**i,
            KERNEL_SIZE,
            strides=2,
            padding="same",
            activation="relu",
            name=f"conv{i}",
        )(y)
    y = layers.Flatten(name="flatten")(y)
    # The heads stay in float32 under mixed precision: exp(log_sigma) needs the range.
    mu = layers.Dense(latent_dim, dtype="float32", name="mu")(y)
    log_sigma = layers.Dense(latent_dim, dtype="float32", name="log_sigma")(y)
    return keras.Model(images, [mu, log_sigma], name="conv_encoder")


def _decoder(
    image_shape: tuple[int, int, int], latent_dim: int, base_dim: int, num_scale: int
) -> keras.Model:
    channels = image_shape[2]
    sides = [-(-image_shape[0] // 2**i) for i in range(num_scale + 1)][::-1]
    widths = [base_dim * 2**i for i in range(num_scale)][::-1]
    latents = keras.Input((latent_dim,), name="latents")
    y = layers.Dense(sides[0] ** 2 * widths[0], activation="relu", name="fc0")(latents)
    y = layers.Reshape((sides[0], sides[0], widths[0]), name="reshape")(y)
    for i, (width, side) in enumerate(zip([*widths[1:], channels], sides[1:], strict=True)):
        y = Conv2DTranspose(
            width,
            KERNEL_SIZE,
            strides=2,
            padding="same",
            activation="relu" if i < num_scale - 1 else None,
            name=f"up{i}",
        )(y)
        if side % 2:
            y = layers.Cropping2D(((0, 1), (0, 1)), name=f"crop{i}")(y)
    y = layers.Activation("sigmoid", dtype="float32", name="sigmoid")(y)
    return keras.Model(latents, y, name="conv_decoder")


def _check_side(image_shape: tuple[int, int, int], num_scale: int) -> None:
    height, width, _ = image_shape
    if height != width or height % 2:
        side = max(2, 2 * (min(height, width) // 2))
        raise InputError(
            f"The conv network needs square images of an even side; got {height}x{width}. Crop and "
            f"resize them (`balancing-vae datasets prepare folder --side {side}` does it)."
        )
    if height < 2**num_scale:
        raise InputError(
            f"num_scale {num_scale} halves a side of {height} below one pixel; "
            f"use at most {height.bit_length() - 1}."
        )
