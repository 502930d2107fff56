"""A weights folder so small that a test can make one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import pytest

from balancing_vae import TwoStageVAE
from balancing_vae.storage.folder import write_history

NETWORK = {"name": "resnet", "base_dim": 2, "num_scale": 1, "fc_dim": 4, "depth_per_block": 1}


def tiny_run(folder: Path, **changes) -> TwoStageVAE:
    """Save a pipeline of the preset digits-small as if it had been trained."""
    sizes = {"latent_dim": 2, "second_dim": 4, "second_depth": 1, "batch_size": 16}
    vae = TwoStageVAE.from_preset("digits-small", network=NETWORK, **sizes, **changes)
    _unsettle(vae)
    vae.fit_normalization(tiny_digits())
    vae.fit_sampler("gaussian", tiny_digits())
    vae.save(folder)
    last = {"epoch": 80, "gamma": 0.1, "mse": 0.01}
    write_history(folder, [{"stage": 1, **last}, {"stage": 2, **last}])
    return vae


@contextmanager
def without_xla() -> Iterator[None]:
    """Load pipelines without XLA: on so small a model compiling takes longest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("balancing_vae.pipeline.stages.jit_compile_pays", lambda *_: False)
        yield


def _unsettle(vae: TwoStageVAE) -> None:
    """Give every weight a value that float16 does not have."""
    random = np.random.default_rng(0)
    for stage in vae.stages.values():
        for variable in stage.weights:
            if keras.backend.is_float_dtype(variable.dtype):
                variable.assign(variable + random.uniform(0, 0.1, variable.shape))


def tiny_digits(count: int = 32) -> np.ndarray:
    """Return random images, uint8 [count, 8, 8, 1]."""
    return np.random.default_rng(0).integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)
