"""The history that `fit` returns: rows, columns, a table, curves."""

import importlib.util
import json
import math

import pytest

from balancing_vae.pipeline.history import History

ROWS = [
    {"stage": 1, "epoch": 1, "loss": 2.0, "kl": 1.0, "mse": 0.5, "gamma": 1.0},
    {"stage": 1, "epoch": 2, "loss": 1.0, "kl": 1.0, "mse": 0.25, "gamma": 0.9, "val_mse": 0.3},
    {"stage": 2, "epoch": 1, "loss": 3.0, "kl": 2.0, "mse": 0.75, "gamma": 1.0},
]
HISTORY = History(ROWS)


def test_it_is_the_rows_and_has_columns():
    assert HISTORY == ROWS and json.loads(json.dumps(HISTORY)) == ROWS
    assert HISTORY.history["loss"] == [2.0, 1.0, 3.0]
    assert math.isnan(HISTORY.history["val_mse"][0])
    assert HISTORY.of_stage(1).history["epoch"] == [1, 2]


def test_its_repr_is_short():
    expected = "History(stage 1: 2 epochs, last loss 1, mse 0.25; stage 2: 1 epochs, last loss 3"
    assert repr(HISTORY).startswith(expected)
    assert repr(History()) == "History(no epoch yet)"


def test_it_draws_its_curves_although_some_epochs_lack_a_value():
    titles = [axis.get_title() for axis in HISTORY.plot().axes]
    assert titles[:2] == ["stage 1: loss", "stage 1: kl"] and len(titles) == 8


def test_it_becomes_a_data_frame_if_pandas_is_installed():
    if importlib.util.find_spec("pandas"):
        assert list(HISTORY.to_dataframe()["loss"]) == [2.0, 1.0, 3.0]
    else:
        with pytest.raises(ImportError, match="pip install pandas"):
            HISTORY.to_dataframe()
