"""Training on several devices gives the losses, the gamma and the samples of one device."""

import functools
import json
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest

from balancing_vae.backend import distribution
from balancing_vae.backend.batches import map_batches
from balancing_vae.backend.distribution import check_divisible
from balancing_vae.backend.distribution import data_parallel
from balancing_vae.training.batches import FileOrderBatches
from tests.helpers.paths import ROOT
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline
from tests.helpers.processes import HANG
from tests.helpers.processes import environment

SCRIPT = ROOT / "tests" / "helpers" / "distributed_training.py"


def start(backend: str, *words) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, SCRIPT, *map(str, words)],
        env=environment(ROOT / "tests", KERAS_BACKEND=backend),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process: subprocess.Popen) -> dict:
    output, errors = process.communicate(timeout=HANG)
    assert process.returncode == 0, errors[-3000:]
    return json.loads(next(line for line in output.splitlines() if line.startswith("{")))


@functools.cache
def one_device(backend: str) -> dict:
    return result(start(backend, 1))


def assert_same_training(found: dict, expected: dict) -> None:
    """By SGD, too: Adam would hide a loss of another scale."""
    for optimizer in ("sgd", "adam"):
        one, other = found[optimizer], expected[optimizer]
        assert len(one["losses"]) == 20
        np.testing.assert_allclose(one["losses"], other["losses"], rtol=1e-4)
        assert one["gamma"] == pytest.approx(other["gamma"], rel=1e-6)
    for row, other in zip(found["history"], expected["history"], strict=True):
        assert row == pytest.approx(other, rel=1e-4)
    for name in ("samples", "mu"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_have_the_losses_of_one(backend):
    assert_same_training(result(start(backend, 2)), one_device(backend))


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one():
    with socket.socket() as one, socket.socket() as other:
        for free in (one, other):
            free.bind(("127.0.0.1", 0))
        addresses = ",".join(f"127.0.0.1:{free.getsockname()[1]}" for free in (one, other))
    processes = [start("jax", 1, index, addresses) for index in range(2)]
    for process in processes:
        assert_same_training(result(process), one_device("jax"))


def test_one_device_changes_nothing():
    before = tiny_pipeline().stage1
    with data_parallel(1):
        assert distribution.device_count(tiny_pipeline().stage1) == 1
    assert distribution.replica_count() == distribution.device_count(before) == 1


@pytest.mark.parametrize("devices", [0, 64])
def test_missing_devices_are_refused(devices):
    expected = {
        0: "devices must be at least 1",
        64: "trains on one device" if keras.backend.backend() == "torch" else "has 1 .*at most",
    }
    with pytest.raises(ValueError, match=expected[devices]), data_parallel(devices):
        pass


def test_a_batch_size_that_the_devices_do_not_divide_is_refused(monkeypatch):
    vae = tiny_pipeline(batch_size=8)
    monkeypatch.setattr(distribution, "device_count", lambda model: 3)
    with pytest.raises(ValueError, match="8 cannot be split evenly over 3.*batch_size such as 6"):
        vae.fit(tiny_images())
    monkeypatch.setattr(distribution, "device_count", lambda model: 4)
    check_divisible(8, vae.stage1)


def test_a_validation_set_is_cut_so_that_the_devices_divide_its_last_batch():
    rows = np.arange(11)
    batches = FileOrderBatches(rows, 4, devices=2)
    assert [len(batches[i][0]) for i in range(len(batches))] == [4, 4, 2]


def test_predictions_of_several_replicas_keep_the_rows_of_the_first():
    twice = map_batches(lambda rows: np.concatenate([rows, rows + 100]), 4, np.arange(6))
    np.testing.assert_array_equal(twice, np.arange(6))


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX's processes")
def test_each_process_reads_its_share_of_the_batch(monkeypatch):
    import jax

    shares = []
    with keras.distribution.DataParallel(devices=keras.distribution.list_devices()[:1]).scope():
        for index in range(2):
            monkeypatch.setattr(jax, "process_count", lambda: 2)
            monkeypatch.setattr(jax, "process_index", lambda index=index: index)
            shares.append(FileOrderBatches(np.arange(8), 4)[1][0].tolist())
    assert shares == [[4, 5], [6, 7]]
