"""The file of a run's numbers: which are kept, replaced or refused."""

import json
from dataclasses import replace

import pytest

from balancing_vae.errors import InputError
from balancing_vae.evaluation.comparison import compare
from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.evaluation.measurement import aggregate
from balancing_vae.evaluation.metrics_file import read_metrics
from balancing_vae.evaluation.metrics_file import write_metrics
from tests.helpers.measurements import changed
from tests.helpers.measurements import measurements
from tests.helpers.paths import ROOT

OLD_ROW = {
    "dataset": "cifar10",
    "column": "GEN-2",
    "normalized": False,
    "seed": 0,
    "distance": "FID",
    "protocol": "asperti2020",
    "features": "inception",
    "real_count": 9984,
    "generated_count": 9984,
    "value": 50.0,
}


def write_format_1(folder, *rows):
    write_format(folder, 1, rows)


def write_format(folder, version, rows, **others):
    contents = {"format_version": version, "measurements": rows, **others}
    (folder / "metrics.json").write_text(json.dumps(contents))


def test_other_protocols_are_kept(tmp_path):
    assert read_metrics(tmp_path) == []
    write_metrics(tmp_path, measurements("ttur"))
    write_metrics(tmp_path, measurements("asperti2020"))
    write_metrics(tmp_path, measurements("ttur", value=60.0))
    assert read_metrics(tmp_path) == measurements("asperti2020") + measurements("ttur", value=60.0)


def test_modes_of_normalization_are_kept_separate(tmp_path):
    write_metrics(tmp_path, measurements())
    write_metrics(tmp_path, measurements(value=40.0, mode="latents_and_images"))
    # What is not normalised was measured twice: the last time counts.
    rescaled = [one for one in measurements() if one.normalization]
    assert read_metrics(tmp_path) == rescaled + measurements(value=40.0, mode="latents_and_images")
    table = str(compare([tmp_path]))
    assert ", normalised (gated)** | cifar10 | 51 ± 1.4 " in table
    assert ", normalised (latents_and_images)** | cifar10 | 41 ± 1.4 " in table
    assert compare([tmp_path]).numbers().csv().count("True,") == 3 * 3 + 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "metrics.json is damaged: .*; remove it and evaluate again"),
        ("[]", "must be a dict"),
        ('{"format_version": 9, "measurements": []}', "has the format 9, .* reads formats up to 4"),
        ('{"format_version": 1}', "must have measurements"),
        ('{"format_version": 2, "measurements": [3]}', r"measurements\[0\] must be a dict"),
        ('{"format_version": 4, "measurements": []}', "must have shared"),
        ("[" * 100_000, "is damaged"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path, text, message):
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_metrics(tmp_path)


@pytest.mark.parametrize("version", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": float("nan")}, r"measurements\[1\].value must be finite"),
        ({"value": 10**400}, "value must be"),
        ({"seed": -1}, "seed must not be negative"),
        ({"normalization": "evil"}, "normalization must be one of"),
        ({"real_count": 0}, "real_count must be at least 1"),
        ({"column": None}, "column must be a string"),
        ({"versions": {"keras": 3}}, "versions.keras must be a string"),
        ({"vaule": 50.0}, "must not have .'vaule'."),
        (["value"], "must have value"),
        (["generated_count"], "must have generated_count"),
    ],
)
def test_rows_that_cannot_be_read(tmp_path, version, changes, message):
    good = OLD_ROW if version == 1 else measurements()[0].to_dict()
    bad = good | changes if isinstance(changes, dict) else dict(good)
    for name in changes if isinstance(changes, list) else ():
        del bad[name]
    if version < 4:
        write_format(tmp_path, version, [good, bad])
    else:
        rows = [{"shared": 0, "column": "GEN-2"}, {"shared": 1}]
        write_format(tmp_path, version, rows, shared=[good, bad])
    with pytest.raises(InputError, match=f"metrics.json is damaged: .*{message}"):
        read_metrics(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"normalized": 1}, "normalized must be true or false"),
        ({"protocol": 3}, "protocol must be a string"),
        ({"distance": None}, "distance must be a string"),
    ],
)
def test_rows_of_format_1_that_cannot_be_read(tmp_path, changes, message):
    write_format_1(tmp_path, OLD_ROW | changes)
    with pytest.raises(InputError, match=message):
        read_metrics(tmp_path)


def test_format_1_is_read_and_written_again_in_the_present_one(tmp_path):
    write_format_1(
        tmp_path,
        OLD_ROW | {"normalization": "reference", "value": 51.0},
        OLD_ROW | {"normalized": True},  # from before there were modes
        OLD_ROW | {"normalized": True, "normalization": "paper", "distance": "FD(pixels)"},
        OLD_ROW | {"normalization": "paper"},
        OLD_ROW | {"distance": "variance loss", "protocol": None, "features": None},
    )
    found = read_metrics(tmp_path)
    gen2 = Measurement("GEN-2", "fid", 50.0, 9984, 9984, seed=0, dataset="cifar10")
    gen2 = replace(gen2, protocol="asperti2020", features="inception")
    assert found == [
        replace(gen2, normalization="gated"),
        replace(gen2, normalization="latents_and_images"),
        gen2,
        replace(gen2, metric="variance_loss", protocol=None, features=None),
    ]
    write_metrics(tmp_path, [])
    assert json.loads((tmp_path / "metrics.json").read_text())["format_version"] == 4
    assert read_metrics(tmp_path) == found


@pytest.mark.parametrize("version", [2, 3])
def test_rows_with_all_fields_are_read_and_written_again_in_the_present_format(tmp_path, version):
    rows = [row.to_dict() for row in told(measurements())]
    write_format(tmp_path, version, rows)
    found = read_metrics(tmp_path)
    assert found == told(measurements())
    write_metrics(tmp_path, [])
    assert json.loads((tmp_path / "metrics.json").read_text())["format_version"] == 4
    assert read_metrics(tmp_path) == found


def test_shared_fields_of_rows_are_stored_once(tmp_path):
    command = "balancing-vae evaluate runs/a"
    rows = changed(measurements(), command=command, versions={"keras": "3.15.1"})
    write_metrics(tmp_path, rows + changed(rows, protocol="ttur"))
    assert (tmp_path / "metrics.json").read_text().count(command) == 2  # once a protocol
    assert read_metrics(tmp_path) == rows + changed(rows, protocol="ttur")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"shared": 1}, r"measurements\[0\].shared must be below 1, .* got 1"),
        ({"shared": -1}, "shared must not be negative"),
        ({"shared": "0"}, "shared must be a whole number"),
        ({}, "must have shared"),
        ({"shared": 0, "dataset": 3}, "dataset must be a string"),
    ],
)
def test_rows_whose_shared_fields_cannot_be_found(tmp_path, row, message):
    write_format(tmp_path, 4, [row], shared=[measurements()[0].to_dict()])
    with pytest.raises(InputError, match=f"metrics.json is damaged: .*{message}"):
        read_metrics(tmp_path)


@pytest.mark.parametrize(
    ("folder", "gen2"), [("mnist", 7.745), ("cifar10-small", 23.54), ("digits", 2.062)]
)
def test_the_numbers_of_the_installed_sets_are_read(folder, gen2):
    means = aggregate(read_metrics(ROOT / "weights" / folder))
    found = {(m.column, m.metric, m.normalization): m for m in means}
    assert found["GEN-2", "fid", None].value == pytest.approx(gen2, rel=1e-3)
    assert found["GEN-2", "fid", None].repetitions == 5
    assert {"fid", "mse", "variance_loss", "mean_std"} <= {m.metric for m in means}
    assert {None, "gated", "latents_and_images"} <= {m.normalization for m in means}


@pytest.mark.parametrize(
    "change",
    [
        {"column": "GEN (mixture)"},
        {"normalization": "paper"},
        {"protocol": "ttur"},
        {"features": "pixels"},
        {"features_sha256": "ef"},
        {"dataset": "cifar100"},
        {"data_sha256": "ef"},
        {"metric": "kid"},
        {"seed": 7},
    ],
)
def test_a_measurement_is_replaced_only_by_its_repetition(tmp_path, change):
    row = replace(measurements()[0], features_sha256="ab", data_sha256="cd", data="here")
    write_metrics(tmp_path, [replace(row, value=70.0)])
    write_metrics(tmp_path, [replace(row, **change)])
    again = replace(row, data="the same images elsewhere")
    write_metrics(tmp_path, [again])
    assert read_metrics(tmp_path) == [replace(row, **change), again]


def test_a_second_evaluation_without_samplers_keeps_theirs(tmp_path):
    samplers = changed(measurements()[:4], column="GEN (gaussian)")
    write_metrics(tmp_path, measurements() + samplers)
    write_metrics(tmp_path, measurements(value=60.0))
    assert read_metrics(tmp_path) == samplers + measurements(value=60.0)
    assert "| GEN (gaussian) |" in str(compare([tmp_path]))


def told(rows, weights="a", **fitted):
    """Measurements that say what the run was when they were measured."""
    return [
        replace(
            row,
            weights_sha256=None if row.seed is None else weights,
            fitted_sha256=fitted.get(row.column),
        )
        for row in rows
    ]


def test_numbers_of_former_weights_are_removed_and_those_of_the_data_kept(tmp_path):
    rows, floor = measurements(), measurements()[-1:]
    others = told([*measurements(features="pixels"), *changed(rows[:1], column="GEN (mixture)")])
    write_metrics(tmp_path, told(rows) + others)
    write_metrics(tmp_path, told(rows))
    assert read_metrics(tmp_path) == others + told(rows)
    # The run was trained further, and evaluated with one seed of two.
    new = told(changed([row for row in rows if row.seed == 0], value=9.0), "b")
    write_metrics(tmp_path, new)
    assert read_metrics(tmp_path) == [*changed(floor, features="pixels"), *floor, *new]
    assert {row.value for row in aggregate(read_metrics(tmp_path))} == {9.0, 5.0}


def test_numbers_of_a_former_sampler_are_removed_and_other_columns_kept(tmp_path):
    rows = measurements()[:-1]
    sampled = changed(rows[:4], column="GEN (mixture)")
    write_metrics(tmp_path, told(rows + sampled, **{"GEN (mixture)": "m"}))
    again = told(sampled[:1], **{"GEN (mixture)": "n"})
    write_metrics(tmp_path, again)
    kept = [row for row in sampled if row.normalization]
    assert read_metrics(tmp_path) == told(rows + kept, **{"GEN (mixture)": "m"}) + again


def test_numbers_that_do_not_say_which_weights_they_are_of_are_replaced_by_their_repetition(
    tmp_path,
):
    rows = measurements()
    write_metrics(tmp_path, rows + measurements("ttur"))
    new = told([row for row in rows if row.seed == 0])
    write_metrics(tmp_path, new)
    assert read_metrics(tmp_path) == rows[-1:] + measurements("ttur") + new
