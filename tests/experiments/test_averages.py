"""Averages over permutations: mse against variance loss, for two permutations and for more."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancing_vae.experiments.averages import KINDS
from balancing_vae.experiments.averages import compare_averages
from balancing_vae.experiments.averages import distances_from_average
from balancing_vae.experiments.averages import draw_averages
from balancing_vae.experiments.averages import measure_averages
from balancing_vae.experiments.averages import permutations
from balancing_vae.moments import mse
from balancing_vae.moments import variance_loss

X = np.random.default_rng(0).standard_normal((30, 2, 3)) + np.arange(3)


@given(kind=st.sampled_from(sorted(KINDS)), count=st.integers(2, 9), seed=st.integers(0, 99))
def test_the_mean_distance_is_the_variance_loss_and_the_first_distance_is_the_mse(
    kind, count, seed
):
    permuted = permutations(kind, X, count, seed)
    x_hat = np.mean([X[order] for order in permuted], axis=0)
    distances = distances_from_average(X, permuted)
    assert distances[0].mean() == pytest.approx(mse(X, x_hat))
    assert distances.mean() == pytest.approx(variance_loss(X, x_hat))
    if count == 2:
        assert distances[0].mean() == pytest.approx(distances.mean())


@pytest.mark.parametrize("kind", KINDS)
def test_each_order_is_a_permutation_and_the_first_is_the_identity(kind):
    permuted = permutations(kind, X, 6)
    np.testing.assert_array_equal(np.sort(permuted), np.tile(np.arange(30), (6, 1)))
    np.testing.assert_array_equal(permuted[0], np.arange(30))


def test_neighbors_are_near_and_others_each_time():
    permuted = permutations("neighbors", np.arange(12.0)[:, None], 5)
    assert all(len(set(column)) == 5 for column in permuted.T)
    assert np.abs(permuted - np.arange(12)).mean() < 3


@pytest.mark.parametrize("count", [3, 5, 9])
def test_one_permutation_taken_repeatedly_is_a_counterexample(count):
    distances = distances_from_average(X, permutations("repeated", X, count))
    assert distances[0].mean() == pytest.approx((count - 1) * distances.mean())


def test_averaged_with_neighbors_mse_is_the_smaller():
    rows = measure_averages(X, (2, 5), seeds=(0, 1))
    assert len(rows) == 2 * (2 + 1 + 2)
    lines = {(row["averaged with"], row["permutations"]): row for row in compare_averages(rows)}
    assert lines[KINDS["neighbors"], 5]["mse below"] == "1 of 1"
    assert lines[KINDS["repeated"], 5]["mse below"] == "0 of 2"
    assert {lines[title, 2]["mse below"][0] for title in KINDS.values()} == {"0"}
    draw_averages(rows)


@pytest.mark.parametrize("count", [1, 31])
def test_too_few_or_too_many_permutations_are_refused(count):
    with pytest.raises(ValueError, match="count must be from 2 to 30"):
        permutations("random", X, count)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="one of random, neighbors, repeated; got 'far'"):
        permutations("far", X, 3)
