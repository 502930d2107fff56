"""Further training of trained weights: gamma is measured first, because it never rises."""

import warnings

import keras
import numpy as np
import pytest

from balancing_vae import GammaBalancing
from balancing_vae.checks import as_float
from balancing_vae.moments import mse
from balancing_vae.samplers import Prior
from balancing_vae.training import loop
from balancing_vae.training.loop import measured_data
from balancing_vae.training.posterior import draw
from tests.helpers.backends import numbers
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline

NOISY = tiny_images()
GRAY = np.full_like(NOISY, 128)


def gamma(stage):
    return float(numbers(stage.balancing.gamma))


def first_gamma(vae, stage):
    return next(row["gamma"] for row in vae.history if row["stage"] == stage)


@pytest.fixture
def trained_on_gray():
    """A pipeline that believes its errors to be tiny."""
    vae = tiny_pipeline(epochs=1, epochs2=1)
    vae.fit(GRAY, verbose=False)
    for stage in vae.stages.values():
        stage.balancing.running_mse.assign(1e-4)
    vae.history.clear()
    return vae


def test_fit_measures_gamma_if_the_weights_are_already_trained(trained_on_gray):
    vae = trained_on_gray
    error = mse(as_float(NOISY), vae.reconstruct(NOISY, seed=0)) ** 0.5
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="The first error")
        vae.fit(NOISY, verbose=False)
    assert error > 0.2
    assert first_gamma(vae, 1) == pytest.approx(error, rel=0.05)
    assert first_gamma(vae, 2) > 0.1
    assert vae.stage1.trained_epochs == 2


def test_the_second_stages_gamma_is_measured_on_draws_from_the_posterior():
    mu, sigma = np.zeros((1000, 3), "float32"), np.ones((1000, 3), "float32")
    # Of the means alone the error would be far lower, and gamma never rises.
    latents = measured_data((mu, sigma), seed=0)
    assert latents.std() == pytest.approx(1, rel=0.1)
    own_noise = draw(mu, sigma, 0)  # as the stage's own posterior has it
    assert abs(np.corrcoef(latents.ravel(), own_noise.ravel())[0, 1]) < 0.1


def test_gamma_is_measured_on_data_from_everywhere(monkeypatch):
    monkeypatch.setattr(loop, "MEASURED_IMAGES", 8)
    ordered = np.repeat(np.arange(100, dtype="uint8"), 16).reshape(100, 4, 4, 1)
    assert measured_data(ordered, seed=0).max() > 50
    mu = np.arange(100, dtype="float32")[:, None]
    assert measured_data((mu, np.zeros_like(mu)), seed=0).max() > 50


class SeesTheFirstGamma(keras.callbacks.Callback):
    """Compares it with the stage's evaluation of the same latents, also with the same noise."""

    def __init__(self, vae, x):
        super().__init__()
        self.vae, self.x = vae, x

    def on_train_begin(self, logs=None):
        if self.model is self.vae.stage2:
            self.gamma = gamma(self.model)
            latents = self.vae.encode(self.x)
            seed, prior = self.vae.config.seed, Prior(self.vae.config.latent_dim)
            noise = [prior.sample(len(self.x), each) for each in (seed ^ 1, seed)]
            self.error = self.root_of_mse(latents)
            self.error_with_its_noise = self.root_of_mse((*latents, *noise))

    def root_of_mse(self, inputs):
        measured = self.model.evaluate(inputs, batch_size=8, verbose=0, return_dict=True)
        return measured["mse"] ** 0.5


def test_the_second_stages_gamma_is_its_error_on_its_training_latents(trained_on_gray):
    images = tiny_images(400)
    first = SeesTheFirstGamma(trained_on_gray, images)
    trained_on_gray.fit(images, verbose=False, callbacks=[first])
    assert first.error > 0.3
    assert first.gamma == pytest.approx(first.error, rel=0.1)


def test_gamma_of_few_images_is_the_error_for_the_same_noise(trained_on_gray):
    # A second stage that has hardly been trained has errors with a long tail: on 24 images, the
    # error for other noise may be twice as high.
    first = SeesTheFirstGamma(trained_on_gray, NOISY)
    trained_on_gray.fit(NOISY, verbose=False, callbacks=[first])
    assert first.gamma == pytest.approx(first.error_with_its_noise, rel=1e-4)


def test_the_history_continues_its_epoch_numbers(trained_on_gray):
    vae = trained_on_gray
    vae.history += [{"stage": 1, "epoch": epoch} for epoch in (1, 2)]
    vae.fit(NOISY, verbose=False)
    assert [(row["stage"], row["epoch"]) for row in vae.history[2:]] == [(1, 3), (2, 1)]


def test_a_resumed_training_keeps_its_gamma(tmp_path):
    vae = tiny_pipeline(epochs=1, epochs2=1)
    vae.fit(NOISY, verbose=False, run_dir=tmp_path)
    before = gamma(vae.stage1)
    vae.fit(NOISY, verbose=False, run_dir=tmp_path, epochs2=2)
    assert gamma(vae.stage1) == before


def test_a_gamma_that_is_not_computed_is_not_changed():
    vae = tiny_pipeline(epochs=1, epochs2=1, balancing={"name": "fixed", "gamma": 0.5})
    vae.fit(NOISY, verbose=False)
    vae.fit(NOISY, verbose=False)
    assert gamma(vae.stage1) == 0.5


def test_a_stage_warns_if_its_first_error_is_far_above_gamma(trained_on_gray):
    stage = trained_on_gray.stage1
    with pytest.warns(UserWarning, match=r"far above gamma, 0.01, which never rises.*measure_gam"):
        stage.fit(NOISY, batch_size=8, verbose=0)


@pytest.mark.filterwarnings("error:The first error")
def test_it_does_not_warn_otherwise(trained_on_gray):
    stage = trained_on_gray.stage1
    trained_on_gray.measure_gamma(NOISY)
    stage.fit(NOISY, batch_size=8, verbose=0)
    stage.fit(NOISY, batch_size=8, verbose=0, callbacks=[GammaBalancing(gamma=0.4)])
    stage.fit(NOISY, batch_size=8, verbose=0, callbacks=[GammaBalancing(gamma=0.01, rate=0)])
    tiny_pipeline().stage1.fit(NOISY, batch_size=8, verbose=0)
