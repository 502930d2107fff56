"""The `dense` encoder and decoder: fully connected layers over flattened images."""

import math

import keras
from keras import layers

from balancing_vae.config import Layers
from balancing_vae.config import Size


def encoder(
    image_shape: tuple[int, int, int], latent_dim: int, width: Size = 512, depth: Layers = 2
) -> keras.Model:
    """Build the encoder: flatten, `depth` dense layers with relu, two heads.

    Args:
        image_shape: Side, side, channels of the images; any side will do.
        latent_dim: Latent size, at least 1.
        width: Units of each hidden layer.
        depth: Number of hidden layers.

    Returns:
        A model from images, float [B, D, D, C] in [0, 1], to `mu` and `log_sigma`, float
        [B, latent_dim] each.

    Example:
        ```python
        mu, log_sigma = encoder((28, 28, 1), 16)(images)
        ```
    """
    images = keras.Input(image_shape, name="images")
    y = layers.Flatten(name="flatten")(images)
    for i in range(depth):
        y = layers.Dense(width, activation="relu", name=f"fc{i}")(y)
    # The heads stay in float32 under mixed precision: exp(log_sigma) needs the range.
    mu = layers.Dense(latent_dim, dtype="float32", name="mu")(y)
    log_sigma = layers.Dense(latent_dim, dtype="float32", name="log_sigma")(y)
    return keras.Model(images, [mu, log_sigma], name="dense_encoder")


def decoder(
    image_shape: tuple[int, int, int], latent_dim: int, width: Size = 512, depth: Layers = 2
) -> keras.Model:
    """Build the decoder: `depth` dense layers with relu, one for all pixels, a sigmoid.

    Args:
        image_shape: Side, side, channels of the images; any side will do.
        latent_dim: Latent size, at least 1.
        width: Units of each hidden layer.
        depth: Number of hidden layers.

    Returns:
        A model from latents, float [B, latent_dim], to images, float [B, D, D, C] in [0, 1].

    Example:
        ```python
        images = decoder((28, 28, 1), 16)(z)
        ```
    """
    latents = keras.Input((latent_dim,), name="latents")
    y = latents
    for i in range(depth):
        y = layers.Dense(width, activation="relu", name=f"fc{i}")(y)
    y = layers.Dense(math.prod(image_shape), name="image")(y)
    y = layers.Reshape(image_shape, name="reshape")(y)
    y = layers.Activation("sigmoid", dtype="float32", name="sigmoid")(y)
    return keras.Model(latents, y, name="dense_decoder")
