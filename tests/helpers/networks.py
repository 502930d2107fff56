"""The smallest networks that a user could write."""

import keras
import numpy as np


def dense_networks(image_shape=(4, 4, 1), latent_dim=3) -> tuple[keras.Model, keras.Model]:
    """Return an encoder and a decoder of dense layers."""
    images = keras.Input(image_shape)
    y = keras.layers.Dense(8, activation="relu")(keras.layers.Flatten()(images))
    heads = [keras.layers.Dense(latent_dim, name=name)(y) for name in ("mu", "log_sigma")]
    latents = keras.Input((latent_dim,))
    y = keras.layers.Dense(int(np.prod(image_shape)), activation="sigmoid")(latents)
    return (
        keras.Model(images, heads, name="own_encoder"),
        keras.Model(latents, keras.layers.Reshape(image_shape)(y), name="own_decoder"),
    )
