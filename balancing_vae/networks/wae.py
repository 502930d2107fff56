"""The `wae` encoder and decoder of Dai and Wipf, after Tolstikhin et al. 2018."""

import keras
from keras import layers

from balancing_vae.errors import InputError
from balancing_vae.layers.batch_normalization import ZeroDebiasedBatchNormalization
from balancing_vae.layers.transposed_convolution import Conv2DTranspose

SIDE = 64
KERNEL_SIZE = 5
# Channels of the encoder at sides 64, 32, 16 and 8; the decoder has them in reverse order.
WIDTHS = (128, 256, 512, 1024)


def wae_networks(
    image_shape: tuple[int, int, int], latent_dim: int
) -> tuple[keras.Model, keras.Model]:
    """Build an encoder of four convolutions with two heads, and a decoder from 8x8 to 64x64.

    Source: the program of Dai and Wipf, network `Wae`.

    Args:
        image_shape: Side, side, channels of the images; the side is 64.
        latent_dim: Latent size, at least 1.

    Returns:
        The encoder from images, float [B, 64, 64, C] in [0, 1], to `mu` and `log_sigma`, float
        [B, latent_dim] each; and the decoder from latents, float [B, latent_dim], to images.

    Raises:
        ValueError: The images are not 64x64.

    Example:
        ```python
        encoder, decoder = wae_networks((64, 64, 3), 64)
        ```
    """
    _check_side(image_shape)
    return _encoder(image_shape, latent_dim), _decoder(image_shape, latent_dim)


def _encoder(image_shape: tuple[int, int, int], latent_dim: int) -> keras.Model:
    images = keras.Input(image_shape, name="images")
    y = images
    for i, width in enumerate(WIDTHS):
        y = layers.Conv2D(
            width, KERNEL_SIZE, strides=2 if i else 1, padding="same", name=f"conv{i}"
        )(y)
        y = ZeroDebiasedBatchNormalization(name=f"bn{i + 1}")(y)
        y = layers.ReLU(name=f"relu{i + 1}")(y)
    y = layers.Flatten(name="flatten")(y)
    # The heads stay in float32 under mixed precision: exp(log_sigma) needs the range.
    mu = layers.Dense(latent_dim, dtype="float32", name="mu")(y)
    log_sigma = layers.Dense(latent_dim, dtype="float32", name="log_sigma")(y)
    return keras.Model(images, [mu, log_sigma], name="wae_encoder")


def _decoder(image_shape: tuple[int, int, int], latent_dim: int) -> keras.Model:
    *widths, widest = WIDTHS
    side = SIDE // 2 ** len(widths)
    latents = keras.Input((latent_dim,), name="latents")
    y = layers.Dense(side * side * widest, activation="relu", name="fc0")(latents)
    y = layers.Reshape((side, side, widest), name="reshape")(y)
    for i, width in enumerate(reversed(widths)):
        y = Conv2DTranspose(width, KERNEL_SIZE, strides=2, padding="same", name=f"up{i}")(y)
        y = ZeroDebiasedBatchNormalization(name=f"bn{i + 1}")(y)
        y = layers.ReLU(name=f"relu{i + 1}")(y)
    y = Conv2DTranspose(image_shape[2], KERNEL_SIZE, padding="same", name="image")(y)
    y = layers.Activation("sigmoid", dtype="float32", name="sigmoid")(y)
    return keras.Model(latents, y, name="wae_decoder")


def _check_side(image_shape: tuple[int, int, int]) -> None:
    if tuple(image_shape[:2]) != (SIDE, SIDE):
        raise InputError(
            f"The wae network is made for images of {SIDE}x{SIDE}; got "
            f"{image_shape[0]}x{image_shape[1]}. Resize the images, or use the network "
            "'infogan' or 'resnet'."
        )
