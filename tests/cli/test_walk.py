"""Every argument of every subcommand, with invalid values."""

import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from balancing_vae import TwoStageVAE
from balancing_vae.cli import main
from balancing_vae.errors import InputError
from balancing_vae.experiments import averages
from balancing_vae.experiments import balancing_strategies as balancing
from balancing_vae.experiments import figure4 as fig4
from balancing_vae.experiments import linear_autoencoder as linear
from balancing_vae.experiments import normalization_study as normalization
from balancing_vae.experiments import overfitting
from balancing_vae.fid import scoring
from balancing_vae.models.vae import VAE
from tests.helpers.parsers import arguments_of
from tests.helpers.parsers import commands
from tests.helpers.paths import ROOT
from tests.helpers.processes import HANG

VALUES = ("", "absent", "file.txt", "folder", "9" * 40)
MORE_VALUES = (*VALUES, "file.txt/below", "empty.npy", "x" * 300, "-1", "0", "nan", "wörd \udcff")
# What the other arguments are while one is walked.
USUAL = {
    "run_folder": "run",
    "runs": "set",
    "folder": "set",
    "sampler": "gaussian",
    "checkpoint": "run",
    "real": "x.npy",
    "generated": "x.npy",
    "dataset": "digits",
    "what": "digits",
    "repository": "owner/name",
    "name": "digits",
    "--preset": "digits",
    "--out": "new",
    "--data": "x.npy",
}
FURTHER = {
    "datasets prepare": ["--source", "photos", "--side", "8", "--workers", "1"],
    "evaluate": ["--features", "pixels", "--seeds", "1"],
    "fid": ["--features", "pixels"],
    "compare-systems": ["--systems", "digits-small", "--features", "pixels"],
    "reproduce normalization": ["--features", "pixels", "--seeds", "1", "--samples", "8"],
    "reproduce table1": ["--features", "pixels"],
    "reproduce table2": ["--features", "pixels"],
}


COMMANDS = commands()


def command_lines(name: str, values: tuple[str, ...]) -> Iterator[list[str]]:
    """Yield the words of each case: one argument has a bad value, the others their usual one."""
    actions = [a for a in arguments_of(COMMANDS[name]) if a.nargs != 0]
    for walked in actions:
        for value in values:
            words = name.split() + FURTHER.get(name, [])
            for action in actions:
                flag = action.option_strings[-1:]
                usual = USUAL.get(flag[0] if flag else action.dest)
                if name == "datasets prepare" and action.dest == "name":
                    usual = "folder"
                if action is walked:
                    words += [*flag, value]
                elif action.required or not flag:
                    assert usual is not None, f"USUAL does not say what {action.dest} is"
                    words += [*flag, usual]
            yield words


@pytest.fixture
def sandbox(tmp_path, tiny_run, monkeypatch) -> Path:
    """A working folder with a run, a set and files; no network; the home folder elsewhere."""
    folder = tmp_path / "work"
    (folder / "folder").mkdir(parents=True)
    (folder / "photos").mkdir()
    (folder / "file.txt").write_text("dear")
    (folder / "empty.npy").touch()
    np.save(folder / "x.npy", np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), np.uint8))
    Image.new("RGB", (9, 9)).save(folder / "photos" / "a.png")
    shutil.copytree(tiny_run, folder / "run")
    shutil.copytree(ROOT / "weights/digits", folder / "set")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))

    def refuse(*_, **__):
        raise OSError("there is no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return folder


@contextmanager
def limited() -> Iterator[None]:
    def end(*_):
        raise TimeoutError(f"not done after {HANG} seconds")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(HANG)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def files_of(folder: Path) -> dict:
    """Return sizes and times of the checkout's files."""
    found = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith((".", "__")) and f != "build"]
        for name in names:
            about = os.lstat(os.path.join(place, name))
            found[os.path.join(place, name)] = (about.st_size, about.st_mtime_ns)
    return found


def refuse_work(*_, **__):
    raise InputError("Everything was accepted; the work would begin.")


def train_nothing(monkeypatch) -> None:
    monkeypatch.setattr(TwoStageVAE, "fit", refuse_work)
    monkeypatch.setattr(VAE, "fit", refuse_work)
    monkeypatch.setattr(linear, "train_linear_autoencoder", refuse_work)
    monkeypatch.setattr(averages, "measure_averages", refuse_work)
    for module in (balancing, fig4, normalization, overfitting):
        monkeypatch.setattr(module, "measure_each", refuse_work)


def walk(name: str, values: tuple[str, ...], sandbox: Path, capsys) -> None:
    before = files_of(ROOT)
    beside = {path.name for path in sandbox.parent.iterdir()} | {"home"}
    wrong = []
    for words in command_lines(name, values):
        started = time.monotonic()
        with limited():
            code = main(words)
        shown = capsys.readouterr().err
        lines = shown.splitlines()
        refusal = lines[-1].startswith(f"balancing-vae {words[0]}: ") if lines else False
        if code not in (0, 2) or (code == 2 and not refusal) or "Traceback" in shown:
            wrong.append(f"{words}: {code}, {time.monotonic() - started:.1f} s, {shown[-500:]}")
        if Path("new").is_dir():
            shutil.rmtree("new")
    assert not wrong, "\n".join(wrong)
    assert files_of(ROOT) == before
    assert {path.name for path in sandbox.parent.iterdir()} <= beside
    assert (sandbox / "file.txt").read_text() == "dear"


@pytest.mark.parametrize("name", COMMANDS)
def test_bad_values_are_refused_in_one_line(name, sandbox, capsys, monkeypatch):
    """As far as the work: nothing is loaded, trained or measured."""
    monkeypatch.setattr(TwoStageVAE, "__init__", refuse_work)
    monkeypatch.setattr(TwoStageVAE, "load", refuse_work)
    monkeypatch.setattr(scoring, "load_network", refuse_work)
    train_nothing(monkeypatch)
    walk(name, VALUES, sandbox, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_bad_values_are_refused_with_real_runs_and_networks(name, sandbox, capsys, monkeypatch):
    """With real runs and networks; only trainings are left out."""
    train_nothing(monkeypatch)
    walk(name, MORE_VALUES, sandbox, capsys)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_distinguishes_sampling_seeds_and_trainings(name):
    helps = {flag: a.help for a in arguments_of(COMMANDS[name]) for flag in a.option_strings}
    assert helps.get("--seeds", "sampling seeds").startswith("sampling seeds")
    assert "trainings" not in helps.get("--seeds", "")
