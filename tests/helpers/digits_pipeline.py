"""A pipeline of 8x8 images that a test can train in seconds, and networks of one's own."""

import keras
import numpy as np
import pytest

from balancing_vae import Config
from balancing_vae import TwoStageVAE

NETWORK = {"name": "resnet", "base_dim": 4, "num_scale": 2, "fc_dim": 8, "depth_per_block": 1}
CONFIG = Config(
    image_shape=(8, 8, 1),
    latent_dim=4,
    network=NETWORK,
    second_dim=16,
    second_depth=2,
    batch_size=8,
    epochs=2,
    lr=1e-3,
    epochs2=3,
    lr2=1e-3,
    kl_weight=16,
)

needs_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow is the point of this test"
)


def tiny_pipeline(encoder=None, decoder=None, **changes) -> TwoStageVAE:
    """Return an untrained pipeline that compiles fast."""
    return without_jit(TwoStageVAE(CONFIG.replace(**changes), encoder, decoder))


def without_jit(vae: TwoStageVAE) -> TwoStageVAE:
    """Return the pipeline with XLA off: on so small a model compiling takes longest."""
    for stage in vae.stages.values():
        for model in (stage, stage.encoder, stage.decoder):
            model.jit_compile = False
    return vae


def dense_networks(image_shape=(4, 4, 1), latent_dim=3) -> tuple[keras.Model, keras.Model]:
    """Return an encoder and a decoder of one's own, as small as can be."""
    images = keras.Input(image_shape)
    y = keras.layers.Dense(8, activation="relu")(keras.layers.Flatten()(images))
    heads = [keras.layers.Dense(latent_dim, name=name)(y) for name in ("mu", "log_sigma")]
    latents = keras.Input((latent_dim,))
    y = keras.layers.Dense(int(np.prod(image_shape)), activation="sigmoid")(latents)
    return (
        keras.Model(images, heads, name="own_encoder"),
        keras.Model(latents, keras.layers.Reshape(image_shape)(y), name="own_decoder"),
    )


def numbers(tensor) -> np.ndarray:
    """Return a tensor or variable of any backend as NumPy."""
    return np.asarray(keras.ops.convert_to_numpy(getattr(tensor, "value", tensor)))
