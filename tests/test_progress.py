"""Progress bars appear only where somebody can watch them; elsewhere there are lines or nothing."""

import io
import sys

import keras
import numpy as np
import pytest

from balancing_vae.experiments.resumable import measure_each
from balancing_vae.progress import progress_bar
from balancing_vae.progress import shows_bars
from balancing_vae.progress import write_line
from balancing_vae.training.callbacks import TrainingProgress


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Notebook(io.StringIO):
    __module__ = "ipykernel.iostream"


each_stream = pytest.mark.parametrize("kind", [io.StringIO, Terminal, Notebook, lambda: None])


@each_stream
def test_a_bar_is_shown_on_a_terminal(kind, monkeypatch):
    stream = kind()
    monkeypatch.setattr(sys, "stderr", stream)
    watched = isinstance(stream, Terminal | Notebook)
    assert shows_bars() == watched
    for wanted in (False, True):
        with progress_bar(wanted, total=3, desc="title", mininterval=0) as bar:
            bar.update(3)
            write_line("a line")
        if stream is not None:
            assert ("3/3" in stream.getvalue()) == (watched and wanted)
    if stream is not None:
        assert stream.getvalue().count("a line\n") == 2


@each_stream
def test_a_training_shows_a_bar_or_one_line_per_epoch_and_never_fails(kind, monkeypatch):
    stream = kind()
    monkeypatch.setattr(sys, "stderr", stream)
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(loss="mse", jit_compile=False)
    x = np.zeros((4, 1), np.float32)
    model.fit(x, x, epochs=3, initial_epoch=1, verbose=0, callbacks=[TrainingProgress("stage 1")])
    if isinstance(stream, Terminal | Notebook):
        assert "stage 1 100%|" in stream.getvalue() and "loss=0" in stream.getvalue()
        assert "epoch" not in stream.getvalue()
    elif stream is not None:
        lines = "stage 1, epoch 2 of 3: loss 0\nstage 1, epoch 3 of 3: loss 0\n"
        assert stream.getvalue() == lines


def test_an_experiment_shows_one_line_per_case(monkeypatch, tmp_path):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    cases = [{"case": 1}, {"case": 2}]
    rows = measure_each(tmp_path / "rows.json", cases, lambda case: {"value": 0}, "title")
    assert [row["case"] for row in rows] == [1, 2]
    assert stream.getvalue() == "title: 1 of 2 cases\ntitle: 2 of 2 cases\n"


def test_a_notebook_shows_widgets_if_they_are_installed(monkeypatch):
    import tqdm.notebook

    made = []
    monkeypatch.setattr(tqdm.notebook, "tqdm", lambda **options: made.append(options))
    for kind, spec, expected in (
        (Notebook, "found", [{"bar_format": "{desc}|{bar}|", "total": 3}]),
        (Notebook, None, []),
        (Terminal, "found", []),
        (io.StringIO, "found", []),
    ):
        monkeypatch.setattr(sys, "stderr", kind())
        monkeypatch.setattr("importlib.util.find_spec", lambda name, spec=spec: spec)
        progress_bar(total=3, bar_format="{desc}|{bar:20}|")
        assert made == expected
        made.clear()
