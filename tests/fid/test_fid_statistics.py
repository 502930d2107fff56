"""Streaming and merged statistics equal those of all features at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

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
    with pytest.raises(ValueError, match="cannot be read as .npz"):
        Statistics.load(path)
    np.savez(path, mu=np.array([{}], dtype=object), sigma=np.eye(1))
    with pytest.raises(ValueError, match="cannot be read as .npz"):
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
