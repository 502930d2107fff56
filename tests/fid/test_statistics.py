"""Streamed and merged statistics equal those of all features at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from balancing_vae.errors import InputError
from balancing_vae.fid.statistics import Statistics


def features(count, dimension=5, seed=0):
    """Far from zero, where a sum of squares minus a squared sum would lose digits."""
    return 1e4 + np.random.default_rng(seed).normal(size=(count, dimension))


def assert_same(ours, expected):
    assert ours.count == len(expected)
    np.testing.assert_allclose(ours.mu, expected.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(ours.sigma, np.cov(expected, rowvar=False), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("batch_size", [1, 7, 1024, 5000])
def test_streaming_equals_all_at_once(batch_size):
    x = features(3000)
    batches = (x[i : i + batch_size] for i in range(0, len(x), batch_size))
    assert_same(Statistics.from_batches(batches), x)


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6).filter(lambda sizes: sum(sizes) > 1))
def test_merging_equals_all_at_once(sizes):
    parts = [features(size, seed=seed) for seed, size in enumerate(sizes)]
    merged = Statistics.from_features(parts[0])
    for part in parts[1:]:
        merged = merged.merge(Statistics.from_features(part))
    assert_same(merged, np.concatenate(parts))


def test_float32_features_are_summed_in_float64():
    x = features(2000).astype("float32")
    ours = Statistics.from_features(x)
    assert ours.mu.dtype == ours.sigma.dtype == np.float64
    np.testing.assert_allclose(ours.sigma, np.cov(x.astype("float64"), rowvar=False), rtol=1e-9)


def test_population_covariance():
    x = features(30)
    halves = [Statistics.from_features(half, ddof=0) for half in (x[:1], x[1:])]
    expected = np.cov(x, rowvar=False, ddof=0)
    np.testing.assert_allclose(halves[0].merge(halves[1]).sigma, expected, rtol=1e-9)
    with pytest.raises(ValueError, match="over n - 0 and n - 1"):
        halves[0].merge(Statistics.from_features(x))


def test_nan_features_name_the_image():
    x = features(30)
    x[17, 3] = np.nan
    with pytest.raises(ValueError, match="features of image 17 hold NaN"):
        Statistics.from_batches([x[:10], x[10:20], x[20:]])


def test_no_features():
    with pytest.raises(ValueError, match="no features"):
        Statistics.from_batches([])
    with pytest.raises(ValueError, match=r"expected \[n, d\]"):
        Statistics.from_features(np.zeros(3))


def test_save_and_load(tmp_path):
    statistics = Statistics(
        np.arange(2.0), np.eye(2), 10, protocol="ttur", features="inception", features_sha256="ab"
    )
    statistics.save(tmp_path / "s.npz")
    with np.load(tmp_path / "s.npz") as archive:
        np.testing.assert_array_equal(archive["mu"], statistics.mu)
        np.testing.assert_array_equal(archive["sigma"], statistics.sigma)
    loaded = Statistics.load(tmp_path / "s.npz")
    for name, value in vars(statistics).items():
        np.testing.assert_array_equal(getattr(loaded, name), value)


def test_load_what_another_tool_wrote(tmp_path):
    np.savez_compressed(tmp_path / "s.npz", mu=np.zeros(2, "float32"), sigma=np.eye(2))
    loaded = Statistics.load(tmp_path / "s.npz")
    assert loaded.mu.dtype == np.float64
    assert loaded.count is loaded.protocol is loaded.features is loaded.features_sha256 is None
    with pytest.raises(ValueError, match="without a count"):
        loaded.merge(loaded)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"arr_0": np.zeros(3)}, "holds arr_0; expected mu"),
        ({"mu": np.zeros(3), "sigma": np.eye(2)}, "shape"),
        ({"mu": np.zeros(2), "sigma": np.full((2, 2), np.nan)}, "NaN"),
    ],
)
def test_load_refuses(tmp_path, arrays, message):
    np.savez(tmp_path / "s.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        Statistics.load(tmp_path / "s.npz")


def test_load_refuses_broken_absent_and_pickled_files(tmp_path):
    path = tmp_path / "s.npz"
    with pytest.raises(FileNotFoundError, match="There is no file"):
        Statistics.load(path)
    path.write_bytes(b"PK\x03\x04 half an archive")
    with pytest.raises(ValueError, match="s.npz is not a complete .npz file"):
        Statistics.load(path)
    np.savez(path, mu=np.array([{}], dtype=object), sigma=np.eye(1))
    with pytest.raises(ValueError, match="s.npz is damaged"):
        Statistics.load(path)


@pytest.mark.parametrize("attribute", ["protocol", "features", "features_sha256"])
def test_two_protocols_or_features_are_refused(attribute):
    one, other = (
        Statistics(np.zeros(2), np.eye(2), 10, **{attribute: name}) for name in ("ttur", "clean")
    )
    with pytest.raises(ValueError, match="ttur and clean; a distance between them means nothing"):
        one.merge(other)


def test_two_dimensions_are_refused():
    with pytest.raises(ValueError, match="have 2 and 3 features"):
        Statistics(np.zeros(2), np.eye(2), 9).merge(Statistics(np.zeros(3), np.eye(3), 9))


def covariance(d=6):
    return np.cov(np.random.default_rng(0).normal(size=(40, d)), rowvar=False)


def one_negative_variance():
    sigma = np.diag(np.arange(1.0, 7.0))
    sigma[2, 2] = -3
    return sigma


def without_symmetry():
    sigma = covariance()
    sigma[0, 1] += 0.1
    return sigma


def one_sign_flipped():
    """Symmetric, its variances positive, and yet not the covariance of anything."""
    sigma = np.array([[1, 0.9, 0.9], [0.9, 1, 0.9], [0.9, 0.9, 1]])
    sigma[0, 1] = sigma[1, 0] = -0.9
    return np.kron(sigma, np.eye(2))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sigma": -covariance()}, "sigma in .*s.npz has a negative variance"),
        ({"sigma": one_negative_variance()}, "negative variance, -3, so it is not a covariance"),
        ({"sigma": without_symmetry()}, "is not symmetric"),
        ({"sigma": one_sign_flipped()}, "has a negative eigenvalue"),
        ({"sigma": np.zeros((6, 6)) + np.eye(6)[::-1]}, "has a negative eigenvalue"),
        ({"mu": np.zeros(6, "datetime64[D]")}, "mu of shape .* expected real numbers"),
        ({"mu": np.zeros(6, complex)}, "mu of shape .* dtype complex128; expected real numbers"),
        ({"sigma": covariance().astype(complex)}, "sigma of shape .* expected real numbers"),
        ({"mu": np.zeros(6, bool)}, "expected real numbers"),
        ({"mu": np.zeros(0), "sigma": np.zeros((0, 0))}, "expected real numbers"),
        ({"count": 2.5}, "holds count of shape .*, 2.5; expected a whole number, at least 1"),
        ({"count": 0}, "expected a whole number, at least 1"),
        ({"count": [40]}, "expected a whole number, at least 1"),
        ({"ddof": -1}, "expected a whole number, at least 0"),
        ({"protocol": 3}, "holds protocol of .* expected a name"),
        ({"features": ["inception"]}, "holds features of .* expected a name"),
        ({"factor": np.eye(6)}, "expected mu .d. and sigma"),
        ({"sigma": None, "factor": np.zeros((3, 5))}, "factor of shape .3, 5."),
        ({"sigma": None, "factor": np.full((3, 6), np.inf)}, "holds NaN or infinity"),
    ],
)
def test_load_refuses_what_is_not_a_covariance(tmp_path, changes, message):
    fields = {"mu": np.zeros(6), "sigma": covariance(), "count": 40, "ddof": 1} | changes
    fields = {name: value for name, value in fields.items() if value is not None}
    np.savez(tmp_path / "s.npz", **fields)
    with pytest.raises(InputError, match=message):
        Statistics.load(tmp_path / "s.npz")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("count", [2, 100, 400])
def test_load_takes_covariances_as_they_are_rounded(tmp_path, dtype, count):
    x = np.random.default_rng(0).gamma(0.5, size=(count, 200)).astype(dtype)
    np.savez(tmp_path / "s.npz", mu=x.mean(axis=0), sigma=np.cov(x, rowvar=False, dtype=dtype))
    assert Statistics.load(tmp_path / "s.npz").sigma.shape == (200, 200)
    np.savez(tmp_path / "s.npz", mu=np.zeros(3), sigma=np.zeros((3, 3)))
    assert not Statistics.load(tmp_path / "s.npz").sigma.any()
