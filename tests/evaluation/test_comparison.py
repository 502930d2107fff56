"""Numbers measured here, compared with published ones."""

import csv
import json
from dataclasses import replace

import pytest

from balancing_vae.evaluation.comparison import compare
from balancing_vae.evaluation.effects import normalization_effects
from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.evaluation.measurement import aggregate
from balancing_vae.evaluation.metrics_file import write_metrics
from balancing_vae.evaluation.publications import published_numbers
from balancing_vae.fid.protocols import PROTOCOLS
from tests.helpers.measurements import changed
from tests.helpers.measurements import measurements


@pytest.fixture
def run_folder(tmp_path):
    write_metrics(tmp_path / "mine", measurements())
    return tmp_path / "mine"


def test_tables_distinguish_data_and_networks(tmp_path):
    first = changed(measurements(), data_sha256="a" * 64, features_sha256="1" * 64)
    other_data = [replace(row, data_sha256="b" * 64, value=row.value + 100) for row in first]
    other_network = changed(first, features_sha256="2" * 64, value=8.0)
    write_metrics(tmp_path / "run", first + other_data)
    table = str(compare([tmp_path / "run"]))
    assert "| **run (cifar10 aaaaaaaa)** | cifar10 | 51 ± 1.4 |" in table
    assert "| **run (cifar10 bbbbbbbb)** | cifar10 | 151 ± 1.4 |" in table
    write_metrics(tmp_path / "run", other_network)
    table = str(compare([tmp_path / "run"]))
    assert "| 51 ± 1.4 | 51 ± 1.4 | 51 ± 1.4 | 5 | FID, network 11111111 |" in table
    assert "| 8 ± 0 | 8 ± 0 | 8 ± 0 | 8 | FID, network 22222222 |" in table
    # Nor are they averaged, or paired.
    rows = first + other_data
    assert len(aggregate(rows)) == 2 * len(aggregate(first))
    assert {e.column: e.plain[0] for e in normalization_effects(rows)} == {
        f"{column} (cifar10 {letter * 8})": value
        for column in ("REC", "GEN-1", "GEN-2")
        for letter, value in (("a", 50.0), ("b", 150.0))
    }


def test_published_numbers_are_complete():
    data = published_numbers()
    assert data["rows"]
    for row in data["rows"]:
        assert row["protocol"] in (*PROTOCOLS, None)
        assert row["column"] in data["columns"]
        assert row["source"] in data["sources"]
        assert row.get("quoted_from", row["source"]) in data["sources"]
        assert 5 < row["value"] < 200
    # Its protocol is that of the paper it is quoted from.
    quoted = [row for row in data["rows"] if "quoted_from" in row]
    assert {(row["quoted_from"], row["protocol"]) for row in quoted} == {
        ("ghosh2020", "ttur"),
        ("dai2019", "dai2019"),
    }


@pytest.mark.parametrize(
    ("dataset", "system", "column", "value", "deviation", "protocol"),
    [
        ("cifar10", "2S-VAE, computed gamma", "GEN-2", 69.8, 1.1, "asperti2020"),
        ("cifar10", "2S-VAE, computed gamma, normalised", "REC", 53.5, 0.9, "asperti2020"),
        ("celeba", "2S-VAE, computed gamma, normalised", "GEN-2", 38.6, 1.0, "asperti2020"),
        ("fashion_mnist", "2-Stage VAE", "GEN-2", 29.3, 1.0, "dai2019"),
        ("celeba140", "RAE-SN", "GMM", 40.95, None, "ttur"),
        ("mnist", "2sVAE, their run", "N", 18.81, None, "ttur"),
    ],
)
def test_published_number(dataset, system, column, value, deviation, protocol):
    (row,) = (
        row
        for row in published_numbers()["rows"]
        if (row["dataset"], row["system"], row["column"]) == (dataset, system, column)
        and "quoted_from" not in row
    )
    assert (row["value"], row["deviation"], row["protocol"]) == (value, deviation, protocol)


def test_table_in_markdown(run_folder):
    table = str(compare([run_folder]))
    header, _, *lines = [line for line in table.splitlines() if line.startswith("|")]
    assert header == (
        "| system | dataset | REC | GEN-1 / N | GEN-2 / GMM | noise floor | metric | protocol "
        "| measured here | source |"
    )
    assert lines[0].startswith(
        "| **mine** | cifar10 | 51 ± 1.4 | 51 ± 1.4 | 51 ± 1.4 | 5 | FID | asperti2020 | yes |"
    )
    assert lines[1].startswith("| **mine, normalised (gated)** | cifar10 | 51 ± 1.4 |")
    rae = [line for line in lines if line.startswith("| RAE-L2 |")]
    assert rae == [
        "| RAE-L2 | cifar10 | 32.24 | 80.8 | 74.16 | | FID | ttur | no | P. Ghosh et al., From "
        "Variational to Deterministic Autoencoders, ICLR 2020 |"
    ]
    # Quoted by another paper: once is enough, and it is said.
    assert "RAE-l2 (128 latents)" not in table and "| 2S-VAE |" not in table
    assert "published numbers that only repeat another paper's" in table
    assert any("| LEBM |" in line and "| not stated |" in line for line in lines)
    assert "celeba" not in table and "Only numbers of one protocol can be compared" in table


def test_table_as_data(run_folder):
    found = compare([run_folder])
    numbers = found.numbers()
    read = list(csv.DictReader(numbers.csv().splitlines()))
    assert len(read) == len(found) == len(json.loads(numbers.json())["rows"])
    assert read[0]["measured_here"] == "True" and read[-1]["measured_here"] == "False"
    assert all(row["protocol"] or row["system"] in ("LEBM", "Multi-NCP") for row in read)


def test_all_metrics_have_lines(run_folder):
    rows = changed(measurements()[:-1], metric="their_metric", value=0.5)
    moments = changed(rows[:2], metric="mse", protocol=None, features=None, value=0.01)
    write_metrics(run_folder, rows + moments)
    found = compare([run_folder])
    ours = {number.metric for number in found if number.measured_here}
    assert ours == {"FID", "their metric (inception)", "mse"}
    assert "| **mine** | cifar10 | 0.01 ± 0 | | | | mse | | yes |" in str(found)


def test_both_crops_of_celeba_are_distinguished(run_folder):
    numbers = compare([run_folder], dataset="celeba")
    assert {number.dataset for number in numbers} == {"celeba", "celeba140"}


def test_rows_that_are_left_out_are_reported(run_folder, tmp_path):
    found = compare([run_folder], dataset="celeba")
    reason = f"{run_folder}, all numbers measured on other data: cifar10."
    assert reason in found.left_out
    assert f"Left out: {reason}" in str(found) and reason in found._repr_html_()
    assert reason in found.numbers().json()
    write_metrics(run_folder, measurements(dataset="mnist"))
    assert (
        f"{run_folder}, the numbers measured on other data: mnist."
        in compare([run_folder], "cifar10").left_out
    )


def test_a_noise_floor_of_another_number_of_images_is_left_out(tmp_path):
    *rows, floor = measurements()
    half = replace(floor, real_count=4992, generated_count=4992)
    write_metrics(tmp_path / "run", [*rows, half])
    found = compare([tmp_path / "run"])
    assert "| noise floor |" not in str(found)
    assert (
        f"{tmp_path / 'run'}, the noise floor of FID: it was measured at 4,992 images, the other "
        "numbers at 9,984."
    ) in found.left_out


def test_incomparable_rows_are_refused(run_folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="run `balancing-vae evaluate .*other` first"):
        compare([tmp_path / "other"])
    with pytest.raises(ValueError, match="Nothing is published here on 'lsun'; choose one of"):
        compare([run_folder], "lsun")
    write_metrics(tmp_path / "faces", measurements(dataset="celeba"))
    with pytest.raises(ValueError, match="use 2 datasets .celeba, cifar10.; choose one"):
        compare([run_folder, tmp_path / "faces"])


def test_notes_about_published_rows_appear_once_below_the_table():
    """Of the sources that are there, and of no other."""
    note = compare([], "celeba").table().note
    assert note.count("It is not known which of them produced the tables") == 1
    assert "no published row corresponds to mode latents_and_images" in note
    assert "produced the tables" not in compare([], "mnist").table().note


def test_the_versions_of_the_original_program_are_modes_and_splits_here():
    versions = published_numbers()["sources"]["asperti2020"]["versions"]
    assert [(one["date"], one["mode"], one["against"]) for one in versions] == [
        ("2020-01-30", "latents", "train"),
        ("2020-02-17", "gated", "train"),
        ("2020-05-23", "gated", "test"),
    ]
    for one in versions:
        Measurement("REC", "fid", 1.0, 9, 9, one["mode"], against=one["against"])
