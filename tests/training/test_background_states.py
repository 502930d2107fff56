"""States are written in the background; training never overtakes or loses a write."""

import shutil
import threading

import keras
import numpy as np
import pytest

from balancing_vae.errors import ResourceError
from balancing_vae.storage.states import TrainingStates
from balancing_vae.storage.states import states_of
from tests.helpers.backends import numbers
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline


def train(run_dir, *callbacks, epochs=3):
    vae = tiny_pipeline(epochs=epochs, epochs2=0)
    vae.fit(tiny_images(), verbose=False, run_dir=run_dir, callbacks=list(callbacks))
    return vae


def weights(stage) -> list[np.ndarray]:
    return [np.array(numbers(weight)) for weight in stage.weights]


@pytest.fixture
def before_writing(monkeypatch):
    """Return a function that sets what is called with the epoch before its state is written."""
    saving = TrainingStates.saving

    def set_function(function):
        def saving_after(states, model, epoch, *rest):
            write = saving(states, model, epoch, *rest)

            def write_after():
                function(epoch)
                write()

            return write_after

        monkeypatch.setattr(TrainingStates, "saving", saving_after)

    return set_function


def test_the_next_epoch_trains_while_a_state_is_written(tmp_path, before_writing):
    next_epoch, waited, kept = threading.Event(), [], {}

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kept[epoch + 1] = weights(self.model)
            if epoch == 1:
                next_epoch.set()

    before_writing(lambda epoch: epoch > 1 or waited.append(next_epoch.wait(timeout=20)))
    train(tmp_path, Watch(), epochs=2)
    assert waited == [True]
    # What was copied, not what the weights were when it was written.
    states = states_of(tmp_path, "stage1")
    assert states.epochs() == [1, 2]
    for epoch in (2, 1):
        stage = tiny_pipeline().stage1
        assert states.load_latest(stage)[0] == epoch
        for found, expected in zip(weights(stage), kept[epoch], strict=True):
            np.testing.assert_array_equal(found, expected)
        shutil.rmtree(states.folder / f"epoch-{epoch:05d}")


@pytest.mark.parametrize("failing", [1, 3])
def test_a_write_that_fails_fails_the_training(failing, tmp_path, before_writing):
    def full(epoch):
        if epoch == failing:
            raise ResourceError("The disk is full.")

    before_writing(full)
    with pytest.raises(OSError, match="The disk is full"):
        train(tmp_path)
    assert states_of(tmp_path, "stage1").epochs() == list(range(1, failing))


@pytest.mark.parametrize("fails_too", [False, True])
def test_an_error_of_the_training_waits_for_the_write(fails_too, tmp_path, before_writing):
    failed = threading.Event()

    def slow(epoch):
        failed.wait(timeout=20)
        if fails_too:
            raise ResourceError("The disk is full.")

    class Fail(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                failed.set()
                raise RuntimeError("the training failed")

    before_writing(slow)
    with pytest.raises(OSError if fails_too else RuntimeError) as caught:
        train(tmp_path, Fail())
    if fails_too:
        assert str(caught.value.__context__) == "the training failed"
    else:
        assert states_of(tmp_path, "stage1").load_latest(tiny_pipeline().stage1)[0] == 1
