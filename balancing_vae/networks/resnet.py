"""The `resnet` encoder and decoder of the original program."""

import keras
from keras import layers

from balancing_vae.config import Layers
from balancing_vae.config import Size
from balancing_vae.errors import InputError
from balancing_vae.layers.residual import dense_residual_block
from balancing_vae.layers.residual import residual_block
from balancing_vae.layers.transposed_convolution import Conv2DTranspose

MAX_WIDTH = 1024


def resnet_networks(
    image_shape: tuple[int, int, int],
    latent_dim: int,
    base_dim: Size = 32,
    num_scale: Layers = 3,
    block_per_scale: Layers = 1,
    depth_per_block: Layers = 2,
    kernel_size: Size = 3,
    fc_dim: Size = 512,
) -> tuple[keras.Model, keras.Model]:
    """Build residual networks: an encoder with two heads, and a decoder that starts at 2x2.

    Source: the original program, network `Resnet`.

    Args:
        image_shape: Side, side, channels of the images.
        latent_dim: Latent size, at least 1.
        base_dim: Channels at full resolution; they double at each halving, in the decoder up to
            1024.
        num_scale: Number of the encoder's resolutions, including the full one; the decoder
            always starts at 2x2.
        block_per_scale: Residual blocks per resolution.
        depth_per_block: Convolutions on a block's main path.
        kernel_size: Side of every kernel.
        fc_dim: Units of the encoder's dense residual block.

    Returns:
        The encoder from images, float [B, D, D, C] in [0, 1], to `mu` and `log_sigma`, float
        [B, latent_dim] each; and the decoder from latents, float [B, latent_dim], to images.

    Raises:
        ValueError: The side is not a power of two, or is too small for `num_scale`.

    Example:
        ```python
        encoder, decoder = resnet_networks((32, 32, 3), 64)
        ```
    """
    _check_sizes(image_shape, num_scale)
    sizes = (base_dim, block_per_scale, depth_per_block, kernel_size)
    return (
        _encoder(image_shape, latent_dim, *sizes, num_scale, fc_dim),
        _decoder(image_shape, latent_dim, *sizes),
    )


def _encoder(
    image_shape: tuple[int, int, int],
    latent_dim: int,
    base_dim: int,
    block_per_scale: int,
    depth_per_block: int,
    kernel_size: int,
    num_scale: int,
    fc_dim: int,
) -> keras.Model:
    images = keras.Input(image_shape, name="images")
    width = base_dim
    y = layers.Conv2D(width, kernel_size, padding="same", name="conv0")(images)
    for i in range(num_scale):
        for j in range(block_per_scale):
            y = residual_block(y, width, kernel_size, depth_per_block, f"scale{i}_block{j}")
        if i < num_scale - 1:
            width *= 2
            y = layers.Conv2D(width, kernel_size, strides=2, padding="same", name=f"downsample{i}")(
                y
            )
    y = layers.GlobalAveragePooling2D(name="mean")(y)
    y = dense_residual_block(y, fc_dim, depth_per_block, "fc_block0")
    # The heads stay in float32 under mixed precision: exp(log_sigma) needs the range.
    mu = layers.Dense(latent_dim, dtype="float32", name="mu")(y)
    log_sigma = layers.Dense(latent_dim, dtype="float32", name="log_sigma")(y)
    return keras.Model(images, [mu, log_sigma], name="resnet_encoder")


def _decoder(
    image_shape: tuple[int, int, int],
    latent_dim: int,
    base_dim: int,
    block_per_scale: int,
    depth_per_block: int,
    kernel_size: int,
) -> keras.Model:
    side, _, channels = image_shape
    resolutions = side.bit_length() - 1
    widths = [min(base_dim * 2**i, MAX_WIDTH) for i in range(resolutions)][::-1]
    latents = keras.Input((latent_dim,), name="latents")
    y = layers.Dense(2 * 2 * widths[0], name="fc0")(latents)
    y = layers.Reshape((2, 2, widths[0]), name="reshape")(y)
    for i, width in enumerate(widths[1:]):
        y = Conv2DTranspose(width, kernel_size, strides=2, padding="same", name=f"up{i}")(y)
        for j in range(block_per_scale):
            y = residual_block(y, width, kernel_size, depth_per_block, f"scale{i}_block{j}")
    y = layers.Conv2D(channels, kernel_size, padding="same", name="image")(y)
    y = layers.Activation("sigmoid", dtype="float32", name="sigmoid")(y)
    return keras.Model(latents, y, name="resnet_decoder")


def _check_sizes(image_shape: tuple[int, int, int], num_scale: int) -> None:
    height, width, _ = image_shape
    if height != width or height < 4 or height & (height - 1):
        raise InputError(
            f"The resnet network needs square images whose side is a power of two, at least 4; "
            f"got {height}x{width}. Pad or resize the images, or use the network 'conv'."
        )
    if height < 2 ** (num_scale - 1):
        raise InputError(
            f"num_scale {num_scale} halves a side of {height} below one pixel; "
            f"use at most {height.bit_length()}."
        )
