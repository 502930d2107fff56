"""The log density of each sampler, against closed forms and other programs."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from balancing_vae.samplers import Gaussian
from balancing_vae.samplers import Mixture
from balancing_vae.samplers import Prior
from balancing_vae.samplers.ode import SOLVERS
from balancing_vae.samplers.ode import integrate

rng = np.random.default_rng(0)
POINTS = 2 * rng.standard_normal((50, 3))


def test_of_the_prior_it_is_the_standard_normals():
    found = Prior(3).log_density(POINTS)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, multivariate_normal(np.zeros(3)).logpdf(POINTS))


def test_of_a_gaussian_it_is_scipys():
    fitted = Gaussian.fit(rng.multivariate_normal([1, 2, 3], np.diag([4, 1, 0.1]) + 0.05, 100))
    expected = multivariate_normal(fitted.mean, fitted.root @ fitted.root).logpdf(POINTS)
    np.testing.assert_allclose(fitted.log_density(POINTS), expected)


def test_of_a_mixture_it_is_the_sum_of_its_components():
    roots = np.stack([np.eye(3), 0.5 * np.eye(3), np.diag([1.0, 2.0, 3.0]), np.zeros((3, 3))])
    means = np.concatenate([3 * rng.standard_normal((3, 3)), np.zeros((1, 3))])
    # The last has no density, and no weight.
    fitted = Mixture(np.array([0.5, 0.2, 0.3, 0.0]), means, roots)
    expected = logsumexp(
        [
            multivariate_normal(mean, root @ root).logpdf(POINTS) + np.log(weight)
            for mean, root, weight in zip(means[:3], roots[:3], (0.5, 0.2, 0.3), strict=True)
        ],
        axis=0,
    )
    np.testing.assert_allclose(fitted.log_density(POINTS), expected)
    far = fitted.log_density(np.full((1, 3), 200.0))
    assert np.isfinite(far).all() and far < -1000


def test_a_constant_latent_has_no_density():
    latents = np.c_[rng.standard_normal((40, 2)), np.full(40, 0.7)]
    for sampler in (
        Gaussian.fit(latents),
        Mixture(np.ones(1), np.ones((1, 3)), np.zeros((1, 3, 3))),
    ):
        with pytest.raises(
            ValueError, match="no density, because the latents do not vary in every"
        ):
            sampler.log_density(POINTS)


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (POINTS[:, :2], r"shape \[N, 3\], got \(50, 2\)"),
        (POINTS[0], r"shape \[N, 3\], got \(3,\)"),
        (np.full((2, 3), np.nan), "NaN or infinite"),
    ],
)
@pytest.mark.parametrize("sampler", [Prior(3), Gaussian(np.zeros(3), np.eye(3))])
def test_latents_without_a_density_are_refused(sampler, z, message):
    with pytest.raises(ValueError, match=message):
        sampler.log_density(z)


# What the flow integrates with.


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("midpoint", 2), ("rk4", 4)])
def test_a_solver_has_its_order(solver, order):
    """Of y' = -2 t y, y(0) = 1, whose solution is exp(-t^2)."""
    assert set(SOLVERS) == {"euler", "midpoint", "rk4"}
    errors = [
        abs(integrate(lambda y, t: -2 * t * y, np.ones(1), 0.0, 1.0, solver, n)[0] - np.exp(-1))
        for n in (8, 16)
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)
    back = integrate(lambda y, t: -2 * t * y, np.array([np.exp(-1)]), 1.0, 0.0, solver, 400)
    assert back[0] == pytest.approx(1, abs=0.01)
