"""Messages about the device: which one computes, and that its memory is too small."""

import keras
import numpy as np
import pytest

from balancing_vae.backend import devices
from balancing_vae.backend import memory
from balancing_vae.backend.devices import describe_device
from balancing_vae.cli.failures import explain
from tests.helpers.stage_cases import data_for
from tests.helpers.stage_cases import registered_models
from tests.helpers.stage_cases import stage_of


class ResourceExhaustedError(Exception):
    """As TensorFlow names it."""


class JaxRuntimeError(RuntimeError):
    """As JAX names it."""


@pytest.fixture
def gpu_there(monkeypatch, tmp_path):
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(devices, "DRIVER_FILES", {"NVIDIA": str(tmp_path / "nvidia[0-9]*")})
    monkeypatch.setattr(devices, "find_accelerator", lambda backend: None)
    for name in (*devices.HIDING, "JAX_PLATFORMS"):
        monkeypatch.delenv(name, raising=False)


def on_jax(monkeypatch):
    monkeypatch.setattr(devices.keras.backend, "backend", lambda: "jax")


def test_the_device_is_the_cpu_without_a_gpu(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "DRIVER_FILES", {"NVIDIA": str(tmp_path / "none*")})
    names = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
    assert describe_device() == f"device: CPU, on {names[keras.backend.backend()]}"


def test_a_hidden_gpu_is_reported(gpu_there, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert describe_device().endswith("There is a GPU (NVIDIA), but CUDA_VISIBLE_DEVICES hides it.")


@pytest.mark.parametrize(
    ("plugin", "platforms", "why"),
    [
        ("jax", "", "this JAX is built for CPUs: pip install"),
        ("jax-cuda12-plugin", "cpu", "JAX_PLATFORMS=cpu excludes it"),
        ("jax-cuda12-plugin", "", "JAX cannot use it: check that its driver is compatible"),
    ],
)
def test_the_reason_why_jax_does_not_use_a_gpu_is_reported(
    plugin, platforms, why, gpu_there, monkeypatch
):
    class Distribution:
        metadata = {"Name": plugin}

    on_jax(monkeypatch)
    monkeypatch.setattr(devices, "distributions", lambda: [Distribution])
    monkeypatch.setenv("JAX_PLATFORMS", platforms)
    assert why in describe_device()


@pytest.mark.parametrize(
    "error",
    [
        ResourceExhaustedError("OOM when allocating tensor"),
        JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 5 bytes."),
    ],
)
def test_an_out_of_memory_error_names_the_batch_size_and_one_that_fits(error):
    stage = stage_of(registered_models()["vae"])
    stage.compile("sgd", jit_compile=False, run_eagerly=True)

    def fail(logs):
        raise error

    callback = keras.callbacks.LambdaCallback(on_train_begin=fail)
    with pytest.raises(OSError, match="memory with batches of 4.*about 2 would fit") as caught:
        stage.fit(data_for(stage), batch_size=4, verbose=0, callbacks=[callback])
    code, words = explain(caught.value)
    assert code == 2 and "take --batch-size 2" in words


def test_other_errors_are_not_changed():
    with pytest.raises(JaxRuntimeError, match="INTERNAL"):
        with memory.out_of_memory_explained(None, 4):
            raise JaxRuntimeError("INTERNAL: no kernel")


def test_the_batch_size_that_fits_follows_from_the_layers(monkeypatch):
    stage = stage_of(registered_models()["vae"])
    rows = [int(np.prod(layer.output.shape[1:])) for layer in stage.decoder.layers]
    assert sum(rows) == 3 + 16 + 16
    monkeypatch.setattr(memory, "device_memory", lambda: 10**6)
    assert 1_000 < memory.largest_batch(stage, 10**6) < 10**6 // (8 * sum(rows))
    monkeypatch.setattr(memory, "device_memory", lambda: 100)
    assert memory.largest_batch(stage, 10**6) < 1
