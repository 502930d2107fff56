"""Tables over several trainings."""

import pytest

from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.evaluation.metrics_file import write_metrics
from balancing_vae.experiments.paper_tables import PRESETS
from balancing_vae.experiments.paper_tables import describe_budget
from balancing_vae.experiments.paper_tables import over_trainings
from balancing_vae.presets import load_preset
from balancing_vae.presets import preset_config


def write_run(folder, values_by_mode):
    folder.mkdir(exist_ok=True)
    about = {"dataset": "cifar10", "protocol": "asperti2020", "features": "inception"}
    rows = [
        Measurement("GEN-2", "fid", value, 9984, 9984, mode, seed, **about)
        for mode, values in values_by_mode.items()
        for seed, value in enumerate(values)
    ]
    write_metrics(folder, rows)
    return folder


def test_trainings_are_averaged_and_listed_before_the_published_rows(tmp_path):
    runs = [
        write_run(tmp_path / "a", {None: [70.0, 72.0], "gated": [60.0]}),
        write_run(tmp_path / "b", {None: [75.0], "gated": [64.0]}),
    ]
    found = over_trainings(runs, "cifar10", "ours", "a day")
    plain, normalized, *published = found
    assert (plain.system, normalized.system) == ("ours", "ours, normalised (gated)")
    assert plain.value == 73 and plain.repetitions == 2
    # 71 and 75 over trainings; the spread over sampling seeds has no part in it.
    assert plain.deviation == pytest.approx(8**0.5)
    assert normalized.value == 62
    assert published and not any(number.measured_here for number in published)
    assert "Budget of the rows measured here: a day." in str(found)
    (single, *_) = over_trainings(runs[:1], "cifar10", "ours", "a day")
    assert single.deviation is None and single.source == "1 training"
    with pytest.raises(FileNotFoundError, match="balancing-vae evaluate"):
        over_trainings([tmp_path], "cifar10", "ours", "a day")


def test_each_mode_is_averaged_separately_for_any_name_of_the_run(tmp_path):
    # A name that ends as a label does.
    names = ("a, normalised (gated)", "b")
    for name, shift in zip(names, (0.0, 2.0), strict=True):
        values = {None: 70.0, "gated": 60.0, "latents_and_images": 50.0}
        write_run(tmp_path / name, {mode: [value + shift] for mode, value in values.items()})
    found = over_trainings([tmp_path / name for name in names], "cifar10", "ours", "a day")
    values = {number.system: number.value for number in found if number.measured_here}
    assert values == {
        "ours": 71,
        "ours, normalised (gated)": 61,
        "ours, normalised (latents_and_images)": 51,
    }
    assert found[0].repetitions == 2


def test_each_table_has_two_budgets_of_its_dataset():
    for table, dataset in (("table1", "cifar10"), ("table2", "celeba")):
        for preset in PRESETS[table].values():
            assert load_preset(preset)["dataset"]["name"] == dataset
    budget = describe_budget(preset_config("cifar10"), 50_000)
    assert "preset cifar10, 700 + 1400 epochs of 50,000 images" in budget
