"""Systems trained under the same conditions and compared in one table."""

import shutil
from functools import partial
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancing_vae.backend import epoch_timer
from balancing_vae.cli import main
from balancing_vae.errors import InputError
from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.evaluation.metrics_file import read_metrics
from balancing_vae.experiments import systems
from balancing_vae.experiments import systems_plan
from balancing_vae.experiments.systems import COLUMNS
from balancing_vae.experiments.systems import measure_systems
from balancing_vae.experiments.systems import systems_sheet
from balancing_vae.experiments.systems import systems_table
from balancing_vae.experiments.systems import train_systems
from balancing_vae.experiments.systems_plan import RecipeTime
from balancing_vae.fid import scoring
from balancing_vae.fid.networks.pixels import Pixels
from balancing_vae.storage.folder import read_history
from tests.helpers.pipelines import tiny_config
from tests.helpers.pipelines import tiny_images

# So few images are all that a test needs.
pytestmark = pytest.mark.filterwarnings("ignore:Only .* images")

ABOUT = ("noise", None, "a command")


@given(st.floats(0.001, 1), st.integers(0, 1000), st.integers(1, 1000), st.integers(0, 300))
def test_a_shortened_recipe_keeps_its_proportions(fraction, epochs, epochs2, lr_epochs):
    whole = tiny_config(epochs=epochs, epochs2=epochs2, lr_epochs=lr_epochs)
    short = systems_plan.shorten(whole, fraction)
    assert short.epochs2 == max(1, round(fraction * epochs2))
    assert (short.epochs == 0) == (epochs == 0) and (short.lr_epochs == 0) == (lr_epochs == 0)
    assert systems_plan.shorten(whole, 1) == whole


def take(startup, epochs):
    """Return a stand-in for `recipe_time`; `epochs` maps a recipe's epochs to seconds."""
    return lambda config, x, x_val: RecipeTime(startup, epochs[config.epochs])


def test_a_budget_is_divided_and_a_short_recipe_is_not_shortened(monkeypatch):
    monkeypatch.setattr(systems_plan, "recipe_time", take(40.0, {100: 1000.0, 10: 10.0}))
    configs = {"long": tiny_config(epochs=100, epochs2=0), "short": tiny_config(epochs=10)}
    # 80 % of 1200 s for two systems of two trainings each: 240 s a training, 200 of them epochs.
    plan = systems_plan.plan_trainings(configs, tiny_images(), None, trainings=2, minutes=20)
    assert plan["long"].epochs == 20
    assert plan["short"] == configs["short"]
    assert systems_plan.plan_trainings(configs, tiny_images(), None, 2, None) == configs


def test_a_budget_below_an_epoch_is_refused(monkeypatch):
    config = tiny_config(epochs=100, epochs2=0)
    for startup, seconds in ((0.0, 1e5), (1e3, 1.0)):
        monkeypatch.setattr(systems_plan, "recipe_time", take(startup, {100: seconds}))
        with pytest.raises(ValueError, match="larger --budget"):
            systems_plan.plan_trainings({"a": config}, tiny_images(), None, 1, 1)


def test_the_time_of_a_recipe_counts_steps_and_epochs(monkeypatch):
    # A clock that each look at it puts on by a second. An epoch of the trial's two steps is looked
    # at when it begins, after each step and in the end: it takes three seconds, a step one.
    clock = SimpleNamespace(perf_counter=partial(next, count()))
    for module in (systems_plan, epoch_timer):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(systems_plan, "TRIAL_STEPS", 2)
    short, long = tiny_config(epochs=10, epochs2=0), tiny_config(epochs=100, epochs2=100)
    # 24 images are a step more than the trial's, 2,400 are 298 more.
    assert systems_plan.recipe_time(short, tiny_images(24)).epochs == 10 * (3 + 1)
    assert systems_plan.recipe_time(long, tiny_images(24)).epochs == 2 * 100 * (3 + 1)
    assert systems_plan.recipe_time(short, tiny_images(2400)).epochs == 10 * (3 + 298)
    # Two epochs that are looked at four times each take nine.
    assert systems_plan.recipe_time(short, tiny_images(24)).startup == 9 - 2 * 3


@pytest.mark.slow
def test_a_finished_training_is_kept_and_a_lost_one_is_repeated(tmp_path):
    plan = {"a": tiny_config(epochs=1, epochs2=1), "b": tiny_config(balancing={"name": "learned"})}
    runs = train_systems(tmp_path, plan, 2, tiny_images())
    assert [len(folders) for folders in runs.values()] == [2, 2]
    assert len(read_history(runs["b"][1])) == 4
    written = {run: (run / "stage1.weights.h5").stat().st_mtime_ns for run in runs["a"]}
    shutil.rmtree(runs["b"][0])
    train_systems(tmp_path, plan, 2, tiny_images())
    assert written == {run: (run / "stage1.weights.h5").stat().st_mtime_ns for run in runs["a"]}
    assert len(read_history(runs["b"][0])) == 4

    real = tiny_images(40, seed=3)
    measured = measure_systems(runs, real, Pixels(), "asperti2020", *ABOUT, tiny_images(40, seed=4))
    assert measure_systems(runs, real, Pixels(), "asperti2020", *ABOUT) == measured
    # Of each training REC, GEN-1 and GEN-2, plain and normalised, and the noise floor.
    numbers = 2 * (2 * len(COLUMNS) + 1)
    assert {name: len(rows) for name, rows in measured.items()} == {"a": numbers, "b": numbers}
    sheet = systems_sheet(runs, real, count=3)
    assert list(sheet)[:3] == ["data", "a: REC", "a: GEN-1"]
    assert all(images.shape == (3, 4, 4, 1) for images in sheet.values())


def test_the_table_shows_mean_and_deviation_over_trainings():
    about = {"protocol": "asperti2020", "features": "pixels"}
    rows = [
        Measurement(column, "fid", value + seed, 40, 40, mode, seed, **about)
        for seed in (0, 1)
        for mode in (None, "gated")
        for column, value in (("REC", 1.0), ("GEN-1", 2.0), ("GEN-2", 3.0 - (mode is not None)))
    ]
    assert "Noise floor: not measured" in str(systems_table({"a": rows}))
    floor = Measurement("noise floor", "fid", 0.25, 40, 40, **about)
    lines = systems_table({"a": [*rows, floor]}).markdown().splitlines()
    assert lines[2] == "| a | 1.5 ± 0.71 | 2.5 ± 0.71 | 3.5 ± 0.71 |"
    assert lines[3] == "| a, normalised | 1.5 ± 0.71 | 2.5 ± 0.71 | 2.5 ± 0.71 |"
    assert "FD(pixels), protocol asperti2020" in lines[5]
    assert "2 trainings" in lines[5] and "Noise floor: 0.25 (40 " in lines[5]


def test_a_comparison_is_not_resumed_with_other_options(tmp_path, capsys, monkeypatch):
    def stop(*arguments, **options):
        raise InputError("stopped")

    monkeypatch.setattr(systems, "train_systems", stop)
    monkeypatch.setattr(scoring, "load_network", lambda name, *_: SimpleNamespace(name=name))
    np.save(tmp_path / "images.npy", tiny_images(60, side=8))
    begun = ["compare-systems", "digits", "--data", str(tmp_path / "images.npy")]
    begun += ["--systems", "digits", "--trainings", "1", "--features", "pixels"]
    begun += ["--budget", "full", "--out", str(tmp_path / "out")]
    # Once the plan is written, and again where it is resumed with the same options.
    for again in ([], ["--resume"]):
        assert main([*begun, *again]) == 2
        assert "stopped" in capsys.readouterr().err
    for words, message in (
        (["--protocol", "ttur"], "protocol: asperti2020 -> ttur"),
        (["--features", "others"], "features: pixels -> others"),
        (["--test-images", "20"], "test_images: 60 -> 20"),
        (["--train-images", "50"], "train_images: 60 -> 50"),
        (["--trainings", "2"], "trainings: 1 -> 2"),
        (["--systems", "digits-rae-l2"], "systems_compared: ['digits'] -> ['digits-rae-l2']"),
    ):
        assert main([*begun, "--resume", *words]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_resumes_with_the_same_options_only(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(systems_plan, "recipe_time", lambda config, x, x_val: RecipeTime(0, 1e5))
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), "u1"))
    words = ["compare-systems", "digits", "--data", str(tmp_path / "images.npy")]
    words += ["--systems", "digits", "--trainings", "1", "--features", "pixels"]
    words += ["--out", str(tmp_path / "out")]
    assert main([*words, "--budget", "20"]) == 0
    table = (tmp_path / "out/table.md").read_text()
    assert "| digits |" in table and "--budget 20" in table
    assert (tmp_path / "out/samples.png").stat().st_size > 1000
    (row, *_) = read_metrics(tmp_path / "out/digits/seed-0")
    assert row.command.startswith("balancing-vae compare-systems digits")
    capsys.readouterr()
    assert main([*words, "--budget", "20", "--resume"]) == 0
    assert main([*words, "--budget", "30", "--resume"]) == 2
    assert "budget: 20.0 -> 30.0" in capsys.readouterr().err


def test_bad_input_is_named_before_anything_is_trained(tmp_path, capsys):
    out = ["--features", "pixels", "--out", str(tmp_path / "out")]
    for words, message in (
        (["sounds", *out], "there are presets for celeba"),
        (["digits", "--systems", "cifar10", *out], "is for cifar10, not for digits"),
        (["digits", "--systems", "nothing", *out], "Unknown preset"),
        (["digits", "--trainings", "0", *out], "--trainings: must be at least 1, got 0"),
        (["digits", "--resume", *out], "has no comparison to resume"),
        (["mnist", *out], "--data"),
    ):
        assert main(["compare-systems", *words]) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
    assert main(["compare-systems", "digits", "--budget", "soon", *out]) == 2
    assert "smoke, full or minutes" in capsys.readouterr().err
