"""The `rae` encoder and decoder of Ghosh et al.: one head, for deterministic autoencoders."""

import keras
from keras import layers

from balancing_vae.config import Layers
from balancing_vae.config import Size
from balancing_vae.errors import InputError
from balancing_vae.layers.right_spectral_norm import RightSpectralNormConv2D
from balancing_vae.layers.right_spectral_norm import RightSpectralNormConv2DTranspose
from balancing_vae.layers.right_spectral_norm import RightSpectralNormDense
from balancing_vae.layers.transposed_convolution import Conv2DTranspose
from balancing_vae.layers.unbiased_batch_normalization import UnbiasedBatchNormalization

# The side of the decoder's first feature maps.
FIRST_SIDE = 8


def rae_networks(
    image_shape: tuple[int, int, int],
    latent_dim: int,
    base_dim: Size = 128,
    num_scale: Layers = 4,
    kernel_size: Size = 4,
    symmetric_input: bool = True,
    spectral_norm: bool = False,
) -> tuple[keras.Model, keras.Model]:
    """Build an encoder of strided convolutions with one head, and a decoder from 8x8 up.

    The defaults are the original's for MNIST (padded to 32x32) and CIFAR-10. For CelebA it uses
    `kernel_size=5, symmetric_input=False`. Source: the program of Ghosh et al. 2020 (arXiv
    1903.12436).

    Args:
        image_shape: Side, side, channels of the images.
        latent_dim: Latent size, at least 1.
        base_dim: Channels of the first convolution.
        num_scale: Number of convolutions. Each halves the side, and all but the first double
            the width. The decoder starts from the last width and halves it whenever it doubles
            the side.
        kernel_size: Side of every kernel.
        symmetric_input: Whether the encoder scales the images to [-1, 1] first.
        spectral_norm: Whether every kernel is spectrally normalised (RAE-SN). Every forward
            pass updates the estimates, in inference too.

    Returns:
        The encoder from images, float [B, D, D, C] in [0, 1], to latents, float
        [B, latent_dim]; and the decoder from latents to images.

    Raises:
        ValueError: The images are not square, their side is not 8, 16, 32, 64, ..., or the
            last width is too small to be halved that often.

    Example:
        ```python
        encoder, decoder = rae_networks((32, 32, 3), 128)
        ```
    """
    _check_side(image_shape)
    sizes = (base_dim, num_scale, kernel_size, spectral_norm)
    return (
        _encoder(image_shape, latent_dim, *sizes, symmetric_input),
        _decoder(image_shape, latent_dim, *sizes),
    )


def _encoder(
    image_shape: tuple[int, int, int],
    latent_dim: int,
    base_dim: int,
    num_scale: int,
    kernel_size: int,
    spectral_norm: bool,
    symmetric_input: bool,
) -> keras.Model:
    conv = RightSpectralNormConv2D if spectral_norm else layers.Conv2D
    dense = RightSpectralNormDense if spectral_norm else layers.Dense
    images = keras.Input(image_shape, name="images")
    y = images
    if symmetric_input:
        y = layers.Rescaling(2.0, offset=-1.0, name="symmetric")(y)
    for i in range(num_scale):
        y = conv(base_dim * 2**i, kernel_size, strides=2, padding="same", name=f"conv{i}")(y)
        y = UnbiasedBatchNormalization(name=f"bn{i}")(y)
        y = layers.ReLU(name=f"relu{i}")(y)
    y = layers.Flatten(name="flatten")(y)
    z = dense(latent_dim, dtype="float32", name="z")(y)
    return keras.Model(images, z, name="rae_encoder")


def _decoder(
    image_shape: tuple[int, int, int],
    latent_dim: int,
    base_dim: int,
    num_scale: int,
    kernel_size: int,
    spectral_norm: bool,
) -> keras.Model:
    side, _, channels = image_shape
    doublings = (side // FIRST_SIDE).bit_length() - 1
    width = base_dim * 2 ** (num_scale - 1)
    if width < 2**doublings:
        raise InputError(
            f"The rae decoder halves {width} channels {doublings} times; use a larger base_dim "
            "or num_scale."
        )
    deconv = RightSpectralNormConv2DTranspose if spectral_norm else Conv2DTranspose
    dense = RightSpectralNormDense if spectral_norm else layers.Dense
    latents = keras.Input((latent_dim,), name="latents")
    y = dense(FIRST_SIDE * FIRST_SIDE * width, name="fc0")(latents)
    y = layers.Reshape((FIRST_SIDE, FIRST_SIDE, width), name="reshape")(y)
    for i in range(doublings):
        width //= 2
        y = deconv(width, kernel_size, strides=2, padding="same", name=f"up{i}")(y)
        y = UnbiasedBatchNormalization(name=f"bn{i}")(y)
        y = layers.ReLU(name=f"relu{i}")(y)
    y = deconv(channels, kernel_size, padding="same", name="image")(y)
    y = layers.Activation("sigmoid", dtype="float32", name="sigmoid")(y)
    return keras.Model(latents, y, name="rae_decoder")


def _check_side(image_shape: tuple[int, int, int]) -> None:
    height, width, _ = image_shape
    if height != width or height < FIRST_SIDE or height & (height - 1):
        raise InputError(
            f"The rae network needs square images of side {FIRST_SIDE}, 16, 32, 64, ...; got "
            f"{height}x{width}. Pad or resize the images (28x28 pads to 32x32)."
        )
