"""The second stage's networks: dense layers over latents."""

import keras
from keras import layers


def latent_networks(
    latent_dim: int, second_dim: int, second_depth: int
) -> tuple[keras.Model, keras.Model]:
    """Build the second stage's dense encoder and decoder, each with a skip connection.

    Source: the original program, second stage.

    Args:
        latent_dim: Latent size, at least 1.
        second_dim: Units of each hidden layer.
        second_depth: Number of hidden layers of each network.

    Returns:
        The encoder from latents `z`, float [B, latent_dim], to `mu` and `log_sigma` of the
        second latents `u`, float [B, latent_dim] each; and the decoder from `u` to `z`.

    Example:
        ```python
        encoder, decoder = latent_networks(64, second_dim=2048, second_depth=3)
        ```
    """
    sizes = (latent_dim, second_dim, second_depth)
    return _encoder(*sizes), _decoder(*sizes)


def _encoder(latent_dim: int, second_dim: int, second_depth: int) -> keras.Model:
    z = keras.Input((latent_dim,), name="latents")
    y = _dense_with_skip(z, second_dim, second_depth)
    mu = layers.Dense(latent_dim, dtype="float32", name="mu")(y)
    log_sigma = layers.Dense(latent_dim, dtype="float32", name="log_sigma")(y)
    return keras.Model(z, [mu, log_sigma], name="latent_encoder")


def _decoder(latent_dim: int, second_dim: int, second_depth: int) -> keras.Model:
    u = keras.Input((latent_dim,), name="second_latents")
    y = _dense_with_skip(u, second_dim, second_depth)
    z = layers.Dense(latent_dim, dtype="float32", name="z")(y)
    return keras.Model(u, z, name="latent_decoder")


def _dense_with_skip(x, width: int, depth: int):
    y = x
    for i in range(depth):
        y = layers.Dense(width, activation="relu", name=f"fc{i}")(y)
    return layers.Concatenate(name="skip")([x, y])
