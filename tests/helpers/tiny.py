"""A pipeline so small that a test can train it in a second."""

import numpy as np

from balancing_vae import Config
from balancing_vae import TwoStageVAE

NETWORK = {
    "name": "resnet",
    "base_dim": 2,
    "num_scale": 1,
    "block_per_scale": 1,
    "depth_per_block": 1,
    "kernel_size": 3,
    "fc_dim": 4,
}


def tiny_config(**changes) -> Config:
    """Return hyperparameters for 4x4 grey images."""
    fields = {"epochs": 2, "epochs2": 2, "lr": 1e-3, "lr2": 1e-3, "batch_size": 8}
    fields |= {"second_dim": 4, "second_depth": 1, "network": NETWORK, **changes}
    return Config((4, 4, 1), 2, **fields)


def tiny_pipeline(**changes) -> TwoStageVAE:
    """Return an untrained pipeline that compiles quickly: no XLA."""
    vae = TwoStageVAE(tiny_config(**changes))
    if vae.stage2 is not None:
        for model in (vae.stage2, vae.stage2.encoder, vae.stage2.decoder):
            model.jit_compile = False
    return vae


def as_if_trained(vae: TwoStageVAE) -> TwoStageVAE:
    """Let a test sample from a pipeline that it need not train."""
    for stage in vae.stages.values():
        stage.trained_epochs = 1
    return vae


def tiny_images(count: int = 24, seed: int = 0) -> np.ndarray:
    """Return random images, uint8 [count, 4, 4, 1]."""
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 1), dtype=np.uint8)
