"""With fewer images than features, factors replace covariances, and the distance is the same."""

import tracemalloc
import warnings
from dataclasses import replace

import numpy as np
import pytest

from balancing_vae.fid.covariance import Factor
from balancing_vae.fid.distance import frechet_distance
from balancing_vae.fid.networks.pixels import Pixels
from balancing_vae.fid.scoring import score
from balancing_vae.fid.statistics import Statistics

D = 60


def features(count, seed, repeated=0):
    """Rows far from zero, of which the first few come again."""
    rng = np.random.default_rng(seed)
    x = 3 + rng.normal(size=(count, D)) * rng.uniform(0.1, 3, size=D)
    return np.concatenate([x, x[:repeated]])


def exact(x, y):
    """The distance by singular values of X1 X2', from the features themselves."""
    roots = [(side - side.mean(axis=0)) / np.sqrt(len(side) - 1) for side in (x, y)]
    shift = x.mean(axis=0) - y.mean(axis=0)
    squares = sum(np.square(root).sum() for root in roots)
    return shift @ shift + squares - 2 * np.linalg.norm(roots[0] @ roots[1].T, "nuc")


def whole(statistics):
    return replace(statistics, covariance=statistics.sigma)


pytestmark = pytest.mark.filterwarnings("ignore:Only")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (features(20, 0), features(30, 1)),
        (features(30, 0), features(20, 1)),
        (features(20, 0), features(500, 1)),
        (features(500, 0), features(20, 1)),
        (features(20, 0, repeated=8), features(25, 1, repeated=25)),
        (features(20, 0, repeated=8), features(500, 1)),
        (features(2, 0), features(59, 1)),
        (features(61, 0), features(59, 1)),
    ],
)
def test_the_distance_is_that_of_whole_covariances(first, second):
    one, other = Statistics.from_features(first), Statistics.from_features(second)
    assert isinstance(one.covariance, Factor) is (len(first) < D)
    assert isinstance(other.covariance, Factor) is (len(second) < D)
    distance = frechet_distance(one, other)
    assert distance == pytest.approx(exact(first, second), rel=1e-9)
    assert distance == pytest.approx(frechet_distance(other, one), rel=1e-9)
    # The whole path loses digits where eigenvalues are zero, their roots being 1e-8.
    assert distance == pytest.approx(frechet_distance(whole(one), whole(other)), rel=1e-6)


@pytest.mark.parametrize("counts", [(20, 30), (59, 500), (500, 59)])
def test_the_distance_is_that_of_whole_covariances_to_nine_digits(counts):
    one, other = (Statistics.from_features(features(n, seed)) for seed, n in enumerate(counts))
    expected = frechet_distance(whole(one), whole(other))
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-9)


def test_identical_images_and_identical_sides():
    x = features(30, 0)
    one = Statistics.from_features(x)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-12 * np.trace(one.sigma))
    point = Statistics.from_features(np.repeat(x[:1], 5, axis=0))
    assert frechet_distance(point, point) == 0
    for count in (20, 100):
        other = Statistics.from_features(features(count, 1))
        shift = point.mu - other.mu
        expected = shift @ shift + np.trace(other.sigma)
        assert frechet_distance(point, other) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("batch", [1, 7, 25, 40])
@pytest.mark.parametrize("count", [40, 59, 60, 90])
@pytest.mark.parametrize("ddof", [0, 1])
def test_merged_batches_are_exact(batch, count, ddof):
    x = features(count, 0)
    merged = Statistics.from_features(x[:batch], ddof)
    for start in range(batch, count, batch):
        merged = merged.merge(Statistics.from_features(x[start : start + batch], ddof))
    assert merged.count == count
    np.testing.assert_allclose(merged.mu, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(merged.sigma, np.cov(x.T, ddof=ddof), rtol=1e-9, atol=1e-12)
    other = Statistics.from_features(features(25, 1), ddof)
    expected = frechet_distance(Statistics.from_features(x, ddof), other)
    assert frechet_distance(merged, other) == pytest.approx(expected, rel=1e-9)


def test_both_forms_of_the_file(tmp_path):
    statistics = replace(Statistics.from_features(features(20, 0)), protocol="ttur")
    statistics.save(tmp_path / "whole.npz")
    statistics.save(tmp_path / "factored.npz", factored=True)
    with np.load(tmp_path / "whole.npz") as archive:
        np.testing.assert_allclose(archive["sigma"], np.cov(features(20, 0).T), rtol=1e-9)
    factored = Statistics.load(tmp_path / "factored.npz")
    np.testing.assert_array_equal(factored.covariance.rows, statistics.covariance.rows)
    for loaded in (factored, Statistics.load(tmp_path / "whole.npz")):
        np.testing.assert_array_equal(loaded.mu, statistics.mu)
        np.testing.assert_array_equal(loaded.sigma, statistics.sigma)
        assert (loaded.count, loaded.ddof, loaded.protocol) == (20, 1, "ttur")


def test_pixels_of_64_images_take_megabytes():
    """5.8 GB, and five minutes, by whole covariances of 12,288 pixels."""
    rng = np.random.default_rng(0)
    sides = rng.integers(0, 256, (2, 64, 64, 64, 3), dtype="uint8")
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            result = score(*sides, Pixels(), "asperti2020")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100e6
    x, y = (side.reshape(64, -1) / np.float64(255) for side in sides)
    assert result.value == pytest.approx(exact(x, y), rel=1e-5)  # features are float32
