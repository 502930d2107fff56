"""Pipelines small enough to train in a test: tiny ones, and ones that learn digits."""

from pathlib import Path

import keras
import numpy as np

from balancing_vae import Config
from balancing_vae import TwoStageVAE
from balancing_vae.storage.folder import write_history

TINY_NETWORK = {
    "name": "resnet",
    "base_dim": 2,
    "num_scale": 1,
    "block_per_scale": 1,
    "depth_per_block": 1,
    "kernel_size": 3,
    "fc_dim": 4,
}
DIGITS_NETWORK = {
    "name": "resnet",
    "base_dim": 4,
    "num_scale": 2,
    "fc_dim": 8,
    "depth_per_block": 1,
}


def tiny_config(**changes) -> Config:
    """Return hyperparameters for 4x4 grey images."""
    fields = {"epochs": 2, "epochs2": 2, "lr": 1e-3, "lr2": 1e-3, "batch_size": 8}
    fields |= {"second_dim": 4, "second_depth": 1, "network": TINY_NETWORK, **changes}
    return Config((4, 4, 1), 2, **fields)


def tiny_pipeline(**changes) -> TwoStageVAE:
    """Return an untrained pipeline for 4x4 grey images, which runs but learns nothing useful."""
    return TwoStageVAE(tiny_config(**changes))


def tiny_images(count: int = 24, seed: int = 0, side: int = 4) -> np.ndarray:
    """Return random images, uint8 [count, side, side, 1]."""
    shape = (count, side, side, 1)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def digits_config(**changes) -> Config:
    """Return hyperparameters for 8x8 digits of a pipeline large enough to learn something."""
    fields = {"epochs": 2, "epochs2": 3, "lr": 1e-3, "lr2": 1e-3, "batch_size": 8}
    fields |= {"second_dim": 16, "second_depth": 2, "network": DIGITS_NETWORK, "kl_weight": 16}
    return Config((8, 8, 1), 4, **fields).replace(**changes)


def digits_pipeline(encoder=None, decoder=None, **changes) -> TwoStageVAE:
    """Return an untrained pipeline for digits, with the given networks if there are any."""
    return TwoStageVAE(digits_config(**changes), encoder, decoder)


def as_if_trained(vae: TwoStageVAE) -> TwoStageVAE:
    """Mark a pipeline as trained, so that a test can sample from it without training."""
    for stage in vae.stages.values():
        stage.trained_epochs = 1
    return vae


def save_run(folder: Path, **changes) -> TwoStageVAE:
    """Save a tiny pipeline of the preset digits-small as if it were trained on 8x8 images."""
    network = {"name": "resnet", "base_dim": 2, "num_scale": 1, "fc_dim": 4, "depth_per_block": 1}
    sizes = {"latent_dim": 2, "second_dim": 4, "second_depth": 1, "batch_size": 16}
    vae = TwoStageVAE.untrained("digits-small", network=network, **sizes, **changes)
    _unsettle(vae)
    images = tiny_images(32, side=8)
    vae.fit_normalization(images)
    vae.fit_sampler("gaussian", images)
    vae.save(folder)
    last = {"epoch": 80, "gamma": 0.1, "mse": 0.01}
    write_history(folder, [{"stage": 1, **last}, {"stage": 2, **last}])
    return vae


def _unsettle(vae: TwoStageVAE) -> None:
    """Give every weight a value that float16 cannot represent."""
    random = np.random.default_rng(0)
    for stage in vae.stages.values():
        for variable in stage.weights:
            if keras.backend.is_float_dtype(variable.dtype):
                variable.assign(variable + random.uniform(0, 0.1, variable.shape))
