"""What the tests share: tiny images, tiny networks, recorded numbers, other backends."""

import json
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from balancing_vae import Config
from balancing_vae import TwoStageVAE

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden" / "balancing"
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


@pytest.fixture(scope="session")
def digits() -> np.ndarray:
    """44 real images, uint8: five batches of 8 and a remainder of 4."""
    return (load_digits().images[:44, ..., None] * (255 / 16)).astype(np.uint8)


@pytest.fixture(scope="session")
def golden() -> dict[str, np.ndarray]:
    """The numbers that the original program produced."""
    with np.load(GOLDEN / "golden.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="session")
def trained(digits) -> TwoStageVAE:
    """A pipeline after a short training. Tests read it and leave it as it is."""
    vae = tiny_pipeline()
    vae.fit(digits, verbose=False)
    return vae


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


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run a fresh Python process in the project's root."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        capture_output=True,
        text=True,
        timeout=900,
    )


def python_prints(code: str, *arguments: str, **environment: str):
    """Run code in a fresh process; return what its last line of output says, as JSON."""
    process = run_python("-c", code, *arguments, **environment)
    assert process.returncode == 0, process.stderr[-3000:]
    return json.loads(process.stdout.splitlines()[-1])
