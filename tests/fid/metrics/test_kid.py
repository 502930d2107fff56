"""The kernel distance: its formula, its deviation and its subsets."""

import itertools

import numpy as np
import pytest

from balancing_vae.fid.metrics import METRICS
from balancing_vae.fid.metrics.kid import kernel_distance
from balancing_vae.fid.neighbors import Features


def normal(count, size=16, seed=0, shift=0.0):
    return Features(shift + np.random.default_rng(seed).normal(size=(count, size)))


def by_hand(x, y):
    """The unbiased estimate, pair by pair (Gretton et al. 2012, lemma 6)."""

    def kernel(a, b):
        return (sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    def within(rows):
        pairs = itertools.permutations(rows, 2)
        return sum(kernel(a, b) for a, b in pairs) / (len(rows) * (len(rows) - 1))

    across = sum(kernel(a, b) for a, b in itertools.product(x, y)) / (len(x) * len(y))
    return within(x) + within(y) - 2 * across


def test_formula():
    x, y = normal(12), normal(12, seed=1, shift=0.5)
    value, deviation = METRICS["kid"](x, y)
    assert value == pytest.approx(by_hand(x.rows, y.rows), rel=1e-9)
    assert deviation is None  # one subset, the whole


@pytest.mark.slow
def test_a_public_implementation_gives_the_same():
    # Lightning brings it, whose own computation is torch-fidelity's.
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("torchmetrics.image.kid")
    x, y = normal(200), normal(200, seed=1, shift=0.5)
    expected = theirs.poly_mmd(*(torch.from_numpy(side.rows) for side in (x, y)))
    assert kernel_distance(x, y).value == pytest.approx(float(expected), rel=1e-9)


def test_equal_distributions_are_within_the_deviation_of_zero():
    values = [
        kernel_distance(normal(200, seed=2 * i), normal(200, seed=2 * i + 1)).value
        for i in range(20)
    ]
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(20)


def test_shifted_distribution():
    # From mean, variance and third central moment of x'y / d, all Gaussian of variance 1.
    d, m = 64, 0.5

    def mean_kernel(a, b):  # of means a and b, all features alike
        mean = a * b
        variance = (a * a + b * b + 1) / d
        third = 6 * a * b / d**2
        return (1 + mean) ** 3 + 3 * (1 + mean) * variance + third

    expected = mean_kernel(0, 0) + mean_kernel(m, m) - 2 * mean_kernel(0, m)
    sides = normal(3000, d), normal(3000, d, seed=1, shift=m)
    assert kernel_distance(*sides, subsets=10).value == pytest.approx(expected, rel=0.05)


def test_mean_and_deviation_are_over_random_subsets():
    x, y = normal(60), normal(50, seed=1, shift=0.2)
    options = dict(subsets=7, subset_size=20, seed=3)
    rng = np.random.default_rng(3)
    values = [
        by_hand(*(side.rows[rng.choice(len(side), 20, replace=False)] for side in (x, y)))
        for _ in range(7)
    ]
    found = kernel_distance(x, y, **options)
    assert found == pytest.approx((np.mean(values), np.std(values, ddof=1)), rel=1e-8)
    assert kernel_distance(x, y, **options) == found
    assert kernel_distance(x, y, **options | {"seed": 4}) != found


def test_subsets_of_fewer_images():
    x, y = normal(30), normal(20, seed=1)
    for sides in ((x, y), (y, x)):
        found = kernel_distance(*sides)
        assert found == kernel_distance(*sides, subset_size=20)
        assert found.deviation > 0  # subsets of the larger side differ
    with pytest.raises(ValueError, match="at least two images .* got 1 real and 20 generated"):
        METRICS["kid"](normal(1), y)
