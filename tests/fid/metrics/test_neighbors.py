"""Precision, recall, density and coverage: closed forms, prdc, blocks, refusals."""

import tracemalloc

import numpy as np
import prdc
import pytest

from balancing_vae.fid import neighbors
from balancing_vae.fid.metrics import METRICS
from balancing_vae.fid.neighbors import Features

NAMES = ("precision", "recall", "density", "coverage")


def normal(count, size=8, seed=0, shift=0.0, spread=1.0):
    rng = np.random.default_rng(seed)
    return (shift + spread * rng.normal(size=(count, size))).astype("float32")


def measured(real, generated, names=NAMES):
    real, generated = Features(real), Features(generated)
    return {name: METRICS[name](real, generated).value for name in names}


def test_equal_sets():
    x = normal(200)
    assert measured(x, x, ("precision", "recall", "coverage")) == dict(
        precision=1, recall=1, coverage=1
    )
    # Each lies in its own ball, and in those of the others whose neighbour it is: 1 + k of k.
    assert measured(x, x, ["density"])["density"] == pytest.approx(6 / 5)


def test_copies_lie_in_balls_of_radius_zero():
    # Far from the origin |x|^2 + |y|^2 - 2 x'y would leave rounding in place of zero.
    x = np.repeat(np.random.default_rng(0).normal(100, 1, (3, 300)), 50, axis=0)
    assert not Features(x).squared_radii.any()
    assert measured(x, x) == dict(precision=1, recall=1, density=10, coverage=1)
    assert measured(x, x + 1) == dict(precision=0, recall=0, density=0, coverage=0)


def test_distant_sets_have_no_overlap():
    assert set(measured(normal(50), normal(60, seed=1, shift=100)).values()) == {0}


def test_one_distribution():
    values = measured(normal(1500, 2), normal(1500, 2, seed=1))
    assert values["density"] == pytest.approx(1, abs=0.05)
    assert values["coverage"] == pytest.approx(1 - 2**-5, abs=0.015)  # Naeem et al. 2020


def test_too_little_variety_lowers_only_recall_and_coverage():
    values = measured(normal(500), normal(500, seed=1, spread=0.3))
    assert values["precision"] > 0.95 > 0.3 > values["recall"]
    assert values["density"] > 1.5 > 0.7 > values["coverage"]
    values = measured(normal(500), normal(500, seed=1, spread=3))
    assert values["precision"] < 0.3 < 0.95 < values["recall"]


@pytest.mark.parametrize(("count", "generated"), [(300, 300), (170, 240), (240, 130)])
@pytest.mark.parametrize("size", [2, 64])
def test_prdc_finds_the_same(count, generated, size, monkeypatch):
    monkeypatch.setattr(neighbors, "BLOCK", 70)  # neither side is a whole number of blocks
    real, fake = normal(count, size), normal(generated, size, seed=1, shift=0.3, spread=0.9)
    ours = measured(real, fake)
    for k, names in ((3, NAMES[:2]), (5, NAMES[2:])):
        theirs = prdc.compute_prdc(real, fake, nearest_k=k)
        for name in names:
            assert ours[name] == pytest.approx(theirs[name], abs=1e-12)


def test_distances_to_the_nearest_others(monkeypatch):
    x = normal(45, 3)
    every = np.square(x[:, None].astype(float) - x).sum(axis=-1)
    expected = np.sort(every, axis=1)[:, 1:6]
    for block in (10, 45, 100):
        monkeypatch.setattr(neighbors, "BLOCK", block)
        np.testing.assert_allclose(Features(x).squared_radii, expected, rtol=1e-9)
    np.testing.assert_allclose(Features(x[:3]).squared_radii[:, 2:], np.inf)


def test_memory_does_not_grow_with_the_number_of_pairs(monkeypatch):
    monkeypatch.setattr(neighbors, "BLOCK", 50)
    x, y = normal(1000), normal(1000, seed=1)
    measured(x[:100], y[:100])
    tracemalloc.start()
    measured(x, y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.1 * 8 * len(x) * len(y)


def test_distances_are_computed_once_for_all_metrics(monkeypatch):
    made = []
    distances = neighbors.squared_distances
    monkeypatch.setattr(
        neighbors, "squared_distances", lambda x, y: made.append(1) or distances(x, y)
    )
    real = Features(normal(20))
    for seed in (1, 2):
        generated = Features(normal(20, seed=seed))
        for name in NAMES:
            METRICS[name](real, generated)
    assert len(made) == 1 + 2 * 2  # the real side's own, then each generated side's and a cross


@pytest.mark.parametrize(
    ("name", "side", "least"),
    [
        ("precision", "real", 4),
        ("recall", "generated", 4),
        ("density", "real", 6),
        ("coverage", "real", 6),
    ],
)
def test_too_few_images(name, side, least):
    few, many = normal(least - 1), normal(50, seed=1)
    sides = (few, many) if side == "real" else (many, few)
    message = f"{name} looks .* {side} image's .* at least {least} of them, got {least - 1}"
    with pytest.raises(ValueError, match=message):
        measured(*sides, [name])
    one = normal(1, seed=2)
    sides = (normal(least), one) if side == "real" else (one, normal(least))
    assert measured(*sides, [name])[name] >= 0


@pytest.mark.parametrize("name", [*NAMES, "kid"])
@pytest.mark.parametrize(
    ("generated", "message"),
    [
        (normal(50, 9), "have 8 features and the generated ones 9"),
        (normal(50)[:0], "50 real and 0 generated images|at least 4 of them, got 0"),
        (np.full((50, 8), np.nan), "features of image 0 hold NaN"),
        (normal(50)[0], r"shape \(8,\) were given"),
    ],
)
def test_features_that_do_not_fit(name, generated, message):
    with pytest.raises(ValueError, match=message):
        measured(normal(50), generated, [name])
