"""A run's folder: one training at a time, and the old run kept until the new one is complete."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from balancing_vae import TwoStageVAE
from balancing_vae.config import Config
from balancing_vae.files.formats import SAVED
from balancing_vae.files.lock import locked_run
from balancing_vae.files.targets import output_folder
from balancing_vae.storage.folder import read_description
from balancing_vae.storage.run import open_run
from tests.helpers.command_lines import contents
from tests.helpers.paths import SAVED_FOLDERS
from tests.helpers.pipelines import tiny_config
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline
from tests.helpers.processes import HANG
from tests.helpers.processes import environment

FORMAT_2 = SAVED_FOLDERS / "format-2"
HOLD = """
import sys
from balancing_vae.files.lock import locked_run
with locked_run(sys.argv[1]):
    print("held", flush=True)
    input()
"""


@pytest.fixture
def old(tmp_path):
    """A finished run."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("config.json", "history.csv", "stage1.weights.h5", "stage2.weights.h5"):
        shutil.copy(FORMAT_2 / name, folder / name)
    return folder


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of the folder `run`."""
    (tmp_path / "run").mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def begin(folder, **changes):
    return open_run(folder, tiny_config(**changes), resume=False, overwrite=False)


def replace(folder, **changes):
    return open_run(folder, tiny_config(**changes), resume=False, overwrite=True)


def resume(folder, **changes):
    return open_run(folder, tiny_config(**changes), resume=True, overwrite=False)


def save_a_state(folder):
    (folder / "states/stage1/epoch-00001").mkdir(parents=True)
    (folder / "states/stage1/epoch-00001/state.json").write_text("{}")


# Two at once.


def test_a_second_training_is_refused_with_the_process_id_of_the_first(tmp_path, old, holder):
    before = contents(old)
    refused = pytest.raises(OSError, match=f"Process {holder.pid} is training in {old}")
    for attempt in (resume, replace):
        with refused, attempt(old):
            pass
    with refused:
        tiny_pipeline().fit(tiny_images(), verbose=False, run_dir=old)
    with refused:
        tiny_pipeline().save(old, overwrite=True)
    with refused:
        output_folder(old, SAVED, overwrite=True)
    assert contents(old) == before


def test_resuming_leaves_another_processs_temporary_files_in_place(tmp_path, old, holder):
    leftover = old / "states/stage1/.0123abcd.epoch-00003"
    leftover.mkdir(parents=True)
    with pytest.raises(OSError, match=f"Process {holder.pid}"), resume(old):
        pass
    assert leftover.is_dir()


def test_the_lock_ends_with_its_process_even_if_it_is_killed(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "run/.lock").read_text() == str(holder.pid)
    with locked_run(tmp_path / "run"):
        assert (tmp_path / "run/.lock").read_text() == str(os.getpid())
        with locked_run(tmp_path / "run"):
            pass
        assert (tmp_path / "run/.lock").exists()
    assert list((tmp_path / "run").iterdir()) == []


def test_a_pipe_in_the_place_of_a_run_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with (
        pytest.raises(FileExistsError, match="pipe is not a folder"),
        locked_run(tmp_path / "pipe"),
    ):
        pass


def test_a_folder_with_nothing_but_a_lock_counts_as_empty(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.lock").write_text("1")
    with begin(tmp_path / "run"):
        pass
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"config.json"}


@pytest.mark.slow
def test_two_trainings_at_once_in_one_folder(tmp_path):
    words = ["train", "--preset", "digits", "--epochs", "3", "--epochs2", "3", "--out", "run"]
    command = [sys.executable, "-m", "balancing_vae", *words]
    common = {"cwd": tmp_path, "env": environment(), "text": True}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    both = [subprocess.Popen(command, **common, **pipes) for _ in range(2)]
    errors = [process.communicate(timeout=HANG)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 2]
    (loser,) = [error for process, error in zip(both, errors, strict=True) if process.returncode]
    assert "is training in" in loser or "is not empty" in loser
    stages = {row["stage"] for row in TwoStageVAE.load(tmp_path / "run").history}
    assert stages == {1, 2}


# Replacing.


def test_the_old_run_is_kept_until_the_new_one_is_complete(old):
    before = contents(old)
    with replace(old, epochs=5):
        assert contents(old / ".replaced") == before
        assert json.loads((old / "config.json").read_text())["config"]["epochs"] == 5
        save_a_state(old)
    names = {path.name for path in old.iterdir()}
    assert names == {"config.json", "states"}


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, OSError])
def test_a_new_run_that_fails_before_its_first_state_restores_the_former_one(old, failure):
    before = contents(old)
    with pytest.raises(failure), replace(old):
        (old / "tensorboard/stage1").mkdir(parents=True)
        (old / "tensorboard/stage1/events.out.tfevents.1").touch()
        raise failure
    assert contents(old) == before


def test_a_first_run_that_fails_before_its_first_state_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), begin(tmp_path / "run"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError), begin(tmp_path / "run"):
        (tmp_path / "run/notes.txt").write_text("dear")
        raise RuntimeError
    assert contents(tmp_path / "run") == {"notes.txt": b"dear"}


def test_a_run_that_is_replaced_twice_before_it_is_complete_loses_nothing(old):
    before = contents(old)
    for epochs in (5, 6):
        with pytest.raises(RuntimeError), replace(old, epochs=epochs):
            save_a_state(old)
            raise RuntimeError
    assert contents(old / ".replaced/.replaced") == before
    assert json.loads((old / ".replaced/config.json").read_text())["config"]["epochs"] == 5
    with resume(old, epochs=6):
        pass
    assert not (old / ".replaced").exists()


@pytest.mark.parametrize("moved", [1, 4])
@pytest.mark.parametrize("again", ["resume", "replace"])
def test_a_kill_while_the_old_run_is_moved_loses_nothing(old, moved, again):
    before = contents(old)
    names = sorted(before)
    aside = old / (".replacing" if moved < len(names) else ".replaced")
    aside.mkdir()
    for name in names[:moved]:
        (old / name).rename(aside / name)
    if again == "resume":
        config = Config.from_dict(read_description(FORMAT_2)["config"])
        with open_run(old, config, resume=True, overwrite=False):
            assert {k: v for k, v in contents(old).items() if k != ".lock"} == before
    else:
        with pytest.raises(RuntimeError), replace(old):
            raise RuntimeError
    assert contents(old) == before


def test_train_overwrites_a_run_only_when_the_new_one_is_complete(old, monkeypatch):
    from balancing_vae.cli import main

    before = contents(old)

    def out_of_memory(*_, **__):
        raise MemoryError

    monkeypatch.setattr(TwoStageVAE, "fit", out_of_memory)
    words = ["train", "--preset", "digits", "--out", str(old), "--overwrite"]
    assert main(words) == 2
    assert contents(old) == before
