"""Fixtures that tests share: real images, recorded numbers, a trained pipeline."""

import hashlib
import os
import random
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
from sklearn.datasets import load_digits

from balancing_vae import TwoStageVAE
from balancing_vae.fid.networks import inception_files
from tests.helpers import stand_ins
from tests.helpers.paths import GOLDEN
from tests.helpers.pipelines import digits_pipeline
from tests.helpers.pipelines import save_run
from tests.helpers.xla import without_xla


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
    vae = digits_pipeline()
    vae.fit(digits, verbose=False)
    return vae


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory) -> Path:
    """The folder of a run whose networks are quickly loaded. Tests leave it as it is."""
    run = tmp_path_factory.mktemp("tiny") / "run"
    save_run(run)
    return run


@pytest.fixture(scope="session", autouse=True)
def xla_is_off():
    """See `tests.helpers.xla`."""
    with without_xla():
        yield


@pytest.fixture(scope="session")
def matplotlib_folder(tmp_path_factory):
    """Where matplotlib keeps its list of fonts, which it takes seconds to make."""
    return tmp_path_factory.mktemp("matplotlib")


@pytest.fixture(autouse=True)
def same_starting_weights():
    """Draw the same starting weights in each run: Keras takes their seeds from `random`.

    A test that passes for most weights would otherwise fail once in many runs.
    """
    random.seed(0)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, matplotlib_folder, monkeypatch):
    """Keep the user's cache, and what it may hold, out of the tests."""
    monkeypatch.setenv("MPLCONFIGDIR", str(matplotlib_folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("home") / "cache"))
    monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)


@pytest.fixture
def accepted(monkeypatch):
    """Let the stand-in pass for the real graph."""
    sha256 = hashlib.sha256(stand_ins.graph()).hexdigest()
    monkeypatch.setattr(inception_files, "GRAPH_SHA256", sha256)
