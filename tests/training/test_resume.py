"""A training that was interrupted and resumed ends with exactly the same weights."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from balancing_vae.storage.states import TrainingStates
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline
from tests.helpers.processes import HANG


class Interruption(Exception):
    """Stands for whatever ends a training."""


def interrupt(stage: int, epoch: int, when: str) -> keras.callbacks.Callback:
    """Return a callback that raises in one epoch of one stage."""

    class Interrupt(keras.callbacks.Callback):
        def fire(self, at):
            here = self.model.name == f"stage{stage}" and self.epoch == epoch and at == when
            if here:
                raise Interruption

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch
            self.fire("begin")

        def on_train_batch_end(self, batch, logs=None):
            self.fire("batch")

        def on_epoch_end(self, epoch, logs=None):
            self.fire("end")

    return Interrupt()


def weights(vae) -> list[np.ndarray]:
    return [*vae.stage1.get_weights(), *vae.stage2.get_weights()]


def fit(vae, **arguments):
    vae.fit(tiny_images(), validation_data=tiny_images(8, seed=1), verbose=False, **arguments)
    return vae


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    vae = fit(tiny_pipeline(epochs=3, epochs2=3), run_dir=tmp_path_factory.mktemp("run"))
    return weights(vae), vae.history


@pytest.mark.parametrize(
    ("stage", "epoch", "when"),
    [(1, 2, "batch"), (2, 0, "begin"), (2, 1, "end")],
)
def test_an_interrupted_training_resumes_to_the_same_result(
    tmp_path, uninterrupted, stage, epoch, when
):
    with pytest.raises(Interruption):
        fit(
            tiny_pipeline(epochs=3, epochs2=3),
            run_dir=tmp_path,
            callbacks=[interrupt(stage, epoch, when)],
        )
    resumed = fit(tiny_pipeline(epochs=3, epochs2=3), run_dir=tmp_path)
    expected, history = uninterrupted
    for ours, theirs in zip(weights(resumed), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert resumed.history == history
    assert resumed.stage1.trained_epochs == resumed.stage2.trained_epochs == 3


def test_the_last_two_states_and_the_best_are_kept(tmp_path):
    vae = fit(tiny_pipeline(epochs=3, epochs2=1), run_dir=tmp_path)
    states = TrainingStates(tmp_path / "states" / "stage1")
    assert states.epochs() == [2, 3]
    record = (states.folder / "best.json").read_text()
    rows = [row for row in vae.history if row["stage"] == 1]
    least = min(rows, key=lambda row: row["val_mse"])
    assert f'"epoch": {least["epoch"]}' in record and '"monitor": "val_mse"' in record


def test_states_may_be_less_frequent_but_the_last_one_exists(tmp_path, uninterrupted):
    apart = {"seconds_between_states": 3600}
    vae = fit(tiny_pipeline(epochs=3, epochs2=3), run_dir=tmp_path, **apart)
    assert TrainingStates(tmp_path / "states" / "stage1").epochs() == [1, 3]
    assert vae.history == uninterrupted[1]
    shutil.rmtree(tmp_path / "states" / "stage2")
    resumed = fit(tiny_pipeline(epochs=3, epochs2=3), run_dir=tmp_path, **apart)
    for ours, theirs in zip(weights(resumed), uninterrupted[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        fit(tiny_pipeline(), run_dir=tmp_path / "other", seconds_between_states=-1)


def test_files_of_a_killed_save_are_removed(tmp_path):
    states = TrainingStates(tmp_path)
    (tmp_path / ".12ab34cd.epoch-00007").mkdir()
    (tmp_path / ".12ab34cd.best.weights.h5").write_bytes(b"half")
    assert states.load_latest(tiny_pipeline().stage1) == (0, [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_a_state_of_another_model_is_refused(tmp_path):
    fit(tiny_pipeline(epochs=1, epochs2=1), run_dir=tmp_path)
    with pytest.raises(ValueError, match="another network"):
        fit(tiny_pipeline(second_dim=6, epochs=1, epochs2=2), run_dir=tmp_path)


def command(out: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "balancing_vae", "train", "--preset", "digits"),
        *("--epochs", "30", "--epochs2", "30", "--seed", "0", "--deterministic"),
        *("--out", str(out), *more),
    ]


def final_weights(out: Path) -> dict[str, bytes]:
    import h5py

    found = {}
    for stage in ("stage1", "stage2"):
        with h5py.File(out / f"{stage}.weights.h5") as file:
            file.visititems(
                lambda name, item, stage=stage: found.update(
                    {f"{stage}/{name}": item[()].tobytes()}
                    if isinstance(item, h5py.Dataset)
                    else {}
                )
            )
    return found


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_nothing(tmp_path):
    subprocess.run(command(tmp_path / "whole"), check=True, capture_output=True)
    out = tmp_path / "killed"
    moments = random.Random(0)
    kills = 0
    process = subprocess.Popen(command(out), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while kills < 10:
        # Each attempt lives until some epochs are done, then a random moment longer.
        goal = epochs_done(out) + moments.randint(2, 5)
        while process.poll() is None and epochs_done(out) < goal:
            time.sleep(0.02)
        time.sleep(moments.random())
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        process = subprocess.Popen(
            command(out, "--resume"), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
    assert process.wait() == 0
    assert kills == 10
    assert final_weights(out) == final_weights(tmp_path / "whole")
    assert (out / "history.csv").read_text() == (tmp_path / "whole/history.csv").read_text()


def epochs_done(out: Path) -> int:
    return sum(
        max((0, *TrainingStates(out / "states" / stage).epochs())) for stage in ("stage1", "stage2")
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_exits(tmp_path, number):
    out = tmp_path / "run"
    process = subprocess.Popen(
        command(out), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    while epochs_done(out) < 2 and process.poll() is None:
        time.sleep(0.05)
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=HANG)
    assert process.returncode == 128 + number
    assert "--resume" in errors and "Traceback" not in errors
    assert epochs_done(out) >= 2
