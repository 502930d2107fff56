"""Evaluation of a pipeline, the file of its numbers, and the comparison with published ones."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from balancing_vae.cli import main
from balancing_vae.datasets.arrays import from_arrays
from balancing_vae.datasets.prepared import write_prepared
from balancing_vae.errors import InputError
from balancing_vae.errors import ResourceError
from balancing_vae.evaluation import distances as evaluation
from balancing_vae.evaluation import metrics_file
from balancing_vae.evaluation.comparison import compare
from balancing_vae.evaluation.comparison import to_csv
from balancing_vae.evaluation.comparison import to_json
from balancing_vae.evaluation.comparison import to_markdown
from balancing_vae.evaluation.distances import choose_images
from balancing_vae.evaluation.distances import evaluate
from balancing_vae.evaluation.distances import summarise
from balancing_vae.evaluation.distances import two_stage_columns
from balancing_vae.evaluation.metrics_file import read_metrics
from balancing_vae.evaluation.metrics_file import write_metrics
from balancing_vae.evaluation.publications import published
from balancing_vae.evaluation.renormalization import effects
from balancing_vae.fid.distance import frechet_distance
from balancing_vae.fid.measuring import measure
from balancing_vae.fid.networks.pixels import Pixels
from balancing_vae.fid.protocols import PROTOCOLS
from balancing_vae.fid.scoring import score
from tests.helpers.pipelines import as_if_trained

IMAGES = np.random.default_rng(0).integers(0, 256, (4400, 4, 4, 3), dtype="uint8")


class StandInPipeline:
    """Answers with noise around the images, the more of it the worse the column."""

    def reconstruct(self, x, normalize, seed, keep_padding=True):
        return self._noisy(x, 0.05 if normalize else 0.1, seed)

    def generate(self, n, stage, normalize, seed, keep_padding=True):
        assert n == 2200
        return self._noisy(IMAGES[:n], (0.4 if stage == 1 else 0.3) - 0.1 * normalize, seed)

    @staticmethod
    def _noisy(x, amount, seed):
        noise = np.random.default_rng(seed).normal(0, amount, x.shape)
        return (x / 255 + noise).clip(0, 1).astype("float32")


@pytest.fixture(scope="module")
def real():
    return choose_images(IMAGES, 2200)


@pytest.fixture
def measured(real):
    columns = two_stage_columns(StandInPipeline(), real)
    return evaluate(columns, real, Pixels(), "asperti2020", seeds=(3, 5))


@pytest.fixture
def rows(measured):
    return [row for row in measured if row["protocol"]]


def test_chosen_images_are_shuffled_once_and_for_all(real):
    assert real.shape == (2200, 4, 4, 3)
    np.testing.assert_array_equal(real, choose_images(IMAGES, 2200))
    np.testing.assert_array_equal(real, choose_images(IMAGES)[:2200])
    assert not np.array_equal(real, IMAGES[:2200])
    assert np.unique(choose_images(IMAGES).reshape(4400, -1), axis=0).shape[0] == 4400


@pytest.mark.filterwarnings("ignore:Only")
def test_every_column_seed_and_normalisation(rows, real):
    places = [(row["column"], row["normalized"], row["seed"]) for row in rows]
    assert places == [
        (column, normalized, seed)
        for normalized in (False, True)
        for column in ("REC", "GEN-1", "GEN-2")
        for seed in (3, 5)
    ] + [("noise floor", False, None)]
    expected = score(
        real,
        StandInPipeline().generate(2200, stage=1, normalize=True, seed=5),
        Pixels(),
        "asperti2020",
    )
    (row,) = (r for r in rows if (r["column"], r["normalized"], r["seed"]) == ("GEN-1", True, 5))
    assert row["value"] == pytest.approx(expected.value, rel=1e-9)
    assert row["distance"] == "FD(pixels)"
    assert (row["real_count"], row["generated_count"]) == (2176, 2176)
    values = {(r["column"], r["normalized"]): r["value"] for r in summarise(rows)}
    assert values["REC", True] < values["REC", False] < values["GEN-2", False]


@pytest.mark.filterwarnings("ignore:Only")
def test_moments_stand_beside_the_distances(measured, real):
    found = {
        (row["column"], row["normalized"], row["seed"], row["distance"]): row
        for row in measured
        if row["protocol"] is None
    }
    assert len(found) == 2 * 2 * (3 + 2 + 2) + 1
    x, images = real / 255, StandInPipeline().reconstruct(real, True, 5)
    expected = {
        "mse": np.mean((x - images) ** 2),
        "variance loss": np.mean(x.var(axis=0) - images.var(axis=0)),
        "mean std": images.std(axis=0).mean(),
    }
    for distance, value in expected.items():
        row = found["REC", True, 5, distance]
        assert row["value"] == pytest.approx(value, rel=1e-4)
        assert (row["features"], row["real_count"], row["generated_count"]) == (None, 2200, 2200)
    assert ("GEN-2", True, 5, "mse") not in found
    data = found["data", False, None, "mean std"]["value"]
    assert data == pytest.approx(x.std(axis=0).mean(), rel=1e-5)


@pytest.mark.filterwarnings("ignore:Only")
def test_dai2019_stretches_only_what_is_generated(real):
    columns = two_stage_columns(StandInPipeline(), real)[:1]
    rec, floor, *_ = evaluate(columns, real, Pixels(), "dai2019", seeds=(0,))
    reconstructed = StandInPipeline().reconstruct(real, False, 0)
    assert rec["value"] == score(real, reconstructed, Pixels(), "dai2019").value
    halves = [measure(half, Pixels(), "dai2019") for half in (real[:1100], real[1100:])]
    assert floor["value"] == frechet_distance(*halves)


@pytest.mark.filterwarnings("ignore:Only")
def test_summary_over_seeds(rows):
    summary = summarise(rows)
    assert len(summary) == 7
    values = [row["value"] for row in rows[:2]]
    assert summary[0]["value"] == pytest.approx(np.mean(values))
    assert summary[0]["deviation"] == pytest.approx(np.std(values, ddof=1))
    assert summary[0]["repetitions"] == 2
    assert summary[-1]["deviation"] is None


def metrics(protocol="asperti2020", distance="FID", value=50.0, dataset="cifar10"):
    common = {
        "dataset": dataset,
        "distance": distance,
        "protocol": protocol,
        "features": "inception",
        "real_count": 9984,
        "generated_count": 9984,
    }
    return [
        common | {"column": column, "normalized": normalized, "seed": seed, "value": value + seed}
        for column in ("REC", "GEN-1", "GEN-2")
        for normalized in (False, True)
        for seed in (0, 2)
    ] + [common | {"column": "noise floor", "normalized": False, "seed": None, "value": 5.0}]


def test_metrics_file_keeps_other_protocols(tmp_path):
    assert read_metrics(tmp_path) == []
    write_metrics(tmp_path, metrics("ttur"))
    write_metrics(tmp_path, metrics("asperti2020"))
    write_metrics(tmp_path, metrics("ttur", value=60.0))
    assert read_metrics(tmp_path) == metrics("asperti2020") + metrics("ttur", value=60.0)


def test_modes_of_normalisation_stay_apart(tmp_path):
    paper = [row | {"normalization": "paper"} for row in metrics(value=40.0)]
    write_metrics(tmp_path, metrics())
    write_metrics(tmp_path, paper)
    assert read_metrics(tmp_path) == metrics() + paper
    table = to_markdown(compare([tmp_path]))
    assert ", with normalisation** | cifar10 | 51 ± 1.4 " in table
    assert ", with normalisation (paper's mode)** | cifar10 | 41 ± 1.4 " in table
    # What is not normalised was measured twice; in the table of data it stands once.
    assert to_csv(compare([tmp_path])).count("True,") == 3 * 3 + 1
    write_metrics(tmp_path, [row | {"normalization": "reference"} for row in metrics(value=60.0)])
    assert len(read_metrics(tmp_path)) == 2 * len(paper)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "metrics.json is damaged: .*; remove it and evaluate again"),
        ("[]", "must be a dict"),
        ('{"format_version": 9, "measurements": []}', "has the format 9, .* reads 1"),
        ('{"format_version": 1}', "must have measurements"),
        ('{"format_version": 1, "measurements": [3]}', r"measurements\[0\] must be a dict"),
        ("[" * 100_000, "is damaged"),
    ],
)
def test_metrics_file_that_cannot_be_read(tmp_path, text, message):
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_metrics(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": float("nan")}, r"measurements\[1\].value must be finite"),
        ({"value": 10**400}, "value must be"),
        ({"value": "50"}, "value must be a number, got '50'"),
        ({"seed": -1}, "seed must not be negative"),
        ({"seed": 0.5}, "seed must be a whole number"),
        ({"normalized": 1}, "normalized must be true or false"),
        ({"normalization": "evil"}, "normalization must be one of"),
        ({"real_count": 0}, "real_count must be at least 1"),
        ({"column": None}, "column must be a string"),
        ({"protocol": 3}, "protocol must be a string"),
        ({"versions": {"keras": 3}}, "versions.keras must be a string"),
        ({"vaule": 50.0}, "must not have .'vaule'."),
        (["value"], "must have value"),
        (["dataset"], "must have dataset"),
    ],
)
def test_rows_that_cannot_be_read_are_not_written_either(tmp_path, changes, message):
    good, *_ = metrics()
    bad = good | changes if isinstance(changes, dict) else dict(good)
    for name in changes if isinstance(changes, list) else ():
        del bad[name]
    content = json.dumps({"format_version": 1, "measurements": [good, bad]})
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(InputError, match=f"metrics.json is damaged: .*{message}"):
        read_metrics(tmp_path)
    (tmp_path / "metrics.json").unlink()
    with pytest.raises(InputError, match=message.removeprefix("measurements")):
        write_metrics(tmp_path, [good, bad])
    assert read_metrics(tmp_path) == []


@pytest.mark.parametrize(
    "change",
    [
        {"column": "GEN (mixture)"},
        {"normalized": True},
        {"normalization": "paper"},
        {"protocol": "ttur"},
        {"features": "pixels"},
        {"features_sha256": "ef"},
        {"dataset": "cifar100"},
        {"data_sha256": "ef"},
        {"distance": "KID"},
        {"seed": 7},
    ],
)
def test_what_was_measured_stays_but_for_its_own_repetition(tmp_path, change):
    row = metrics()[0] | {"features_sha256": "ab", "data_sha256": "cd", "data": "here"}
    assert row["normalized"] is False
    write_metrics(tmp_path, [row | {"value": 70.0}])
    write_metrics(tmp_path, [row | change])
    write_metrics(tmp_path, [row | {"data": "the same images elsewhere"}])
    assert read_metrics(tmp_path) == [
        row | change,
        row | {"data": "the same images elsewhere"},
    ]


def test_a_second_evaluation_without_samplers_keeps_theirs(tmp_path):
    samplers = [row | {"column": "GEN (gaussian)"} for row in metrics()[:4]]
    write_metrics(tmp_path, metrics() + samplers)
    write_metrics(tmp_path, metrics(value=60.0))
    assert read_metrics(tmp_path) == samplers + metrics(value=60.0)
    assert "| GEN (gaussian) |" in to_markdown(compare([tmp_path]))


def told(rows, weights="a", **fitted):
    """Rows that say what the run was when they were measured."""
    return [
        row
        | ({} if row["seed"] is None else {"weights_sha256": weights})
        | ({"fitted_sha256": fitted[row["column"]]} if row["column"] in fitted else {})
        for row in rows
    ]


def test_numbers_of_former_weights_go_and_the_datas_own_stay(tmp_path):
    rows, floor = metrics(), metrics()[-1:]
    others = told([*metrics(distance="FD(pixels)"), rows[0] | {"column": "GEN (mixture)"}])
    write_metrics(tmp_path, told(rows) + others)
    write_metrics(tmp_path, told(rows))
    assert read_metrics(tmp_path) == others + told(rows)
    # The run was trained further, and evaluated with one seed of two.
    new = told([row | {"value": 9.0} for row in rows if row["seed"] == 0], "b")
    write_metrics(tmp_path, new)
    assert read_metrics(tmp_path) == [floor[0] | {"distance": "FD(pixels)"}, *floor, *new]
    assert {row["value"] for row in summarise(read_metrics(tmp_path))} == {9.0, 5.0}


def test_numbers_of_a_former_sampler_go_and_other_columns_stay(tmp_path):
    rows = metrics()[:-1]
    column = {"column": "GEN (mixture)"}
    sampled = [row | column for row in rows[:4]]
    write_metrics(tmp_path, told(rows + sampled, **{"GEN (mixture)": "m"}))
    again = told(sampled[:1], **{"GEN (mixture)": "n"})
    write_metrics(tmp_path, again)
    kept = [row | column for row in rows[:4] if row["normalized"]]
    assert read_metrics(tmp_path) == told(rows + kept, **{"GEN (mixture)": "m"}) + again


def test_numbers_that_do_not_say_of_which_weights_give_way_to_their_repetition(tmp_path):
    rows = metrics()
    old = rows + metrics("ttur")
    write_metrics(tmp_path, old)
    new = told([row for row in rows if row["seed"] == 0])
    write_metrics(tmp_path, new)
    floor = rows[-1:]
    assert read_metrics(tmp_path) == floor + metrics("ttur") + new


def test_data_and_networks_are_told_apart_in_tables(tmp_path):
    first = [row | {"data_sha256": "a" * 64, "features_sha256": "1" * 64} for row in metrics()]
    other_data = [row | {"data_sha256": "b" * 64, "value": row["value"] + 100} for row in first]
    other_network = [row | {"features_sha256": "2" * 64, "value": 8.0} for row in first]
    write_metrics(tmp_path / "run", first + other_data)
    table = to_markdown(compare([tmp_path / "run"]))
    assert "| **run (cifar10 aaaaaaaa)** | cifar10 | 51 ± 1.4 |" in table
    assert "| **run (cifar10 bbbbbbbb)** | cifar10 | 151 ± 1.4 |" in table
    write_metrics(tmp_path / "run", other_network)
    table = to_markdown(compare([tmp_path / "run"]))
    assert "| 51 ± 1.4 | 51 ± 1.4 | 51 ± 1.4 | 5 | FID, network 11111111 |" in table
    assert "| 8 ± 0 | 8 ± 0 | 8 ± 0 | 8 | FID, network 22222222 |" in table
    # Nor are they averaged, or paired.
    rows = first + other_data
    assert len(summarise(rows)) == 2 * len(summarise(first))
    assert {e.column: e.plain[0] for e in effects(rows)} == {
        f"{column} (cifar10 {letter * 8})": value
        for column in ("REC", "GEN-1", "GEN-2")
        for letter, value in (("a", 50.0), ("b", 150.0))
    }


def test_published_numbers_are_whole():
    data = published()
    assert len(data["rows"]) == 115
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
        ("cifar10", "2S-VAE, computed gamma, with normalisation", "REC", 53.5, 0.9, "asperti2020"),
        ("celeba", "2S-VAE, computed gamma, with normalisation", "GEN-2", 38.6, 1.0, "asperti2020"),
        ("fashion_mnist", "2-Stage VAE", "GEN-2", 29.3, 1.0, "dai2019"),
        ("celeba140", "RAE-SN", "GMM", 40.95, None, "ttur"),
        ("mnist", "2sVAE, their run", "N", 18.81, None, "ttur"),
    ],
)
def test_published_number(dataset, system, column, value, deviation, protocol):
    (row,) = (
        row
        for row in published()["rows"]
        if (row["dataset"], row["system"], row["column"]) == (dataset, system, column)
        and "quoted_from" not in row
    )
    assert (row["value"], row["deviation"], row["protocol"]) == (value, deviation, protocol)


@pytest.fixture
def run_folder(tmp_path):
    write_metrics(tmp_path / "mine", metrics())
    return tmp_path / "mine"


def test_table_in_markdown(run_folder):
    table = to_markdown(compare([run_folder]))
    header, _, *lines = [line for line in table.splitlines() if line.startswith("|")]
    assert header == (
        "| system | dataset | REC | GEN-1 / N | GEN-2 / GMM | noise floor | distance | protocol "
        "| measured here | source |"
    )
    assert lines[0].startswith(
        "| **mine** | cifar10 | 51 ± 1.4 | 51 ± 1.4 | 51 ± 1.4 | 5 | FID | asperti2020 | yes |"
    )
    assert lines[1].startswith("| **mine, with normalisation** | cifar10 | 51 ± 1.4 |")
    rae = [line for line in lines if line.startswith("| RAE-L2 |")]
    assert rae == [
        "| RAE-L2 | cifar10 | 32.24 | 80.8 | 74.16 |  | FID | ttur | no | P. Ghosh et al., From "
        "Variational to Deterministic Autoencoders, ICLR 2020 |"
    ]
    # Quoted by another paper: once is enough.
    assert "RAE-l2 (128 latents)" not in table and "| 2S-VAE |" not in table
    assert any("| LEBM |" in line and "| not stated |" in line for line in lines)
    assert "celeba" not in table and "Only numbers of one protocol can be compared" in table


def test_table_as_data(run_folder):
    rows = compare([run_folder])
    read = list(csv.DictReader(to_csv(rows).splitlines()))
    assert len(read) == len(rows) == len(json.loads(to_json(rows))["rows"])
    assert read[0]["measured_here"] == "True" and read[-1]["measured_here"] == "False"
    assert all(row["protocol"] or row["system"] in ("LEBM", "Multi-NCP") for row in read)


def test_both_cuts_of_celeba_are_told_apart(run_folder):
    rows = compare([run_folder], dataset="celeba")
    assert {row["dataset"] for row in rows} == {"celeba", "celeba140"}


def test_what_cannot_be_compared(run_folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="run `balancing-vae evaluate .*other` first"):
        compare([tmp_path / "other"])
    with pytest.raises(ValueError, match="Nothing is published here on 'lsun'; choose one of"):
        compare([run_folder], "lsun")
    write_metrics(tmp_path / "faces", metrics(dataset="celeba"))
    with pytest.raises(ValueError, match="of 2 datasets .celeba, cifar10.: choose one"):
        compare([run_folder, tmp_path / "faces"])


@pytest.mark.parametrize("form", ["markdown", "csv", "json"])
def test_command_compare(run_folder, tmp_path, capsys, form):
    picture = tmp_path / "plot.png"
    picture.write_bytes(b"somebody's")
    words = ["compare", str(run_folder), "--format", form, "--plot", str(picture)]
    assert main(words) == 2
    assert "plot.png is there already" in capsys.readouterr().err
    assert picture.read_bytes() == b"somebody's"
    assert main([*words, "--overwrite"]) == 0
    assert "asperti2020" in capsys.readouterr().out
    with Image.open(picture) as image:
        assert image.size[0] > 1000


def metrics_without_place(rows):
    place = ("dataset", "data", "data_sha256", "normalization", "command", "versions")
    place += ("weights_sha256", "fitted_sha256")
    return [{name: row[name] for name in row if name not in place} for row in rows]


def no_space(path):
    raise ResourceError("no space left on device")


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize("form", [[], pytest.param(["--json"], marks=pytest.mark.slow)])
def test_command_evaluate(tmp_path, monkeypatch, capsys, form):
    """On a tiny pipeline that knows nothing, from its saved folder to the table."""
    from balancing_vae.pipeline import TwoStageVAE

    data = tmp_path / "data"
    images = np.random.default_rng(0).integers(0, 256, (130, 8, 8, 1), dtype="uint8")
    write_prepared(data, "mnist", from_arrays({"test": (images, None)}, {}))
    network = {"name": "resnet", "base_dim": 4, "num_scale": 1, "fc_dim": 8}
    sizes = {"latent_dim": 2, "second_dim": 4, "second_depth": 1, "batch_size": 50}
    vae = as_if_trained(TwoStageVAE.from_preset("digits", network=network, **sizes))
    vae.fit_normalization(images)
    vae.fit_sampler("gaussian", images)
    folder = tmp_path / "run"
    vae.save(folder)
    words = ["evaluate", str(folder), "--data", str(data), "--features", "pixels", "--seeds", "2"]
    words += ["--samplers", "gaussian"]
    assert main([*words, *form]) == 0
    output = capsys.readouterr().out
    if form:
        assert len(json.loads(output)) == 17 + 37
    else:
        expected = "GEN-2, normalised  FD(pixels), protocol asperti2020, 128 and 128 images: "
        assert expected in output
    rows = read_metrics(folder)
    assert [row["protocol"] for row in rows] == ["asperti2020"] * 17 + [None] * 37
    assert to_csv(compare([folder])).count("True,") == 9
    for row in rows:
        assert {"protocol", "data", "data_sha256", "command", "versions", "seed"} <= row.keys()
    assert rows[0]["dataset"] == "mnist"
    assert rows[0]["command"] == (
        f"balancing-vae evaluate {folder} --data {data} --protocol asperti2020 --features pixels "
        "--seeds 2 --images 10000 --samplers gaussian"
    )
    assert "| GEN (gaussian) |" in to_markdown(compare([folder]))
    hashed = {row["column"]: row.get("fitted_sha256") for row in rows if not row["normalized"]}
    assert [name for name, sha256 in hashed.items() if sha256] == ["GEN (gaussian)"]
    assert len({r["weights_sha256"] for r in rows if r["seed"] is not None}) == 1
    assert main([*words, "mixture"]) == 2
    assert "no fitted sampler 'mixture', only" in capsys.readouterr().err
    # A disk that is full in the end costs the file, not the numbers.
    monkeypatch.setattr(evaluation, "evaluate", lambda *_, **__: metrics_without_place(rows))
    monkeypatch.setattr(metrics_file, "atomic_file", no_space)
    capsys.readouterr()
    assert main([*words[:-2], *form]) == 2
    printed = capsys.readouterr()
    assert '"value"' in printed.out if form else expected in printed.out
    assert "no space" in printed.err and read_metrics(folder) == rows
    (folder / "metrics.json").write_text("{")
    monkeypatch.setattr(evaluation, "evaluate", None)
    assert main(words) == 2
    assert "metrics.json is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "x.npy"], "config.json is missing"),
        (["--data", "x.npy", "--seeds", "0"], "argument --seeds: must be at least 1, got 0"),
    ],
)
def test_command_evaluate_complains(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "run", *words]) == 2
    assert message in capsys.readouterr().err
