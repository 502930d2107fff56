"""KL and the variance law: closed forms against other ways to compute them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from balancing_vae.experiments.kl_minimum import draw_kl_at_fixed_ratio
from balancing_vae.experiments.kl_minimum import kl_at_fixed_ratio
from balancing_vae.experiments.kl_minimum import kl_from_prior
from balancing_vae.experiments.kl_minimum import mean_kl

positive = st.floats(0.05, 4)
means = st.floats(-4, 4)


@pytest.fixture
def posterior():
    rng = np.random.default_rng(0)
    return rng.normal(0.3, 1.5, (40, 3)), rng.uniform(0.1, 1.2, (40, 3))


@pytest.mark.parametrize(("mu", "sigma"), [(0, 1), (0.7, 0.3), (-2, 1.5)])
def test_kl_equals_its_integral(mu, sigma):
    own = norm(mu, sigma)
    value, _ = quad(lambda z: own.pdf(z) * (own.logpdf(z) - norm.logpdf(z)), -15, 15)
    assert kl_from_prior(mu, sigma) == pytest.approx(value, abs=1e-7)


@given(ratio=st.floats(-20, 20), factor=st.floats(0.1, 10))
def test_kl_at_a_fixed_ratio_has_its_minimum_on_the_unit_circle(ratio, factor):
    sigma = 1 / np.sqrt(1 + ratio**2)
    least = kl_from_prior(ratio * sigma, sigma)
    assert least == pytest.approx(np.log(1 + ratio**2) / 2, abs=1e-9)
    assert kl_from_prior(factor * ratio * sigma, factor * sigma) >= least - 1e-12


def test_each_ray_has_its_minimum_at_radius_1():
    curves = kl_at_fixed_ratio((0.0, 0.5, 7.0))
    np.testing.assert_allclose(curves["least_radius"], 1)
    np.testing.assert_allclose(curves["least_kl"], np.log(1 + curves["ratio"] ** 2) / 2)
    assert curves["kl"].shape == (3, len(curves["radius"]))
    draw_kl_at_fixed_ratio(curves)


def test_mean_kl_is_cross_entropy_minus_entropy(posterior):
    mu, sigma = posterior
    parts = mean_kl(mu, sigma)
    np.testing.assert_allclose(parts.kl, parts.cross_entropy - parts.entropy)
    np.testing.assert_allclose(parts.entropy, norm(mu, sigma).entropy().mean(axis=0))
    z = np.linspace(-15, 15, 6001)
    mixture = norm(mu[:, 0], sigma[:, 0]).pdf(z[:, None]).mean(axis=1)
    value = -np.trapezoid(mixture * norm.logpdf(z), z)
    assert parts.cross_entropy[0] == pytest.approx(value, abs=1e-6)


def test_mean_0_and_variance_1_minimise_kl_by_the_given_amount(posterior):
    mu, sigma = posterior
    parts = mean_kl(mu, sigma)
    centered = mu - mu.mean(axis=0)
    np.testing.assert_allclose(mean_kl(centered, sigma).kl, parts.kl - parts.shift)
    root = np.sqrt(mu.var(axis=0) + np.mean(sigma**2, axis=0))
    best = mean_kl(centered / root, sigma / root)
    np.testing.assert_allclose(best.kl, parts.kl - parts.shift - parts.scale)
    np.testing.assert_allclose([best.shift, best.scale], 0, atol=1e-15)
    for shift, scale in ((0.1, 1), (-0.1, 1), (0, 1.1), (0, 0.9)):
        other = mean_kl((centered / root + shift) * scale, sigma / root * scale)
        assert np.all(other.kl > best.kl)
