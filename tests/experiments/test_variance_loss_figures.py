"""The variance-loss experiments, in closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.datasets import load_digits

from balancing_vae.experiments.known_variance_loss import between_data_and_mean
from balancing_vae.experiments.known_variance_loss import draw_exact_cases
from balancing_vae.experiments.known_variance_loss import exact_cases
from balancing_vae.experiments.linear_autoencoder import draw_linear
from balancing_vae.experiments.linear_autoencoder import linear_beside_pca
from balancing_vae.experiments.linear_autoencoder import points_in_the_plane
from balancing_vae.experiments.linear_autoencoder import project
from balancing_vae.experiments.linear_autoencoder import train_linear_autoencoder
from balancing_vae.experiments.pca import draw_pca_variance_loss
from balancing_vae.experiments.pca import pca_variance_loss
from balancing_vae.experiments.running_averages import draw_smoothing
from balancing_vae.experiments.running_averages import moving_average
from balancing_vae.experiments.running_averages import random_curves
from balancing_vae.experiments.running_averages import smoothing
from balancing_vae.experiments.within_images import variance_loss_within
from balancing_vae.moments import mse
from balancing_vae.moments import variance_loss


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
    for points in (cases["shrunk_each"], cases["kept_or_mean"]):
        assert np.all(points[:, 0] <= points[:, 1] + 1e-12)
        np.testing.assert_allclose(points[[0, -1]], [[0, 0], [variance] * 2], atol=1e-12)
    assert cases["shrunk_each"][2, 0] != pytest.approx(shrunk[2, 0], rel=1e-3)
    draw_exact_cases(cases)


@given(t=arrays(float, 20, elements=st.floats(0, 1)), seed=st.integers(0, 9))
def test_the_mse_is_a_lower_bound_with_a_t_for_each_datum(t, seed):
    x = np.random.default_rng(seed).standard_normal((20, 2, 3)) + 1
    x_hat = between_data_and_mean(x, t)
    centered, factor = x - x.mean(axis=0), t[:, None, None]
    excess = 2 * np.mean(factor * (1 - factor) * centered**2)
    excess += np.mean(np.mean(factor * centered, axis=0) ** 2)
    assert variance_loss(x, x_hat) - mse(x, x_hat) == pytest.approx(excess, abs=1e-12)
    assert mse(x, x_hat) == pytest.approx(np.mean((1 - factor) ** 2 * centered**2))


def test_the_bound_does_not_hold_beyond_the_data():
    x = np.random.default_rng(0).standard_normal((20, 3))
    x_hat = between_data_and_mean(x, np.full(20, 1.5))
    assert variance_loss(x, x_hat) < 0 < mse(x, x_hat)


def test_a_trained_linear_autoencoder_is_a_pca():
    x = load_digits().images[:200] / 16
    rows = linear_beside_pca(x, (1, 5))
    for row in rows:
        assert row["mse"] == pytest.approx(row["pca_mse"], rel=1e-5)
        assert row["variance_loss"] == pytest.approx(row["mse"], rel=1e-4)
        assert row["variance_loss_within"] == pytest.approx(
            row["pca_variance_loss_within"], rel=1e-4
        )
    draw_linear(points_in_the_plane(), rows, pca_variance_loss(x))


def test_as_many_components_as_features_lose_nothing():
    x = points_in_the_plane()
    np.testing.assert_allclose(train_linear_autoencoder(x, 2), x, atol=1e-4)
    np.testing.assert_allclose(project(x, 2), x)
    # Another network than the identity: a line cannot hold what varies in two directions.
    assert mse(x, train_linear_autoencoder(x, 1)) > 0.1


def test_the_variance_loss_of_a_pca_within_images_is_its_error_without_brightness():
    x = load_digits().images[:300] / 16
    residual = x - project(x, 7)
    brightness = residual.mean(axis=(1, 2))
    expected = mse(x, project(x, 7)) - np.mean(brightness**2)
    assert variance_loss_within(x, project(x, 7)) == pytest.approx(expected)
    assert variance_loss(x, project(x, 7)) == pytest.approx(mse(x, project(x, 7)))
    # A shift of whole images is no loss of contrast.
    assert variance_loss_within(x, x + 3) == pytest.approx(0)
