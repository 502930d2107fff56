"""The command `evaluate` on a tiny untrained pipeline, from its folder to the table."""

import json
import shlex
from collections import Counter

import numpy as np
import pytest

from balancing_vae import datasets
from balancing_vae.cli import main
from balancing_vae.datasets.arrays import from_arrays
from balancing_vae.datasets.prepared import write_prepared
from balancing_vae.errors import ResourceError
from balancing_vae.evaluation import measuring
from balancing_vae.evaluation import metrics_file
from balancing_vae.evaluation.columns import choose_images
from balancing_vae.evaluation.comparison import compare
from balancing_vae.evaluation.metrics_file import read_metrics
from balancing_vae.evaluation.metrics_file import write_metrics
from balancing_vae.fid.cache import content_sha256
from balancing_vae.moments import mean_std
from balancing_vae.moments import mse
from balancing_vae.normalization import MODES
from balancing_vae.pipeline import TwoStageVAE
from tests.helpers.pipelines import as_if_trained

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation"),
    pytest.mark.filterwarnings("ignore:Only .* images"),
]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A run with a fitted sampler, its data, and the words that evaluate it."""
    folder = tmp_path_factory.mktemp("evaluate")
    data = folder / "data"
    images = np.random.default_rng(0).integers(0, 256, (130, 8, 8, 1), dtype="uint8")
    write_prepared(data, "mnist", from_arrays({"test": (images, None)}, {}))
    network = {"name": "resnet", "base_dim": 4, "num_scale": 1, "fc_dim": 8}
    sizes = {"latent_dim": 2, "second_dim": 4, "second_depth": 1, "batch_size": 50}
    vae = as_if_trained(TwoStageVAE.untrained("digits", network=network, **sizes))
    vae.fit_normalization(images)
    vae.fit_sampler("gaussian", images)
    vae.save(folder / "run")
    words = ["evaluate", str(folder / "run"), "--data", str(data), "--features", "pixels"]
    words += ["--seeds", "2", "--samplers", "gaussian"]
    return folder / "run", data, words


@pytest.fixture(autouse=True)
def no_numbers_yet(evaluated):
    (evaluated[0] / "metrics.json").unlink(missing_ok=True)


def test_every_number_says_how_to_repeat_it(evaluated, capsys):
    folder, data, words = evaluated
    assert main(words) == 0
    printed = capsys.readouterr()
    assert "FD(pixels): 128 real images against 128 generated, protocol asperti2020." in printed.out
    assert "The noise floor was not measured: it needs 130 more real images" in printed.err
    rows = read_metrics(folder)
    # REC, GEN-1, GEN-2 and GEN gaussian, plain and normalised, by two seeds; and the data.
    generated, reconstructed = 4 * 2 * 2, 2 * 2
    assert Counter(row.metric for row in rows) == {
        "fid": generated,
        "mse": reconstructed,
        "variance_loss": generated,
        "mean_std": generated + 1,
    }
    assert all(bool(row.protocol) == (row.metric == "fid") for row in rows)
    for row in rows:
        assert row.data == str(data) and row.data_sha256 and row.versions
        assert row.command == f"balancing-vae {shlex.join(words)}"
    assert rows[0].dataset == "mnist"
    assert "| GEN (gaussian) |" in str(compare([folder]))
    hashed = {row.column: row.fitted_sha256 for row in rows if row.normalization is None}
    assert [name for name, sha256 in hashed.items() if sha256] == ["GEN (gaussian)"]
    assert len({row.weights_sha256 for row in rows if row.seed is not None}) == 1
    assert main([*words, "mixture"]) == 2
    assert "no fitted sampler 'mixture', only" in capsys.readouterr().err


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_full_disk_loses_the_file_but_not_the_printed_numbers(
    evaluated, monkeypatch, capsys, form
):
    def no_space(path):
        raise ResourceError("no space left on device")

    folder, _, words = evaluated
    monkeypatch.setattr(metrics_file, "atomic_file", no_space)
    assert main([*words, "--metrics", "mse", *form]) == 2
    printed = capsys.readouterr()
    assert len(json.loads(printed.out)) == 4 if form else "\nREC, normalised  " in printed.out
    assert "no space" in printed.err and read_metrics(folder) == []


def test_a_noise_floor_is_measured_if_half_of_the_images_are_left(evaluated, capsys):
    folder, _, words = evaluated
    assert main([*words, "--images", "65", "--metrics", "fid", "mse"]) == 0
    assert "not measured" not in capsys.readouterr().err
    rows = read_metrics(folder)
    assert {row.metric for row in rows} == {"fid", "mse"}
    (floor,) = (row for row in rows if row.column == "noise floor")
    assert (floor.real_count, floor.generated_count) == (64, 64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--metrics", "fdi"], "Unknown metric 'fdi'; choose one of"),
        (["--data", "x.npy"], "x.npy"),
        (["--seeds", "0"], "argument --seeds: must be at least 1, got 0"),
        (["--normalization", "mine"], "mode must be one of ('gated', 'latents', 'latents_and_"),
        (["--against", "train"], "has no train images"),
    ],
)
def test_impossible_measurements_are_refused(evaluated, monkeypatch, capsys, change, message):
    monkeypatch.setattr(measuring, "evaluate", None)
    assert main([*evaluated[2], *change]) == 2
    assert message in capsys.readouterr().err


def test_a_damaged_file_is_refused_before_anything_is_measured(evaluated, monkeypatch, capsys):
    folder, _, words = evaluated
    (folder / "metrics.json").write_text("{")
    monkeypatch.setattr(measuring, "evaluate", None)
    assert main(words) == 2
    assert "metrics.json is damaged" in capsys.readouterr().err


def test_a_missing_run_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "run", "--data", "x.npy"]) == 2
    assert "config.json is missing" in capsys.readouterr().err


@pytest.fixture(scope="module")
def prepared(evaluated):
    """The images of `evaluated` for testing, and others for training."""
    folder, data, _ = evaluated
    rng = np.random.default_rng(1)
    splits = {"train": rng.integers(0, 99, (140, 8, 8, 1), dtype="uint8")}
    splits["test"] = datasets.open_prepared(data).images("test")
    whole = folder.parent / "whole"
    write_prepared(whole, "mnist", from_arrays({s: (x, None) for s, x in splits.items()}, {}))
    return whole, splits


def test_all_modes_are_measured_and_the_saved_one_is_not_refitted(evaluated, prepared):
    folder, (data, splits) = evaluated[0], prepared
    words = ["evaluate", str(folder), "--data", str(data), "--metrics", "mean_std", "--seeds", "1"]
    assert main(words) == 0
    found = {(row.column, row.normalization): row.value for row in read_metrics(folder)}
    assert {mode for _, mode in found} == {None, *MODES}
    vae = TwoStageVAE.load(folder)
    test = choose_images(splits["test"])
    for mode in MODES:
        if mode != vae.latent_normalization.mode:  # as saved, of other images
            vae.fit_normalization(splits["train"], mode)
        for stage in (1, 2):
            images = vae.generate(len(test), stage, seed=0)
            assert found[f"GEN-{stage}", mode] == pytest.approx(mean_std(images), rel=1e-6)
        images = vae.reconstruct(test, normalize=True)
        assert found["REC", mode] == pytest.approx(mean_std(images), rel=1e-6)


def test_a_former_name_of_a_mode_works_with_one_line_of_warning(evaluated, capsys):
    folder, _, words = evaluated
    assert main([*words, "--metrics", "mse", "--normalization", "reference"]) == 0
    (warning,) = (line for line in capsys.readouterr().err.splitlines() if "warning" in line)
    assert warning == (
        "balancing-vae evaluate: warning: mode='reference' is deprecated and will be removed in "
        "version 0.3; use mode='gated'."
    )
    assert {row.normalization for row in read_metrics(folder)} == {None, "gated"}


def test_numbers_against_training_images_are_listed_separately(evaluated, prepared, capsys):
    folder, (data, splits) = evaluated[0], prepared
    words = ["evaluate", str(folder), "--data", str(data), "--features", "pixels", "--seeds", "1"]
    words += ["--images", "100", "--normalization", "gated"]
    assert main([*words, "--metrics", "fid", "mse"]) == 0
    capsys.readouterr()
    assert main([*words, "--metrics", "fid", "mse", "--against", "train"]) == 0
    assert "100 training images against 100" in capsys.readouterr().out
    rows = read_metrics(folder)
    against = {split: [r for r in rows if r.against == split] for split in ("test", "train")}
    assert len(against["test"]) == len(against["train"]) == 8
    first = choose_images(splits["train"][:100])
    assert {row.data_sha256 for row in against["train"]} == {content_sha256(first)}
    assert {row.normalization for row in rows} == {None, "gated"}
    (error,) = (
        row.value for row in against["train"] if (row.metric, row.normalization) == ("mse", None)
    )
    assert error == pytest.approx(mse(first / 255, TwoStageVAE.load(folder).reconstruct(first)))
    text = str(compare([folder], "mnist"))
    systems = [line.split(" | ")[0] for line in text.splitlines() if "FD(pixels)" in line]
    assert sum("against training images" in system for system in systems) == len(systems) / 2 > 0
    # Alone, too, they say so.
    (folder / "metrics.json").unlink()
    write_metrics(folder, against["train"])
    assert "against training images" in str(compare([folder], "mnist"))
