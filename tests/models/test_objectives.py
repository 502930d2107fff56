"""The terms of the loss, in closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from keras import ops
from scipy.stats import norm

from balancing_vae.models.objectives import HALF_LOG_TWO_PI
from balancing_vae.models.objectives import gaussian_nll
from balancing_vae.models.objectives import kl_divergence
from balancing_vae.models.objectives import mean_squared_error
from tests.helpers.backends import numbers

numbers_to_4 = st.floats(-4, 4, width=32)
gammas = st.floats(0.05, 2)
fast = settings(max_examples=50, deadline=None)


@fast
@given(mu=st.lists(numbers_to_4, min_size=3, max_size=3), log_sigma=numbers_to_4)
def test_kl_is_never_negative(mu, log_sigma):
    kl = numbers(kl_divergence(np.array([mu], "float32"), np.full((1, 3), log_sigma, "float32")))
    assert kl.shape == (1,)
    assert kl[0] >= -1e-5


def test_kl_vanishes_at_the_prior_only():
    zeros = np.zeros((2, 3), "float32")
    np.testing.assert_array_equal(numbers(kl_divergence(zeros, zeros)), [0.0, 0.0])
    assert numbers(kl_divergence(zeros + 0.1, zeros)).min() > 0
    assert numbers(kl_divergence(zeros, zeros - 0.1)).min() > 0


def test_kl_in_closed_form():
    """KL(N(1, 4) || N(0, 1)) = (1 + 4 - 2 log 2 - 1) / 2, for each of two latents."""
    mu, log_sigma = np.ones((1, 2), "float32"), np.full((1, 2), np.log(2), "float32")
    kl = numbers(kl_divergence(mu, log_sigma))
    np.testing.assert_allclose(kl, [4 - 2 * np.log(2)], rtol=1e-6)


def test_second_head_is_log_sigma_not_log_variance():
    zeros, ones = np.zeros((1, 1), "float32"), np.ones((1, 1), "float32")
    as_sigma = (np.e**2 - 2 - 1) / 2
    as_variance = (np.e - 1 - 1) / 2
    found = numbers(kl_divergence(zeros, ones))[0]
    assert found == pytest.approx(as_sigma, rel=1e-6)
    assert found != pytest.approx(as_variance, rel=0.5)


@fast
@given(gamma=gammas, seed=st.integers(0, 99))
def test_gaussian_nll_is_that_of_scipy_up_to_the_digits_of_the_constant(gamma, seed):
    x, x_hat = np.random.default_rng(seed).random((2, 3, 2, 2, 1), dtype=np.float32)
    found = numbers(gaussian_nll(x, x_hat, gamma))
    exact = -norm.logpdf(x, x_hat, gamma).sum(axis=(1, 2, 3))
    digits_missing = 4 * abs(HALF_LOG_TWO_PI - np.log(2 * np.pi) / 2)
    assert digits_missing < 4e-5
    np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-4)


def test_worked_examples_of_the_docstrings():
    zeros, ones = ops.zeros((1, 2)), ops.ones((1, 2))
    np.testing.assert_allclose(numbers(kl_divergence(zeros, zeros)), [0.0])
    np.testing.assert_allclose(numbers(gaussian_nll(zeros, ones, 1.0)), [2.83786], rtol=1e-6)
    assert float(mean_squared_error(ops.zeros((4, 2)), ops.ones((4, 2)))) == 1.0


def test_density_above_one_gives_a_negative_term():
    x = ops.zeros((1, 1))
    assert numbers(gaussian_nll(x, x, 0.24))[0] < 0 < numbers(gaussian_nll(x, x, 0.5))[0]
