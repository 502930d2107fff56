"""A training that stops at its time limit and is resumed equals one without a limit."""

import math
from functools import partial
from itertools import count
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from balancing_vae.cli import main
from balancing_vae.storage.states import states_of
from balancing_vae.training.callbacks import time_limit
from balancing_vae.training.callbacks.time_limit import TimeLimit
from balancing_vae.training.callbacks.time_limit import TimeLimitReached
from tests.helpers.backends import numbers
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline

STEPS = 5  # of an epoch


class Clock(keras.callbacks.Callback):
    """A clock by which each step takes a second, and so does a validation."""

    now = 0.0

    def on_train_batch_begin(self, batch, logs=None):
        self.now += 1

    def on_test_begin(self, logs=None):
        self.now += 1


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time_limit, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def weights(vae) -> list[np.ndarray]:
    return [numbers(w) for stage in vae.stages.values() for w in stage.weights]


def train(run_dir, limit=None, clock=None, **changes):
    keras.utils.set_random_seed(0)
    vae = tiny_pipeline(**changes)
    vae.fit(
        tiny_images(8 * STEPS + 3),
        validation_data=tiny_images(11, seed=1),
        verbose=False,
        run_dir=run_dir,
        time_limit=limit,
        callbacks=[clock] if clock else [],
    )
    return vae


@pytest.mark.parametrize(
    ("limit", "stage", "epoch", "step"),
    # There must be time for two more steps; for one where an epoch and its validation are over.
    [
        (4.5, "stage1", 0, 3),
        pytest.param(6.5, "stage1", 1, 0, marks=pytest.mark.slow),
        pytest.param(9.5, "stage1", 1, 2, marks=pytest.mark.slow),
    ],
)
def test_a_resumed_training_ends_as_if_there_had_been_no_limit(
    limit, stage, epoch, step, clock, tmp_path
):
    whole = train(tmp_path / "whole")
    said = f"unfinished.*{stage} has {epoch} complete.* {step} steps"
    with pytest.warns(UserWarning, match=said):
        begun = train(tmp_path / "run", limit, clock)
    assert not begun.finished and whole.finished
    assert begun.latent_normalization is None
    states = states_of(tmp_path / "run", stage)
    assert states.epochs()[-1] == epoch
    assert states.begun(epoch).step == step
    resumed = train(tmp_path / "run")
    assert resumed.finished
    assert list(resumed.history) == list(whole.history)
    for one, other in zip(weights(resumed), weights(whole), strict=True):
        np.testing.assert_array_equal(one, other)


def test_stage_2_is_ended_and_resumed_too(clock, tmp_path):
    whole = train(tmp_path / "whole", epochs=1)
    with pytest.warns(UserWarning, match="unfinished.*stage2 has 0 complete epochs and 3 steps"):
        train(tmp_path / "run", 10.5, clock, epochs=1)
    resumed = train(tmp_path / "run", epochs=1)
    assert list(resumed.history) == list(whole.history)
    for one, other in zip(weights(resumed), weights(whole), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_an_average_of_the_weights_is_resumed_too(clock, tmp_path):
    average = {"use_ema": True, "ema_momentum": 0.9}
    changes = {"optimizer": {"name": "adam", **average}, "epochs2": 0}
    whole = train(tmp_path / "whole", **changes)
    with pytest.warns(UserWarning, match="unfinished"):
        train(tmp_path / "run", 4.5, clock, **changes)
    for one, other in zip(weights(train(tmp_path / "run", **changes)), weights(whole), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_training_ends_before_the_time_is_over(monkeypatch):
    """Steps of a second; what is under way, one more and the state must fit into ten."""
    now, saved = [0.0], []

    def a_second_later(batch, logs):
        now[0] += 1

    monkeypatch.setattr(time_limit, "time", SimpleNamespace(monotonic=lambda: now[0]))
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    slow = keras.callbacks.LambdaCallback(on_train_batch_end=a_second_later)
    limit = TimeLimit(10.0, lambda *where: saved.append(where))
    x = np.zeros((100, 1))
    with pytest.raises(TimeLimitReached):
        model.fit(x, x, 1, verbose=0, callbacks=[slow, limit])
    assert saved == [(0, 8)] and now == [8.0]


def test_at_least_one_step_is_done(tmp_path):
    with pytest.warns(UserWarning, match="stage1 has 0 complete epochs and 1 steps"):
        train(tmp_path, limit=1e-9)


def test_a_time_limit_without_a_run_folder_warns_that_nothing_is_saved():
    with pytest.warns(UserWarning, match="give a run_dir"):
        assert not train(None, limit=1e-9).finished


@pytest.mark.parametrize("limit", [0, -1, math.nan, math.inf, "9m", True])
def test_an_invalid_time_is_refused(limit):
    with pytest.raises(ValueError, match="time_limit must be"):
        tiny_pipeline().fit(tiny_images(), time_limit=limit)


def test_several_processes_have_no_time_limit(monkeypatch):
    monkeypatch.setattr(time_limit, "process_count", lambda: 2)
    with pytest.raises(ValueError, match="Several processes would stop at different steps"):
        time_limit.deadline_of(60)


@pytest.mark.parametrize("limit", ["0", "9 minutes", "m", "-5", "", "1e3", "nan"])
def test_an_invalid_time_limit_is_refused(limit, capsys):
    assert main(["train", "--out", "run", f"--time-limit={limit}"]) == 2
    assert "must be a time such as 90s, 9m or 1h30m" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_ends_unfinished_with_success_and_resumes(monkeypatch, tmp_path, capsys):
    # A clock that each look at it puts on by ten minutes.
    clock = SimpleNamespace(monotonic=partial(next, count(0, 600)))
    monkeypatch.setattr(time_limit, "time", clock)
    run = tmp_path / "run"
    words = ["train", "--preset", "digits-small", "--epochs", "1", "--epochs2", "1"]
    assert main([*words, "--out", str(run), "--time-limit", "1h30m"]) == 0
    said = capsys.readouterr()
    assert "unfinished" in said.out and "--resume" in said.out
    assert said.out.startswith("device: ")
    assert not (run / "stage1.weights.h5").exists()
    assert main(["train", "--resume", str(run)]) == 0
    assert "saved in" in capsys.readouterr().out
    assert (run / "stage1.weights.h5").exists()
