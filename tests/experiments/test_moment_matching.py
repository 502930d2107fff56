"""Rescaled latents have the requested moments."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from balancing_vae.experiments.moment_matching import PosteriorMoments
from balancing_vae.experiments.moment_matching import factor_a_latent
from balancing_vae.experiments.moment_matching import full_covariance
from balancing_vae.experiments.moment_matching import one_factor
from balancing_vae.moments import mean_std


def draws(seed: int, count: int = 200, latents: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, latents)) @ rng.standard_normal((latents, latents)) + 1


def moments(seed: int) -> PosteriorMoments:
    mu = draws(seed)
    return PosteriorMoments.measure(mu, np.random.default_rng(seed).random(mu.shape))


def test_moments_of_the_posterior_are_those_of_its_draws():
    rng = np.random.default_rng(0)
    mu, sigma = draws(0, 100_000), rng.random((100_000, 3))
    z = mu + sigma * rng.standard_normal(mu.shape)
    measured = PosteriorMoments.measure(mu, sigma)
    np.testing.assert_allclose(measured.mean, z.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(measured.covariance, np.cov(z, rowvar=False), atol=0.1)
    np.testing.assert_array_equal(measured.variance, np.diag(measured.covariance))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), other=st.integers(0, 99))
def test_each_way_gives_the_moments_that_it_promises(seed, other):
    z, wanted = draws(seed), moments(other)
    assert mean_std(one_factor(z, wanted)) == pytest.approx(np.sqrt(wanted.variance.mean()))
    each = factor_a_latent(z, wanted)
    np.testing.assert_allclose(each.mean(axis=0), wanted.mean, atol=1e-9)
    np.testing.assert_allclose(each.var(axis=0), wanted.variance, rtol=1e-6)
    # The ridge that guards against dividing by nothing adds a millionth of the mean variance:
    # at most 1e-6 times the condition number, of variances up to 20.
    if np.linalg.cond(np.cov(z, rowvar=False)) < 100:
        full = full_covariance(z, wanted)
        np.testing.assert_allclose(full.mean(axis=0), wanted.mean, atol=1e-6)
        covariance = np.cov(full, rowvar=False, bias=True)
        np.testing.assert_allclose(covariance, wanted.covariance, atol=2e-3)


def test_the_full_covariance_moves_latents_least():
    """Latents that have the wanted moments stay; independent ones are scaled, not turned."""
    z = draws(1)
    covariance = np.cov(z, rowvar=False, bias=True)
    own = PosteriorMoments(z.mean(axis=0), np.diag(covariance), covariance)
    np.testing.assert_allclose(full_covariance(z, own), z, atol=1e-3)
    white = np.random.default_rng(0).standard_normal((500, 2))
    white -= white.mean(axis=0)
    white = white @ np.linalg.inv(np.linalg.cholesky(np.cov(white.T, bias=True))).T
    wanted = PosteriorMoments(np.zeros(2), np.array([4.0, 9.0]), np.diag([4.0, 9.0]))
    np.testing.assert_allclose(full_covariance(white, wanted), white * [2, 3], atol=1e-5)


def test_a_latent_that_never_varies_does_not_break_it():
    z = draws(0)
    z[:, 1] = 0.5
    for rescale in (one_factor, factor_a_latent, full_covariance):
        assert np.isfinite(rescale(z, moments(1))).all()
