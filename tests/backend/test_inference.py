"""Inference on many rows: batches that suit the device, and latents that stay on it."""

import numpy as np
import pytest

from balancing_vae.backend import inference
from balancing_vae.training.batches import FileOrderBatches
from tests.helpers.pipelines import as_if_trained
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline

MODES = ("gated", "latents", "latents_and_images")


@pytest.fixture(scope="module")
def vae():
    made = tiny_pipeline()
    random = np.random.default_rng(0)
    for weight in (*made.stage1.decoder.weights, *made.stage2.decoder.weights):
        weight.assign(np.asarray(weight) + random.normal(0, 0.1, weight.shape).astype("float32"))
    as_if_trained(made)
    made.fit_normalization(tiny_images(), "latents")
    return made


@pytest.fixture
def seen(vae, monkeypatch):
    """The batches that stage 1's decoder gets."""
    vae.stage1.decoder.make_predict_function()
    compute, batches = vae.stage1.decoder.predict_function, []

    def watched(*arguments):
        # Under JAX the state comes first, and the batches are an iterator.
        *state, data = arguments
        data = list(data)
        batches.append(data[0][0])
        return compute(*state, iter(data) if state else data)

    monkeypatch.setattr(vae.stage1.decoder, "predict_function", watched)
    return batches


@pytest.fixture
def accelerator(monkeypatch):
    """Let the device be one whose memory is right for so many rows of a network."""

    def has(rows: int, network) -> None:
        size = 4 * inference.numbers_in_a_row(network) * rows / inference.MEMORY_SHARE
        monkeypatch.setattr(inference, "device_memory", lambda: size)

    return has


def test_a_cpu_uses_the_batch_size_of_the_training(vae, seen):
    assert inference.large_batch(vae.stage1.decoder, 8) == 8
    vae.generate(21, seed=0)
    assert [len(batch) for batch in seen] == [8, 8, 8]


@pytest.mark.parametrize(("rows", "chosen"), [(3, 8), (20, 16), (200, 200), (10**6, 1024)])
def test_an_accelerator_computes_as_many_rows_as_fit(rows, chosen, vae, accelerator):
    accelerator(rows, vae.stage1.decoder)
    assert inference.large_batch(vae.stage1.decoder, 8) == chosen


@pytest.mark.parametrize("mode", MODES)
def test_large_batches_give_the_same_images(mode, vae, seen, accelerator):
    vae.fit_normalization(tiny_images(), mode)
    seen.clear()
    small = {stage: vae.generate(38, stage=stage, seed=0) for stage in (1, 2)}
    latents = vae.sample_latents(38, seed=0)
    accelerator(20, vae.stage1.decoder)
    seen.clear()
    for stage, images in small.items():
        np.testing.assert_allclose(vae.generate(38, stage=stage, seed=0), images, atol=1e-6)
    assert [len(batch) for batch in seen] == [16, 16, 8] * 2
    np.testing.assert_allclose(vae.sample_latents(38, seed=0), latents, atol=1e-6)


def test_large_batches_give_the_same_latents_and_reconstructions(vae, seen, accelerator):
    x = tiny_images(38)
    small = [*vae.encode(x), vae.reconstruct(x), vae.reconstruct_latents(vae.encode(x)[0])]
    accelerator(20, vae.stage1.decoder)
    large = [*vae.encode(x), vae.reconstruct(x), vae.reconstruct_latents(vae.encode(x)[0])]
    for one, other in zip(large, small, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_encoding_takes_large_batches_of_arrays_and_of_datasets(vae, accelerator, monkeypatch):
    posterior, seen = vae.stage1.posterior, []
    monkeypatch.setattr(
        vae.stage1, "posterior", lambda batch: [seen.append(len(batch)), posterior(batch)][1]
    )
    accelerator(20, vae.stage1.encoder)
    x = tiny_images(38)
    of_array = vae.encode(x)
    assert seen == [16, 16, 8]
    of_dataset = vae.encode(FileOrderBatches(x, 5))
    np.testing.assert_allclose(of_dataset, of_array, atol=1e-6)
    assert seen[3:] == [16, 16, 8]


@pytest.mark.parametrize("normalize", [True, False])
def test_latents_stay_on_the_device_between_the_stages(normalize, vae, seen):
    vae.generate(20, stage=2, normalize=normalize, seed=0)
    assert seen and not any(isinstance(batch, np.ndarray) for batch in seen)


def test_results_are_arrays_that_can_be_changed(vae):
    for array in (vae.sample_latents(3, seed=0), vae.samplers["second_stage"].sample(3, seed=0)):
        assert type(array) is np.ndarray and array.dtype == np.float32
        array[0] = 0


def test_several_outputs_are_joined(vae):
    x = np.random.default_rng(1).normal(size=(19, 2)).astype("float32")
    expected = vae.stage2.encoder.predict(x, verbose=0)
    for found, other in zip(inference.predict(vae.stage2.encoder, 8, x), expected, strict=True):
        np.testing.assert_allclose(found, other, atol=1e-6)
