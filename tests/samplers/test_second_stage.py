"""The second stage as a sampler: the same draws as in former versions, and nothing to fit."""

import keras
import numpy as np
import pytest

from balancing_vae import TwoStageVAE
from balancing_vae.errors import InputError
from balancing_vae.samplers import Prior
from balancing_vae.samplers import SecondStage
from tests.helpers.pipelines import as_if_trained
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline

# Of the shipped digits, rows 0 and 63, as `generate(..., return_latents=True)` once gave them.
PLAIN = [[0.19614686, 0.2871886, -0.14788339], [1.1583682, 0.2387505, 0.4013141]]
RESCALED = [[0.33128688, 0.48505396, -0.24977115], [1.9797349, 0.40804183, 0.68587476]]
PRIOR_RESCALED = [[1.1812062, -1.4660418, -0.4508403], [0.6338202, 0.6531801, -0.22789197]]
NOISY = [[-1.8907781, -0.6575362, 1.0052841], [-1.1555225, 1.0233536, -1.1429689]]


@pytest.fixture(scope="module")
def vae():
    return TwoStageVAE.from_pretrained("digits")


def assert_recorded(z, recorded):
    # The backends' matrix products differ in the last digits.
    atol = 1e-5 if keras.backend.backend() == "tensorflow" else 1e-4
    np.testing.assert_allclose(z[[0, 63], :3], recorded, atol=atol)


def test_latents_of_a_seed_are_those_of_former_versions(vae):
    assert_recorded(vae.samplers["second_stage"].sample(64, seed=0), PLAIN)
    assert_recorded(vae.sample_latents(64, normalize=False, seed=0), PLAIN)
    assert_recorded(vae.sample_latents(64, seed=0), RESCALED)
    assert_recorded(vae.sample_latents(64, stage=1, seed=0), PRIOR_RESCALED)


def test_the_decoders_noise_is_that_of_former_versions(vae):
    noisy = SecondStage(vae.stage2, vae.config.batch_size, adds_noise=True)
    assert_recorded(noisy.sample(64, seed=4), NOISY)


def test_the_first_draws_depend_neither_on_their_number_nor_on_the_source_of_the_noise():
    noisy = as_if_trained(tiny_pipeline(second_stage_noise=True)).samplers["second_stage"]
    z = noisy.sample(19, seed=2)
    assert z.shape == (19, 2) and z.dtype == np.float32 and noisy.latent_dim == 2
    np.testing.assert_allclose(noisy.sample(5, seed=2), z[:5], rtol=1e-6)
    noise = Prior(2).sample(19, seed=2)
    np.testing.assert_array_equal(noisy.sample(19, seed=2, noise=noise), z)
    stream = np.random.SeedSequence(2).spawn(1)[0]
    given = {"noise": noise, "latent_noise": Prior(2).sample(19, stream)}
    np.testing.assert_array_equal(noisy.sample(19, seed=9, **given), z)


def test_training_keeps_the_second_stage_and_removes_fitted_samplers():
    own = tiny_pipeline()
    own.fit_sampler("gaussian", tiny_images())
    assert list(own.samplers) == ["prior", "second_stage", "gaussian"]
    assert list(own.fitted_samplers) == ["gaussian"]
    own.fit(tiny_images(), verbose=False)
    assert list(own.samplers) == ["prior", "second_stage"]
    decoded = own.stage2.decoder.predict_on_batch(Prior(2).sample(8, seed=1))
    np.testing.assert_array_equal(own.samplers["second_stage"].sample(8, seed=1), decoded)


def test_the_second_stage_refuses_what_only_other_samplers_support():
    plain = tiny_pipeline().samplers["second_stage"]
    for call, message in (
        (lambda: SecondStage.fit(np.zeros((5, 2))), "trained by TwoStageVAE.fit"),
        (
            lambda: plain.log_density(np.zeros((5, 2))),
            "density of a second stage cannot",
        ),
        (lambda: plain.to_arrays(), "saved with its pipeline"),
        (lambda: plain.sample(4, latent_noise=np.zeros((4, 2))), "second_stage_noise=True"),
        (lambda: plain.sample(4, noise=np.zeros((4, 3))), r"shape \(4, 2\), got \(4, 3\)"),
    ):
        with pytest.raises(InputError, match=message):
            call()


def test_noise_for_too_few_samples_is_refused():
    vae = as_if_trained(tiny_pipeline())
    with pytest.raises(InputError, match="noise has 8 rows, but 9 are needed"):
        vae.generate(9, normalize=False, noise=np.zeros((8, 2)))
