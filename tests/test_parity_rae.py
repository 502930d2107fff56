"""`tools/check_parity.py` on recorded runs of the program of Ghosh et al."""

import functools
import shutil

import pytest
from keras import ops
from parity import rae as parity

from balancing_vae.layers import right_spectral_norm
from balancing_vae.models.rae import RegularizedAutoencoder
from balancing_vae.networks import rae as networks
from tests.helpers.paths import ROOT
from tests.helpers.processes import compared_and_none_exceeds
from tests.helpers.processes import run_python

GOLDEN = ROOT / "tests" / "golden" / "rae"
ALL = {"celeba_rae_l2", "cifar10_rae", "mnist_ae", "mnist_rae_l2", "mnist_rae_sn"}


@pytest.fixture
def exceeding(tmp_path):
    """Return the quantities of a network that exceed what is allowed."""

    def check(network: str) -> set[str]:
        for suffix in (".json", ".npz"):
            shutil.copy(GOLDEN / f"{network}{suffix}", tmp_path)
        return names(network, parity.check(tmp_path))

    return check


def names(network: str, rows) -> set[str]:
    return {row.name.removeprefix(f"{network}/") for row in rows if row.exceeds}


@pytest.mark.parametrize("network", ["celeba_rae_l2", "mnist_rae_sn"])
def test_a_network_repeats_the_recorded_run(exceeding, network):
    assert exceeding(network) == set()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_every_network_repeats_the_recorded_run(backend):
    pytest.importorskip(backend)
    assert {path.stem for path in GOLDEN.glob("*.npz")} == ALL
    process = run_python("tools/check_parity.py", GOLDEN, KERAS_BACKEND=backend)
    assert process.returncode == 0, process.stdout + process.stderr[-2000:]
    assert compared_and_none_exceeds(process.stdout) >= 74


def test_a_gradient_that_stops_in_spectral_norm_is_found(exceeding, monkeypatch):
    unit = right_spectral_norm.unit
    monkeypatch.setattr(right_spectral_norm, "unit", lambda a: ops.stop_gradient(unit(a)))
    found = exceeding("mnist_rae_sn")
    assert "step1/gradient" in found and "step1/kernels" in found
    assert "train/loss 1" not in found


def test_another_epsilon_of_batch_normalization_is_found(exceeding, monkeypatch):
    layer = functools.partial(networks.UnbiasedBatchNormalization, epsilon=1e-5)
    monkeypatch.setattr(networks, "UnbiasedBatchNormalization", layer)
    assert {"infer/z", "train/loss 1", "step1/gradient"} <= exceeding("mnist_ae")


@pytest.mark.parametrize(
    ("network", "left_out"),
    [("mnist_rae_l2", "conv2d_transpose"), ("celeba_rae_l2", "dense")],
)
def test_a_kernel_that_is_left_out_of_the_penalty_is_found(
    exceeding, monkeypatch, network, left_out
):
    kernels = RegularizedAutoencoder.regularized_kernels
    last = {"conv2d_transpose": -1, "dense": 0}[left_out]

    def without_one(self):
        found = kernels(self)
        del found[last]
        return found

    monkeypatch.setattr(RegularizedAutoencoder, "regularized_kernels", without_one)
    found = exceeding(network)
    assert {"train/loss 1", "step1/gradient"} <= found
    assert "infer/z" not in found
