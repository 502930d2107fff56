"""The `dense` encoder and decoder: fully connected layers over flattened images."""

import math

import keras
from keras import layers

from balancing_vae.config import Layers
from balancing_vae.config import Size


def dense_networks(
    image_shape: tuple[int, int, int], latent_dim: int, width: Size = 512, depth: Layers = 2
) -> tuple[keras.Model, keras.Model]:
    """Build dense networks: an encoder over flattened images, and the mirrored decoder.

    Args:
        image_shape: Side, side, channels of the images; any side works.
        latent_dim: Latent size, at least 1.
        width: Units of each hidden layer.
        depth: Number of hidden layers of each network.

    Returns:
        The encoder from images, float [B, D, D, C] in [0, 1], to `mu` and `log_sigma`, float
        [B, latent_dim] each; and the decoder from latents, float [B, latent_dim], to images.

    Example:
        ```python
        encoder, decoder = dense_networks((28, 28, 1), 16)
        ```
    """
    return (
        _encoder(image_shape, latent_dim, width, depth),
        _decoder(image_shape, latent_dim, width, depth),
    )


def _encoder(
    image_shape: tuple[int, int, int], latent_dim: int, width: int, depth: int
) -> keras.Model:
    images = keras.Input(image_shape, name="images")
    y = layers.Flatten(name="flatten")(images)
    for i in range(depth):
        y = layers.Dense(width, activation="relu", name=f"fc{i}")(y)
    # The heads stay in float32 under mixed precision: exp(log_sigma) needs the range.
    mu = layers.Dense(latent_dim, dtype="float32", name="mu")(y)
    log_sigma = layers.Dense(latent_dim, dtype="float32", name="log_sigma")(y)
    return keras.Model(images, [mu, log_sigma], name="dense_encoder")


def _decoder(
    image_shape: tuple[int, int, int], latent_dim: int, width: int, depth: int
) -> keras.Model:
    latents = keras.Input((latent_dim,), name="latents")
    y = latents
    for i in range(depth):
        y = layers.Dense(width, activation="relu", name=f"fc{i}")(y)
    y = layers.Dense(math.prod(image_shape), name="image")(y)
    y = layers.Reshape(image_shape, name="reshape")(y)
    y = layers.Activation("sigmoid", dtype="float32", name="sigmoid")(y)
    return keras.Model(latents, y, name="dense_decoder")
