"""The `infogan` encoder and decoder of Dai and Wipf."""

import keras
from keras import initializers
from keras import layers
from keras import ops

from balancing_vae.errors import InputError
from balancing_vae.layers.batch_normalization import ZeroDebiasedBatchNormalization
from balancing_vae.layers.spectral_norm import SpectralNormConv2D
from balancing_vae.layers.spectral_norm import SpectralNormDense
from balancing_vae.layers.transposed_convolution import Conv2DTranspose

DEVIATION = 0.02
SLOPE = 0.2
MIN_SIGMA = 1e-6


def infogan_networks(
    image_shape: tuple[int, int, int], latent_dim: int
) -> tuple[keras.Model, keras.Model]:
    """Build an encoder of two convolutions and two dense layers, and the mirrored decoder.

    All of the encoder's layers are spectrally normalised. The second half `s` of the last
    layer's output gives sigma = 1e-6 + softplus(s); the encoder returns its logarithm, as every
    encoder here does. Every forward pass updates the estimates of the spectral norms, in
    inference too. Until they have converged, encoding the same images twice gives slightly
    different results. Source: the program of Dai and Wipf, network `Infogan`.

    Args:
        image_shape: Side, side, channels of the images.
        latent_dim: Latent size, at least 1.

    Returns:
        The encoder from images, float [B, D, D, C] in [0, 1], to `mu` and `log_sigma`, float
        [B, latent_dim] each; and the decoder from latents, float [B, latent_dim], to images.

    Raises:
        ValueError: The images are not square, or their side is not divisible by 4.

    Example:
        ```python
        encoder, decoder = infogan_networks((28, 28, 1), 64)
        ```
    """
    _check_side(image_shape)
    return _encoder(image_shape, latent_dim), _decoder(image_shape, latent_dim)


def _encoder(image_shape: tuple[int, int, int], latent_dim: int) -> keras.Model:
    truncated = {"kernel_initializer": initializers.TruncatedNormal(stddev=DEVIATION)}
    images = keras.Input(image_shape, name="images")
    y = SpectralNormConv2D(64, 4, strides=2, padding="same", name="conv1", **truncated)(images)
    y = layers.LeakyReLU(SLOPE, name="lrelu1")(y)
    y = SpectralNormConv2D(128, 4, strides=2, padding="same", name="conv2", **truncated)(y)
    y = ZeroDebiasedBatchNormalization(name="bn2")(y)
    y = layers.LeakyReLU(SLOPE, name="lrelu2")(y)
    y = layers.Flatten(name="flatten")(y)
    y = SpectralNormDense(1024, name="fc3", kernel_initializer=_normal())(y)
    y = ZeroDebiasedBatchNormalization(name="bn3")(y)
    y = layers.LeakyReLU(SLOPE, name="lrelu3")(y)
    # The heads stay in float32 under mixed precision: log_sigma needs the range.
    y = SpectralNormDense(
        2 * latent_dim, name="en4", kernel_initializer=_normal(), dtype="float32"
    )(y)
    mu, s = ops.split(y, 2, axis=-1)
    return keras.Model(images, [mu, ops.log(MIN_SIGMA + ops.softplus(s))], name="infogan_encoder")


def _decoder(image_shape: tuple[int, int, int], latent_dim: int) -> keras.Model:
    side, _, channels = image_shape
    quarter = side // 4
    latents = keras.Input((latent_dim,), name="latents")
    y = layers.Dense(1024, kernel_initializer=_normal(), name="fc1")(latents)
    y = ZeroDebiasedBatchNormalization(name="bn1")(y)
    y = layers.ReLU(name="relu1")(y)
    y = layers.Dense(128 * quarter**2, kernel_initializer=_normal(), name="fc2")(y)
    y = ZeroDebiasedBatchNormalization(name="bn2")(y)
    y = layers.ReLU(name="relu2")(y)
    y = layers.Reshape((quarter, quarter, 128), name="reshape")(y)
    up = {"kernel_size": 4, "strides": 2, "padding": "same"}
    y = Conv2DTranspose(64, **up, kernel_initializer=_normal(), name="conv3")(y)
    y = ZeroDebiasedBatchNormalization(name="bn3")(y)
    y = layers.ReLU(name="relu3")(y)
    y = Conv2DTranspose(channels, **up, kernel_initializer=_normal(), name="conv4")(y)
    y = layers.Activation("sigmoid", dtype="float32", name="sigmoid")(y)
    return keras.Model(latents, y, name="infogan_decoder")


def _normal() -> initializers.Initializer:
    # A new one for each layer: layers that share an initialiser would get the same weights.
    return initializers.RandomNormal(stddev=DEVIATION)


def _check_side(image_shape: tuple[int, int, int]) -> None:
    height, width, _ = image_shape
    if height != width or height % 4:
        raise InputError(
            f"The infogan network needs square images whose side is divisible by 4; got "
            f"{height}x{width}. Pad or resize the images."
        )
