"""A callback's values are read from the device only when the callback asks for them."""

import keras
import pytest

from balancing_vae.backend import lazy_logs
from balancing_vae.training.batches import EpochBatches
from balancing_vae.training.batches import FileOrderBatches
from balancing_vae.training.callbacks import TrainingProgress
from tests.helpers.stage_cases import compiled
from tests.helpers.stage_cases import data_for
from tests.helpers.stage_cases import registered_models
from tests.helpers.stage_cases import stage_of


@pytest.fixture
def reads(monkeypatch):
    """The names of the values that are read."""
    found = []
    read = lazy_logs.LazyLogs.__getitem__

    def count(self, name):
        found.append(name)
        return read(self, name)

    monkeypatch.setattr(lazy_logs.LazyLogs, "__getitem__", count)
    return found


def train(count, *callbacks):
    stage = compiled(stage_of(registered_models()["autoencoder"]))
    batches = EpochBatches(data_for(stage, count=count), 4, seed=0)
    history = stage.fit(batches, epochs=2, shuffle=False, verbose=0, callbacks=list(callbacks))
    return history.history


def test_logs_are_not_read_after_a_step_unless_a_callback_reads_them(reads):
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(batch)
    )
    history = train(8, watch, TrainingProgress("stage 1"))
    assert seen == [0, 1, 0, 1]
    # Four steps in all: the device is let get two ahead.
    assert len(reads) == 2
    assert len(history["loss"]) == len(history["mse"]) == 2


def test_a_log_that_is_read_is_a_number():
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append((logs["loss"], {**logs}, logs.copy()))
    )
    history = train(4, watch)
    for (loss, whole, copied), expected in zip(seen, history["loss"], strict=True):
        assert type(loss) is float and loss == pytest.approx(expected, rel=1e-6)
        assert whole == copied and {"loss", "mse"} <= set(whole)


def test_logs_are_not_read_during_a_validation(reads):
    stage = compiled(stage_of(registered_models()["autoencoder"]))
    x = data_for(stage, count=8)
    stage.fit(
        EpochBatches(x, 4, seed=0),
        validation_data=FileOrderBatches(x, 4),
        shuffle=False,
        verbose=0,
    )
    # Of four steps in all, two of them of the validation, the first two are waited for.
    assert len(reads) == 2
