"""The measurements of the paper other than FID, in closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from balancing_vae.moments import inactive_latents
from balancing_vae.moments import mean_std
from balancing_vae.moments import mse
from balancing_vae.moments import variance_law
from balancing_vae.moments import variance_loss

data = arrays(
    np.float64, st.tuples(st.integers(2, 12), st.integers(1, 4)), elements=st.floats(-10, 10)
)


def test_mse_and_mean_std_of_two_points():
    assert mse(np.zeros((4, 2)), np.ones((4, 2))) == 1.0
    assert mean_std(np.array([[0.0], [2.0]])) == 1.0
    assert mean_std(np.array([[0.0, 1.0], [2.0, 1.0]])) == 0.5


def test_variances_divide_by_n():
    x = np.array([[0.0], [2.0]])
    assert variance_loss(x, np.zeros((2, 1))) == 1.0


@given(x=data, seed=st.integers(0, 99))
def test_averages_with_a_permutation_lose_as_much_variance_as_their_error(x, seed):
    x_hat = (x + np.random.default_rng(seed).permutation(x)) / 2
    assert variance_loss(x, x_hat) == pytest.approx(mse(x, x_hat), abs=1e-9)


@given(x=data, t=st.floats(0, 1))
def test_anything_between_data_and_mean_loses_at_least_its_error(x, t):
    x_hat = t * x + (1 - t) * x.mean(axis=0)
    assert mse(x, x_hat) <= variance_loss(x, x_hat) + 1e-9


@pytest.mark.parametrize("components", [1, 8, 20])
def test_pca_loses_exactly_its_error(components):
    x = load_digits().data
    pca = PCA(components).fit(x)
    x_hat = pca.inverse_transform(pca.transform(x))
    assert variance_loss(x, x_hat) == pytest.approx(mse(x, x_hat), rel=1e-9)
    # Over the features, as the paper's sentence has it, the two are not equal.
    assert variance_loss(x, x_hat, axis=1) != pytest.approx(mse(x, x_hat), rel=1e-3)


def test_a_moving_average_keeps_the_mean_and_loses_variance():
    x = np.random.default_rng(0).standard_normal((1000, 1)).cumsum(axis=0)
    x_hat = np.stack([np.roll(x, shift, axis=0) for shift in range(-20, 21)]).mean(axis=0)
    assert x_hat.mean() == pytest.approx(x.mean())
    assert variance_loss(x, x_hat) > 0


def test_samples_may_differ_in_number_but_not_in_shape():
    x = np.random.default_rng(0).standard_normal((100, 3))
    assert variance_loss(x, x[:50].repeat(3, axis=0)) == pytest.approx(
        x.var(0).mean() - x[:50].var(0).mean()
    )
    with pytest.raises(ValueError, match="one shape"):
        variance_loss(x, x[:, :2])
    with pytest.raises(ValueError, match="one shape"):
        mse(x, x[:50])


def test_variance_law_in_both_forms():
    mu, sigma = np.array([[-1.0, 0.0], [1.0, 0.0]]), np.full((2, 2), 0.5)
    np.testing.assert_allclose(variance_law(mu, sigma), [1.25, 0.25])
    np.testing.assert_allclose(variance_law(mu, sigma, "sigma"), [1.5, 0.5])
    with pytest.raises(ValueError, match=r"second_term must be one of \('sigma\^2', 'sigma'\)"):
        variance_law(mu, sigma, "mine")


def test_former_names_of_the_second_term_are_read():
    mu, sigma = np.array([[-1.0, 0.0], [1.0, 0.0]]), np.full((2, 2), 0.5)
    for former, now in (("paper", "sigma^2"), ("reference", "sigma")):
        expected = variance_law(mu, sigma, now)
        with pytest.warns(DeprecationWarning, match=f"second_term='{former}' is deprecated"):
            np.testing.assert_array_equal(variance_law(mu, sigma, former), expected)
        with pytest.warns(DeprecationWarning, match=r"variance_law\(mode=\.\.\.\) is deprecated"):
            np.testing.assert_array_equal(variance_law(mu, sigma, mode=now), expected)


def test_prior_obeys_the_variance_law():
    """Where KL vanishes mu is 0 and sigma 1; where it does not, the law still holds."""
    rng = np.random.default_rng(0)
    mu = np.sqrt(0.7) * rng.standard_normal((100_000, 3))
    law = variance_law(mu, np.full(mu.shape, np.sqrt(0.3)))
    np.testing.assert_allclose(law, 1, atol=0.02)


def test_latents_with_wide_posteriors_are_inactive():
    sigma = np.array([[0.1, 0.9, 0.8], [0.3, 1.0, 0.8]])
    np.testing.assert_array_equal(inactive_latents(sigma), [False, True, False])


def test_sums_run_in_double_precision():
    """A mean of 255 over many float32 values would cost the variance its digits."""
    x = (255 + np.random.default_rng(0).standard_normal((100_000, 1))).astype(np.float32)
    exact = x.astype(np.float64)
    assert mean_std(x) == pytest.approx(exact.std(), rel=1e-12)
    assert mse(x, np.zeros_like(x)) == pytest.approx(np.mean(exact**2), rel=1e-12)
