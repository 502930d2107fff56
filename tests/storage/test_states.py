"""Damaged training states: the newest complete one is used, and messages name the damage."""

import json
import shutil
import warnings

import keras
import numpy as np
import pytest

from balancing_vae.storage.states import TrainingStates
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline

FILES = ("state.json", "optimizer.npz", "model.weights.h5")


@pytest.fixture(scope="module")
def vae():
    pipeline = tiny_pipeline(epochs=2, epochs2=0)
    pipeline.fit(tiny_images(), verbose=False)
    return pipeline


@pytest.fixture(scope="module")
def saved(vae, tmp_path_factory):
    """States of two epochs; gamma tells them apart."""
    folder = tmp_path_factory.mktemp("states") / "stage1"
    states = TrainingStates(folder)
    rows = [{"stage": 1, "epoch": i, "loss": 1.0 / i, "gamma": float("nan")} for i in (1, 2)]
    for epoch in (1, 2):
        vae.stage1.balancing.running_mse.assign(float(epoch))
        states.save(vae.stage1, epoch, rows[:epoch])
    states.save_best(vae.stage1, 1, "val_mse", 0.5)
    return folder


@pytest.fixture
def states(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "stage1")
    return TrainingStates(tmp_path / "stage1")


def running_mse(model) -> float:
    return float(keras.ops.convert_to_numpy(model.balancing.running_mse))


def test_the_newest_state_is_loaded_without_a_warning(vae, states):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        epoch, history = states.load_latest(vae.stage1)
    assert (epoch, len(history), running_mse(vae.stage1)) == (2, 2, 2.0)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", ["empty", "cut", "missing"])
def test_a_damaged_newest_state_is_skipped_with_a_warning(vae, states, file, damage):
    path = states.folder / "epoch-00002" / file
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    with pytest.warns(UserWarning, match=f"epoch-00002/{file} .*Training resumes after epoch 1"):
        epoch, history = states.load_latest(vae.stage1)
    assert (epoch, len(history), running_mse(vae.stage1)) == (1, 1, 1.0)
    assert states.damaged == {2}
    assert states.epochs() == [1, 2]  # It goes when a newer one is whole.
    states.save(vae.stage1, 3, history)
    assert states.epochs() == [1, 3]


def test_a_repeated_epoch_replaces_a_damaged_state(vae, states):
    (states.folder / "epoch-00002/state.json").write_text("")
    with pytest.warns(UserWarning, match="state.json"):
        states.load_latest(vae.stage1)
    states.save(vae.stage1, 2, [])
    assert states.epochs() == [1, 2]
    assert states.load_latest(vae.stage1) == (2, [])


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"epoch": 7}, "epoch must be one of"),
        ({"epoch": True}, "epoch must be one of"),
        ({"noise": [1]}, "noise must be a list of 2"),
        ({"noise": [1, -1]}, r"noise\[1\] must not be negative"),
        ({"noise": [1, 2**32]}, r"noise\[1\] must be at most"),
        ({"noise": "ab"}, "noise must be a list of 2"),
        ({"noise": [0.5, 1]}, r"noise\[0\] must be a whole number"),
        ({"history": ""}, "history must be a list"),
        ({"history": {}}, "history must be a list"),
        ({"history": [1]}, "must be a dict"),
        ({"history": [{"stage": 1}]}, "must have epoch"),
        ({"history": [{"stage": 1, "epoch": 1, "loss": "low"}]}, "must be a number"),
        ({"history": [{"stage": 1, "epoch": 1, "loss": None}]}, "must be a number"),
        ({"extra": 1}, "must not have"),
    ],
)
def test_a_malformed_state_is_named_with_what_is_wrong(vae, states, change, wrong):
    shutil.rmtree(states.folder / "epoch-00001")
    path = states.folder / "epoch-00002/state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=f"epoch-00002/state.json is damaged: .*{wrong}"):
        states.load_latest(vae.stage1)


@pytest.mark.parametrize("text", ["", "null", "[]", "{", "\x00", "[" * 100_000, '{"epoch": 2}'])
def test_a_state_without_a_valid_description_is_named(vae, states, text):
    shutil.rmtree(states.folder / "epoch-00001")
    (states.folder / "epoch-00002/state.json").write_text(text)
    with pytest.raises(ValueError, match="epoch-00002/state.json is damaged") as caught:
        states.load_latest(vae.stage1)
    assert str(caught.value).count("\n") == 0


def test_the_newest_state_is_named_if_none_is_intact(vae, states):
    for epoch in (1, 2):
        (states.folder / f"epoch-0000{epoch}/state.json").write_text("")
    with pytest.raises(ValueError, match="epoch-00002/state.json is damaged"):
        states.load_latest(vae.stage1)


def test_the_optimizer_of_another_network_is_refused(vae, states):
    for epoch in (1, 2):
        path = states.folder / f"epoch-0000{epoch}/optimizer.npz"
        with np.load(path) as file:
            arrays = dict(file)
        np.savez(path, **arrays | {name: np.zeros(3) for name in list(arrays)[-1:]})
    with pytest.raises(ValueError, match="optimizer.npz holds the optimizer of another network"):
        states.load_latest(vae.stage1)


@pytest.mark.parametrize("text", ["", "{}", '{"value": "low"}', '{"value": null}', "[]"])
def test_a_damaged_record_of_the_best_epoch_is_named_before_training(vae, states, text):
    (states.folder / "best.json").write_text(text)
    with pytest.raises(ValueError, match="best.json is damaged: .*remove it"):
        states.load_latest(vae.stage1)
    with pytest.raises(ValueError, match="best.json is damaged"):
        states.save_best(vae.stage1, 2, "val_mse", 0.1)


def test_folders_that_are_not_states_are_not_changed(vae, states):
    (states.folder / "epoch-old").mkdir()
    (states.folder / "epoch-00001/notes.txt").write_text("dear")
    assert states.epochs() == [1, 2]
    states.save(vae.stage1, 3, [])
    states.save(vae.stage1, 4, [])
    assert states.epochs() == [1, 3, 4]  # with somebody's file in it, 1 stays
    assert (states.folder / "epoch-00001/notes.txt").read_text() == "dear"


@pytest.mark.slow
def test_training_resumes_from_the_newest_whole_state(tmp_path):
    def fit(folder):
        vae = tiny_pipeline(epochs=3, epochs2=0)
        vae.fit(tiny_images(), verbose=False, run_dir=folder)
        return vae

    whole = fit(tmp_path / "run")
    (tmp_path / "run/states/stage1/epoch-00003/state.json").write_text("")
    with pytest.warns(UserWarning, match="epoch-00003/state.json.*after epoch 2"):
        again = fit(tmp_path / "run")
    for ours, theirs in zip(again.stage1.get_weights(), whole.stage1.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert again.stage1.trained_epochs == 3


def test_a_state_determines_the_steps_per_execution(tmp_path):
    """Another number would round otherwise, and be another training."""
    states = TrainingStates(tmp_path)
    stage = tiny_pipeline(epochs2=0).stage1
    stage.settle_steps(7)
    states.save(stage, 1, [])
    assert (
        json.loads((tmp_path / "epoch-00001" / "state.json").read_text())["steps_per_execution"]
        == 7
    )
    resumed = tiny_pipeline(epochs2=0).stage1
    assert resumed.chooses_steps and resumed.steps_per_execution == 1
    states.load_latest(resumed)
    assert not resumed.chooses_steps and resumed.steps_per_execution == 7


def test_a_state_does_not_change_the_requested_steps_per_execution(tmp_path):
    states = TrainingStates(tmp_path)
    stage = tiny_pipeline(epochs2=0).stage1
    stage.settle_steps(7)
    states.save(stage, 1, [])
    stage.settle_steps(2)
    states.load_latest(stage)
    assert stage.steps_per_execution == 2
