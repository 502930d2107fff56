"""The registry of metrics: the needs of each, how to read its numbers, and a new metric."""

import numpy as np
import pytest

from balancing_vae import moments
from balancing_vae.checks import as_float
from balancing_vae.fid.distance import frechet_distance
from balancing_vae.fid.measuring import measure
from balancing_vae.fid.metrics import METRICS
from balancing_vae.fid.metrics import get_metrics
from balancing_vae.fid.networks.pixels import Pixels
from balancing_vae.fid.sides import gather

RNG = np.random.default_rng(0)
REAL = RNG.integers(0, 256, (2200, 4, 4, 3), dtype="uint8")
FAKE = RNG.random((2200, 4, 4, 3), dtype="float32") * 0.8


def test_each_metric_is_registered_by_its_name():
    for name, metric in METRICS.items():
        assert metric.name == name
    assert [m.name for m in get_metrics(["mse", "fid", "mse"])] == ["mse", "fid"]
    for wrong in ("fid", []):
        with pytest.raises(ValueError, match="must be a list of names"):
            get_metrics(wrong)
    with pytest.raises(ValueError, match="Unknown metric 'is'; choose one of .*'coverage'"):
        get_metrics(["fid", "is"])


@pytest.mark.parametrize(
    ("name", "inception", "pixels"),
    [
        ("fid", "FID", "FD(pixels)"),
        ("kid", "KID", "KD(pixels)"),
        ("precision", "precision", "precision(pixels)"),
        ("mse", "mse", "mse"),
        ("mean_std", "mean std", "mean std"),
    ],
)
def test_only_numbers_in_inception_features_carry_its_names(name, inception, pixels):
    assert METRICS[name].name_in_tables("inception") == inception
    assert METRICS[name].name_in_tables("pixels") == pixels


def test_which_value_is_better():
    assert METRICS["fid"].badness(1) < METRICS["fid"].badness(2)
    # Below zero an unbiased estimate of a distance says nothing.
    assert (
        METRICS["kid"].badness(-0.3) == METRICS["kid"].badness(-0.1) < METRICS["kid"].badness(0.1)
    )
    assert METRICS["recall"].badness(0.9) < METRICS["recall"].badness(0.8)
    assert METRICS["variance_loss"].badness(-0.1) < METRICS["variance_loss"].badness(0.2)
    assert METRICS["mean_std"].badness(0.3, 0.31) < METRICS["mean_std"].badness(0.1, 0.31)


def test_moments_are_those_of_the_package():
    x, x_hat = as_float(REAL), FAKE
    for images in (REAL, x):
        assert METRICS["mse"](images, x_hat).value == pytest.approx(moments.mse(x, x_hat))
        assert METRICS["variance_loss"](images, x_hat).value == moments.variance_loss(x, x_hat)
        assert METRICS["mean_std"](images, x_hat) == (moments.mean_std(x_hat), None)


@pytest.mark.parametrize(
    ("real", "other", "message"),
    [
        (REAL, FAKE[:3], "2,200 images and 3 reconstructions"),
        (REAL[:0], FAKE[:0], "at least one"),
        (REAL, FAKE[:, :3], r"\(4, 4, 3\) and their reconstructions \(3, 4, 3\)"),
        (REAL, FAKE + np.float32(0.5), "Image 0 has values from"),
        (REAL.astype(int), FAKE, "dtype int64"),
        (REAL[0, 0], FAKE[0, 0], "expected at least one"),
    ],
)
def test_pairs_that_do_not_fit(real, other, message):
    with pytest.raises(ValueError, match=message):
        METRICS["mse"](real, other)


@pytest.mark.filterwarnings("ignore:Only 300")
@pytest.mark.parametrize("names", [["fid", "mse"], ["fid", "kid", "recall", "mse"], ["density"]])
def test_a_side_goes_through_the_network_once(names):
    class Counting(Pixels):
        seen = 0

        def __call__(self, images, protocol):
            Counting.seen += len(images)
            return super().__call__(images, protocol)

    x, y = REAL[:300], FAKE[:300]
    network, metrics = Counting(), get_metrics(names)
    real = gather(x, metrics, network, "clean")
    fake = gather(y, metrics, network, "clean", generated=True, cached=False)
    assert Counting.seen == len(x) + len(y)
    values = {m.name: m(real[m.needs], fake[m.needs]).value for m in metrics}
    sides = measure(x, network, "clean"), measure(y, network, "clean", generated=True)
    if "fid" in names:
        assert values["fid"] == frechet_distance(*sides)
    if "mse" in names:
        assert values["mse"] == pytest.approx(moments.mse(as_float(x), y))
    # Statistics alone are streamed.
    assert ("features" in real) == (names != ["fid", "mse"])


def test_metrics_of_features_need_a_network():
    assert gather(REAL, get_metrics(["mse"]), None, "clean")["pairs"] is REAL
    with pytest.raises(ValueError, match="Computing fid from images needs features"):
        gather(REAL, get_metrics(["fid", "mse"]), None, "clean")
