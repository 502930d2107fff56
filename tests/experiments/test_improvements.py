"""The effect of each addition to the method, and a table that says where one does not help."""

import pytest

from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.experiments import improvements_table
from balancing_vae.experiments import measure_improvements
from balancing_vae.experiments.improvements import improvements
from balancing_vae.fid.networks.pixels import Pixels
from tests.helpers.pipelines import as_if_trained
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline

MODE = "gated"


def measured(gen1, gen2, normalized) -> list[Measurement]:
    """Return values of three sampling seeds of the kinds, of one metric."""
    circumstances = {"protocol": "asperti2020", "features": "pixels"}
    kinds = (("GEN-1", None, gen1), ("GEN-2", None, gen2), ("GEN-2", MODE, normalized))
    return [
        Measurement(column, "fid", value, 64, 128, normalization=mode, seed=seed, **circumstances)
        for column, mode, values in kinds
        for seed, value in enumerate(values)
    ]


def test_an_order_that_holds_is_stated():
    found = measured([3.0, 2.9, 3.1], [2.0, 2.1, 2.2], [1.0, 1.1, 0.9])
    assert [one.improves for one in improvements(found)] == [True, True]
    assert "in each of the 3 seeds" in str(improvements_table(found))


def test_a_violated_order_is_stated_with_its_place():
    found = measured([1.0, 2.9, 3.1], [2.0, 2.1, 2.2], [1.0, 1.1, 0.9])
    assert [one.improves for one in improvements(found)] == [False, True]
    text = str(improvements_table(found))
    assert "does not hold" in text and "in each of" not in text
    assert "GEN-2 is below GEN-1 in 2 of 3 seeds (FD(pixels))" in text


def test_changes_are_paired_by_seed():
    found = measured([3.0, 2.0], [1.0, 1.5], [0.5, 0.25])
    (first, second) = improvements(found[::-1])
    assert first.changes == pytest.approx([-0.5, -2.0])
    assert second.changes == pytest.approx([-1.25, -0.5])


@pytest.mark.filterwarnings("ignore:Only .* images")
def test_the_requested_number_of_samples_of_each_kind_is_measured():
    vae = as_if_trained(tiny_pipeline())
    x = tiny_images(64)
    vae.fit_normalization(x)
    found = measure_improvements(vae, x, Pixels(), "asperti2020", seeds=(0, 1), samples=128)
    assert {(one.real_count, one.generated_count) for one in found} >= {(64, 128)}
    assert {one.column for one in found} == {"GEN-1", "GEN-2"}
    kinds = [(one.column, one.normalization is None) for one in found if one.metric == "fid"]
    assert sorted(kinds) == sorted([("GEN-1", True), ("GEN-2", True), ("GEN-2", False)] * 2)
