"""A number with all the fields needed to interpret it, and means of several numbers."""

from dataclasses import replace

import numpy as np
import pytest

from balancing_vae.errors import InputError
from balancing_vae.evaluation.measurement import aggregate
from tests.helpers.measurements import changed
from tests.helpers.measurements import measurements

ONE = measurements()[0]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "FID"),
        ({"features": "pixels"}, "FD(pixels)"),
        ({"features": None}, "FD(unknown)"),
        ({"metric": "mse", "protocol": None, "features": None}, "mse"),
        ({"metric": "variance_loss", "protocol": None, "features": None}, "variance loss"),
        # Of a metric that somebody else has in their registry.
        ({"metric": "their_metric", "features": "pixels"}, "their metric (pixels)"),
    ],
)
def test_only_distances_in_inception_features_are_called_fid(changes, name):
    assert replace(ONE, **changes).name == name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": float("nan")}, "value must be finite"),
        ({"value": 10**400}, "value must be"),
        ({"value": "50"}, "value must be a number, got '50'"),
        ({"seed": -1}, "seed must not be negative"),
        ({"seed": 0.5}, "seed must be a whole number"),
        ({"normalization": "evil"}, "normalization must be one of"),
        ({"real_count": 0}, "real_count must be at least 1"),
        ({"deviation": -1.0}, "deviation must not be negative"),
        ({"column": None}, "column must be a string"),
        ({"protocol": 3}, "protocol must be a string"),
        ({"versions": {"keras": 3}}, "versions.keras must be a string"),
    ],
)
def test_invalid_measurements_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        replace(ONE, **changes)


def test_means_are_over_seeds():
    rows = measurements()
    means = aggregate(rows)
    assert len(means) == 7
    assert (means[0].column, means[0].value, means[0].repetitions) == ("REC", 51, 2)
    assert means[0].deviation == pytest.approx(np.std([50, 52], ddof=1))
    assert means[0].seed is None and means[-1].deviation is None


def test_the_deviation_of_a_single_estimate_is_not_one_over_seeds():
    (mean,) = aggregate([replace(ONE, deviation=0.5)])
    assert mean.deviation is None


def test_means_of_means_are_over_trainings():
    runs = [changed(measurements(), weights_sha256="a"), measurements(value=54.0)[::2]]
    means = aggregate(one for run in runs for one in aggregate(run))
    assert (means[0].value, means[0].repetitions) == (52.5, 2)
    assert means[0].deviation == pytest.approx(np.std([51, 54], ddof=1))


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "cifar100"},
        {"data_sha256": "b"},
        {"features_sha256": "b"},
        {"normalization": "latents_and_images"},
        {"protocol": "ttur"},
        {"generated_count": 5000},
        {"metric": "kid"},
    ],
)
def test_only_numbers_of_the_same_kind_are_averaged(change):
    assert len(aggregate([ONE, replace(ONE, seed=1, **change)])) == 2
