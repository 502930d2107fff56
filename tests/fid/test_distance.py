"""The Fréchet distance: closed forms, and the formulas of other tools."""

import numpy as np
import pytest
import scipy.linalg

from balancing_vae.errors import InputError
from balancing_vae.fid.distance import check_count
from balancing_vae.fid.distance import frechet_distance
from balancing_vae.fid.distance import trace_sqrt_product
from balancing_vae.fid.statistics import Statistics

RNG = np.random.default_rng(0)


def gaussian(mu, sigma):
    return Statistics(np.asarray(mu, "float64"), np.asarray(sigma, "float64"), count=None)


def random_statistics(count, dimension, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, dimension)) @ rng.normal(size=(dimension, dimension)) + shift
    return gaussian(x.mean(axis=0), np.cov(x, rowvar=False))


def test_unit_shift_in_2048_dimensions_is_2048():
    d = 2048
    zero, one = gaussian(np.zeros(d), np.eye(d)), gaussian(np.ones(d), np.eye(d))
    assert frechet_distance(zero, one) == pytest.approx(2048, rel=1e-12)


def test_scaled_covariances():
    """N(0, a^2 I) and N(0, b^2 I): d (a - b)^2."""
    d = 50
    one, other = gaussian(np.zeros(d), 4 * np.eye(d)), gaussian(np.zeros(d), 25 * np.eye(d))
    assert frechet_distance(one, other) == pytest.approx(d * 9, rel=1e-12)


def test_commuting_covariances():
    """With common eigenvectors: the sum of (sqrt(a_i) - sqrt(b_i))^2."""
    q, _ = np.linalg.qr(RNG.normal(size=(30, 30)))
    a, b = RNG.uniform(0.1, 4, 30), RNG.uniform(0.1, 4, 30)
    distance = frechet_distance(
        gaussian(np.zeros(30), q * a @ q.T), gaussian(np.zeros(30), q * b @ q.T)
    )
    assert distance == pytest.approx(((np.sqrt(a) - np.sqrt(b)) ** 2).sum(), rel=1e-10)


def test_symmetric_and_zero_of_itself():
    one, other = random_statistics(300, 40), random_statistics(300, 40, shift=0.5, seed=1)
    assert frechet_distance(one, other) == pytest.approx(frechet_distance(other, one), rel=1e-10)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9 * np.trace(one.sigma))


def pytorch_fid(first, second, eps=1e-6):
    """The formula of `calculate_frechet_distance` in pytorch-fid, and so of clean-fid."""
    diff = first.mu - second.mu
    covmean = scipy.linalg.sqrtm(first.sigma.dot(second.sigma))
    if not np.isfinite(covmean).all():
        offset = np.eye(len(diff)) * eps
        covmean = scipy.linalg.sqrtm((first.sigma + offset).dot(second.sigma + offset))
    covmean = covmean.real
    return diff @ diff + np.trace(first.sigma) + np.trace(second.sigma) - 2 * np.trace(covmean)


@pytest.mark.parametrize("dimension", [1, 2, 20, 200])
def test_equals_pytorch_fid_and_clean_fid(dimension):
    one = random_statistics(1000, max(dimension, 2), shift=0.3)
    other = random_statistics(1200, max(dimension, 2), seed=1)
    if dimension == 1:
        one, other = (gaussian(s.mu[:1], s.sigma[:1, :1]) for s in (one, other))
    assert frechet_distance(one, other) == pytest.approx(pytorch_fid(one, other), rel=1e-6)


@pytest.mark.parametrize(("few", "more"), [(20, 30), (2, 400), (60, 2)])
def test_covariances_without_full_rank(few, more):
    """Against the nuclear norm of X1 X2', which needs no root of a singular matrix."""
    x, y = RNG.normal(size=(few, 64)), RNG.normal(size=(more, 64)) * 2
    root_x = (x - x.mean(axis=0)) / np.sqrt(few - 1)
    root_y = (y - y.mean(axis=0)) / np.sqrt(more - 1)
    expected = np.linalg.norm(root_x @ root_y.T, "nuc")
    ours = trace_sqrt_product(np.cov(x, rowvar=False), np.cov(y, rowvar=False))
    assert ours == pytest.approx(expected, rel=1e-7)


def test_covariances_of_zero():
    zero, one = gaussian(np.zeros(4), np.zeros((4, 4))), gaussian(np.zeros(4), np.eye(4))
    assert frechet_distance(zero, one) == pytest.approx(4)
    assert frechet_distance(one, zero) == pytest.approx(4)
    assert frechet_distance(zero, zero) == 0


def test_arguments_are_not_changed():
    one, other = random_statistics(100, 20), random_statistics(100, 20, seed=1)
    before = one.sigma.copy(), other.sigma.copy()
    frechet_distance(one, other)
    np.testing.assert_array_equal(one.sigma, before[0])
    np.testing.assert_array_equal(other.sigma, before[1])


def test_few_images_cause_a_warning_with_the_reason():
    with pytest.warns(UserWarning, match="Only 2,047 images.*biased upwards.*rank 2,046"):
        check_count(2047, features=2048)
    with pytest.warns(UserWarning, match="Only 2,047 images.*biased upwards"):
        check_count(2047, features=64)
    check_count(2048, features=2048)
    check_count(None, features=2048)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_are_refused(count):
    with pytest.raises(ValueError, match="give at least two"):
        check_count(count, features=64)


def test_two_protocols_are_refused():
    one = Statistics(np.zeros(2), np.eye(2), 5000, protocol="ttur")
    other = Statistics(np.zeros(2), np.eye(2), 5000, protocol="clean")
    with pytest.raises(ValueError, match="two protocols"):
        frechet_distance(one, other)


def test_a_distance_below_zero_is_an_error_not_zero():
    wrong = gaussian(np.zeros(3), np.diag([-9.0, 1.0, 1.0]))
    with pytest.raises(InputError, match="a squared distance is not negative"):
        frechet_distance(wrong, gaussian(np.zeros(3), np.diag([4.0, 1.0, 1.0])))
