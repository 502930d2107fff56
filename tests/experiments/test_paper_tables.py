"""Tables over several trainings."""

import pytest

from balancing_vae.evaluation.metrics_file import write_metrics
from balancing_vae.experiments.paper_tables import PRESETS
from balancing_vae.experiments.paper_tables import describe_budget
from balancing_vae.experiments.paper_tables import over_trainings
from balancing_vae.presets import load_preset
from balancing_vae.presets import preset_config


def write_run(folder, values_by_normalized, mode="reference"):
    folder.mkdir(exist_ok=True)
    common = {"dataset": "cifar10", "distance": "FID", "protocol": "asperti2020"}
    common |= {"features": "inception", "real_count": 9984, "generated_count": 9984}
    common |= {"column": "GEN-2", "normalization": mode}
    rows = [
        common | {"normalized": normalized, "seed": seed, "value": value}
        for normalized, values in values_by_normalized.items()
        for seed, value in enumerate(values)
    ]
    write_metrics(folder, rows)
    return folder


def test_trainings_are_averaged_and_stand_before_the_published_rows(tmp_path):
    runs = [
        write_run(tmp_path / "a", {False: [70.0, 72.0], True: [60.0]}),
        write_run(tmp_path / "b", {False: [75.0], True: [64.0]}),
    ]
    rows = over_trainings(runs, "cifar10", "ours")
    plain, normalized, *published = rows
    assert (plain["system"], normalized["system"]) == ("ours", "ours, with normalisation")
    assert plain["value"] == 73 and plain["repetitions"] == 2
    # 71 and 75 over trainings; the spread over sampling seeds has no part in it.
    assert plain["deviation"] == pytest.approx(8**0.5)
    assert normalized["value"] == 62
    assert published and not any(row["measured_here"] for row in published)
    (single, *_) = over_trainings(runs[:1], "cifar10", "ours")
    assert single["deviation"] is None and single["source"] == "1 training"
    with pytest.raises(FileNotFoundError, match="balancing-vae evaluate"):
        over_trainings([tmp_path], "cifar10", "ours")


def test_modes_of_normalisation_are_averaged_apart(tmp_path):
    for name, shift in (("a", 0.0), ("b", 2.0)):
        for mode, normalized in (("reference", 60.0), ("paper", 50.0)):
            values = {False: [70.0 + shift], True: [normalized + shift]}
            write_run(tmp_path / name, values, mode)
    rows = over_trainings([tmp_path / "a", tmp_path / "b"], "cifar10", "ours")
    found = {row["system"]: row["value"] for row in rows if row["measured_here"]}
    assert found == {
        "ours": 71,
        "ours, with normalisation": 61,
        "ours, with normalisation (paper's mode)": 51,
    }
    assert rows[0]["repetitions"] == 2


def test_each_table_has_two_budgets_of_its_dataset():
    for table, dataset in (("table1", "cifar10"), ("table2", "celeba")):
        for preset in PRESETS[table].values():
            assert load_preset(preset)["dataset"]["name"] == dataset
    budget = describe_budget(preset_config("cifar10"), 50_000)
    assert "preset cifar10, 700 + 1400 epochs of 50,000 images" in budget
