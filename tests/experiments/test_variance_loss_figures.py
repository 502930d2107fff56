"""The variance-loss experiments, in closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from balancing_vae.experiments.known_variance_loss import draw_exact_cases
from balancing_vae.experiments.known_variance_loss import exact_cases
from balancing_vae.experiments.pca import draw_pca_variance_loss
from balancing_vae.experiments.pca import pca_variance_loss
from balancing_vae.experiments.running_averages import draw_smoothing
from balancing_vae.experiments.running_averages import moving_average
from balancing_vae.experiments.running_averages import random_curves
from balancing_vae.experiments.running_averages import smoothing


def test_pca_loses_exactly_its_error_at_every_number_of_components():
    x = load_digits().images / 16
    curves = pca_variance_loss(x)
    np.testing.assert_allclose(curves["variance_loss"], curves["mse"], rtol=1e-9, atol=1e-15)
    assert curves["mse"][0] == pytest.approx(x.var(axis=0).mean())
    assert curves["mse"][-1] == pytest.approx(0, abs=1e-12)
    assert np.all(np.diff(curves["mse"]) <= 1e-15)
    # Component by component the error falls by the variance that it explains.
    explained = np.linalg.svd(x.reshape(len(x), -1) - x.reshape(len(x), -1).mean(0))[1] ** 2
    np.testing.assert_allclose(-np.diff(curves["mse"]), explained / x.size, atol=1e-12)
    draw_pca_variance_loss(curves)


@given(window=st.sampled_from([1, 3, 5]), count=st.integers(1, 3), seed=st.integers(0, 9))
def test_a_moving_average_is_a_convolution(window, count, seed):
    curves = random_curves(count, 12, seed)
    kernel = np.full(window, 1 / window)
    expected = [np.convolve(curve, kernel, mode="valid") for curve in curves]
    np.testing.assert_allclose(moving_average(curves, window), expected, atol=1e-12)


def test_random_walks_lose_as_much_as_expected():
    """Up to what the ends of so short a walk add, a share of about window / length."""
    losses = smoothing(random_curves(400, 400, seed=1), (1, 5, 21))
    for name in ("mse", "variance_loss"):
        mean = losses[name].mean(axis=1)
        error = losses[name].std(axis=1) / 20
        expected = losses[f"expected_{name}"]
        ends = expected * losses["window"] / 400
        assert np.all(np.abs(mean - expected) <= 4 * error + ends + 1e-12), name
    draw_smoothing(random_curves(1, 50)[0], 5, losses)


@pytest.mark.parametrize("window", [0, 2, 13, -1])
def test_bad_windows_are_refused(window):
    with pytest.raises(ValueError, match="window must be odd, from 1 to 12"):
        moving_average(np.zeros((1, 12)), window)


def test_the_exact_cases():
    x = np.random.default_rng(0).standard_normal((50, 2, 3))
    cases = exact_cases(x, count=6)
    halfway, shrunk = cases["halfway"], cases["shrunk"]
    np.testing.assert_allclose(halfway[:, 0], halfway[:, 1], rtol=1e-9, atol=1e-15)
    assert halfway[0, 0] == 0 and halfway[-1, 0] > 0.2
    share = np.linspace(0, 1, 6)
    variance = x.var(axis=0).mean()
    np.testing.assert_allclose(shrunk[:, 0], share**2 * variance)
    np.testing.assert_allclose(shrunk[:, 1], (1 - (1 - share) ** 2) * variance)
    draw_exact_cases(cases)
