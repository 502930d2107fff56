"""The second stage's encoder and decoder: dense networks over latents."""

import keras
from keras import layers


def encoder(latent_dim: int, second_dim: int, second_depth: int) -> keras.Model:
    """Build the encoder of latents. Source: the original program, second stage.

    Args:
        latent_dim: Latent size, at least 1.
        second_dim: Units of each hidden layer.
        second_depth: Number of hidden layers.

    Returns:
        A model from latents `z`, float [B, latent_dim], to `mu` and `log_sigma` of the
        second latents `u`, float [B, latent_dim] each.

    Example:
        ```python
        mu, log_sigma = encoder(64, second_dim=2048, second_depth=3)(z)
        ```
    """
    z = keras.Input((latent_dim,), name="latents")
    y = _dense_with_skip(z, second_dim, second_depth)
    mu = layers.Dense(latent_dim, dtype="float32", name="mu")(y)
    log_sigma = layers.Dense(latent_dim, dtype="float32", name="log_sigma")(y)
    return keras.Model(z, [mu, log_sigma], name="latent_encoder")


def decoder(latent_dim: int, second_dim: int, second_depth: int) -> keras.Model:
    """Build the decoder of latents. Source: the original program, second stage.

    Args:
        latent_dim: Latent size, at least 1.
        second_dim: Units of each hidden layer.
        second_depth: Number of hidden layers.

    Returns:
        A model from second latents `u` to reconstructed latents, float [B, latent_dim] both.

    Example:
        ```python
        z = decoder(64, second_dim=2048, second_depth=3)(u)
        ```
    """
    u = keras.Input((latent_dim,), name="second_latents")
    y = _dense_with_skip(u, second_dim, second_depth)
    z = layers.Dense(latent_dim, dtype="float32", name="z")(y)
    return keras.Model(u, z, name="latent_decoder")


def _dense_with_skip(x, width: int, depth: int):
    y = x
    for i in range(depth):
        y = layers.Dense(width, activation="relu", name=f"fc{i}")(y)
    return layers.Concatenate(name="skip")([x, y])
