"""Damaged statistics and metrics.json give a clear error, or the content before the damage."""

import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from balancing_vae.errors import BalancingVAEError
from balancing_vae.evaluation.comparison import compare
from balancing_vae.evaluation.effects import normalization_effects
from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.evaluation.metrics_file import read_metrics
from balancing_vae.evaluation.metrics_file import write_metrics
from balancing_vae.fid.statistics import Statistics
from balancing_vae.normalization import MODES
from tests.helpers.damage import damage

fuzzing = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
D = 6

ROW_1 = {
    "dataset": "cifar10",
    "data": "data/cifar10",
    "data_sha256": "ab" * 32,
    "normalization": "reference",
    "command": "balancing-vae evaluate runs/a",
    "versions": {"keras": "3.15.1"},
    "column": "GEN-2",
    "normalized": True,
    "seed": 0,
    "distance": "FD(pixels)",
    "protocol": "ttur",
    "features": "pixels",
    "features_sha256": None,
    "real_count": 100,
    "generated_count": 100,
    "value": 12.5,
}
ROW = Measurement(
    **{name: value for name, value in ROW_1.items() if name not in ("normalized", "distance")},
    metric="fid",
).to_dict()
ANYTHING = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 3),
        st.integers(),
        st.floats(),
        st.text(max_size=3),
        st.sampled_from(["paper", "evil", 10**400, -0.0]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@pytest.fixture(scope="module", params=["whole", "factor"])
def statistics(request):
    count = 50 if request.param == "whole" else 4
    found = Statistics.from_features(np.random.default_rng(0).normal(size=(count, D)))
    about = {"protocol": "ttur", "features": "pixels", "features_sha256": "ab" * 32}
    return Statistics(found.mu, found.covariance, found.count, **about)


@fuzzing
@given(data=st.data())
def test_damaged_statistics_are_read_whole_or_refused(tmp_path, statistics, data):
    path = tmp_path / "s.npz"
    statistics.save(path, factored=True)
    path.write_bytes(damage(path.read_bytes(), data))
    try:
        found = Statistics.load(path)
    except BalancingVAEError as error:
        assert "s.npz" in str(error)
        return
    for name in ("mu", "sigma", "count", "ddof", "protocol", "features", "features_sha256"):
        np.testing.assert_array_equal(getattr(found, name), getattr(statistics, name))


@fuzzing
@given(
    changes=st.dictionaries(
        st.sampled_from(["mu", "sigma", "factor", "count", "ddof", "protocol", "features"]),
        st.one_of(
            st.integers(-2, 3),
            st.floats(),
            st.text(max_size=3),
            st.lists(st.floats(), min_size=D, max_size=D),
            st.sampled_from(
                [
                    np.zeros((D, D)),
                    -np.eye(D),
                    np.eye(D) * 1j,
                    np.eye(D, D - 1),
                    np.zeros(D, "datetime64[s]"),
                    np.zeros((0, D)),
                    np.zeros((D, D), bool),
                    np.eye(D)[::-1],
                    np.full((D, D), np.finfo("float64").max),
                ]
            ),
        ),
        min_size=1,
        max_size=3,
    )
)
@pytest.mark.filterwarnings("error")
def test_odd_statistics_are_sound_or_refused(tmp_path, changes):
    fields = {"mu": np.zeros(D), "sigma": np.eye(D), "count": 50, "ddof": 1} | changes
    if "factor" in changes and "sigma" not in changes:
        del fields["sigma"]
    np.savez(tmp_path / "s.npz", **fields)
    try:
        found = Statistics.load(tmp_path / "s.npz")
    except BalancingVAEError as error:
        assert "s.npz" in str(error)
        return
    assert found.mu.shape == (D,) and found.sigma.shape == (D, D)
    assert found.mu.dtype == found.sigma.dtype == np.float64
    assert np.isfinite(found.mu).all() and np.isfinite(found.sigma).all()
    np.testing.assert_allclose(found.sigma, found.sigma.T, atol=1e-6 * np.abs(found.sigma).max())
    eigenvalues = np.linalg.eigvalsh(found.sigma)
    assert eigenvalues[0] >= -1.1e-6 * eigenvalues[-1]
    assert isinstance(found.count, int) and found.count >= 1
    assert isinstance(found.ddof, int) and found.ddof >= 0


def assert_sound(rows):
    for row in rows:
        assert math.isfinite(row.value)
        assert row.seed is None or row.seed >= 0
        assert row.normalization in (None, *MODES)
        assert row.real_count >= 1 and row.generated_count >= 1
        assert all(isinstance(text, str) for text in (row.dataset, row.column, row.name))
    normalization_effects(rows)


@fuzzing
@given(data=st.data())
def test_damaged_metrics_are_sound_or_refused(tmp_path, data):
    rows = [
        Measurement(**(ROW | {"seed": seed, "normalization": mode}))
        for seed in (0, 1)
        for mode in (None, "paper")
    ]
    (tmp_path / "metrics.json").unlink(missing_ok=True)
    path = write_metrics(tmp_path, rows)
    path.write_bytes(damage(path.read_bytes(), data))
    try:
        found = read_metrics(tmp_path)
    except BalancingVAEError as error:
        assert "metrics.json" in str(error)
        return
    assert len(found) == len(rows)
    for row in found:
        assert math.isfinite(row.value) and row.name
    normalization_effects(found)
    str(compare([tmp_path]))


@pytest.mark.parametrize("version", [1, 2, 3, 4])
@fuzzing
@given(
    changes=st.dictionaries(
        st.sampled_from([*(ROW_1 | ROW), "other"]), ANYTHING, min_size=1, max_size=3
    )
)
def test_odd_metrics_are_sound_or_refused(tmp_path, version, changes):
    row = ROW_1 if version == 1 else ROW
    rows = [row, row | changes]
    contents = {"format_version": version, "measurements": rows}
    if version == 4:
        contents |= {"shared": rows, "measurements": [{"shared": 0}, {"shared": 1}]}
    (tmp_path / "metrics.json").write_text(json.dumps(contents))
    try:
        found = read_metrics(tmp_path)
    except BalancingVAEError as error:
        assert "metrics.json" in str(error)
        return
    if version > 1:
        assert found == [Measurement(**row), Measurement(**(row | changes))]
    else:
        assert found[-1].value == (row | changes)["value"]
    assert_sound([one for one in found if one.dataset is not None])


@fuzzing
@given(contents=ANYTHING | st.fixed_dictionaries({"format_version": ANYTHING, "rows": ANYTHING}))
def test_any_json_is_sound_or_refused(tmp_path, contents):
    (tmp_path / "metrics.json").write_text(json.dumps(contents))
    with pytest.raises(BalancingVAEError, match="metrics.json is damaged"):
        read_metrics(tmp_path)
