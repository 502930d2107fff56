"""A killed write leaves the old folder or the new one; later writes remove its leftovers."""

import os
import re
import signal
import stat
import subprocess
import sys
import textwrap

import pytest

from balancing_vae.files import atomic
from balancing_vae.files.atomic import atomic_file
from balancing_vae.files.atomic import atomic_folder
from balancing_vae.files.atomic import sweep_leftovers
from balancing_vae.files.exchange import exchange
from balancing_vae.files.formats import FolderFormat
from tests.helpers.processes import HANG
from tests.helpers.processes import environment

LETTERS = FolderFormat("a folder of letters", re.compile("[ab]"))
WRITE = """
import os, re, signal, sys, time
from balancing_vae.files import atomic
from balancing_vae.files.formats import FolderFormat

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

exchange, rename = atomic.exchange, os.rename
{how}
with atomic.atomic_folder({path!r}, FolderFormat("letters", re.compile("[ab]")), True) as folder:
    (folder / "b").write_text("new")
    {inside}
"""


def write_and_die(path, how: str = "", inside: str = "") -> None:
    code = WRITE.format(how=textwrap.dedent(how), path=str(path), inside=inside)
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.fixture
def old(tmp_path):
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "a").write_text("old")
    return folder


def read(folder) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def can_exchange(folder) -> bool:
    (folder / "x").mkdir()
    (folder / "y").mkdir()
    done = exchange(folder / "x", folder / "y")
    (folder / "x").rmdir()
    (folder / "y").rmdir()
    return done


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take two steps")
def test_two_folders_are_exchanged_in_one_step(tmp_path, old):
    (tmp_path / "other").mkdir()
    if not exchange(tmp_path / "other", old):
        pytest.skip("this file system cannot")
    assert read(old) == {} and read(tmp_path / "other") == {"a": "old"}
    with pytest.raises(OSError, match="could not be replaced: No such file"):
        exchange(tmp_path / "missing", old)


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ("atomic.exchange = die", {"a": "old"}),
        ("atomic.exchange = lambda *paths: exchange(*paths) and die()", {"b": "new"}),
    ],
)
def test_a_kill_near_the_exchange_leaves_the_old_or_the_new_folder(tmp_path, old, how, found):
    if not can_exchange(tmp_path):
        pytest.skip("this file system cannot exchange")
    write_and_die(old, how)
    assert read(old) == found
    assert len(list(tmp_path.iterdir())) == 2  # and what the kill has left
    with atomic_folder(old, LETTERS, overwrite=True) as folder:
        (folder / "a").write_text("newer")
    assert read(old) == {"a": "newer"}
    assert list(tmp_path.iterdir()) == [old]


def test_a_kill_between_two_renames_hides_the_old_folder_only_until_the_next_write(tmp_path, old):
    how = """
        atomic.exchange = lambda *paths: False
        def rename_and_die(first, second):
            rename(first, second)
            die()
        os.rename = rename_and_die
    """
    write_and_die(old, how)
    assert not old.exists()
    sweep_leftovers(tmp_path, "letters")
    assert read(old) == {"a": "old"}
    assert list(tmp_path.iterdir()) == [old]


def test_folders_are_replaced_if_the_system_cannot_exchange_them(tmp_path, old, monkeypatch):
    monkeypatch.setattr(atomic, "exchange", lambda first, second: False)
    with atomic_folder(old, LETTERS, overwrite=True) as folder:
        (folder / "b").write_text("new")
    assert read(old) == {"b": "new"}
    rename = os.rename

    def fail_at_the_second(first, second):
        if os.fspath(second) == os.fspath(old) and os.path.basename(first) == "letters":
            raise OSError("no")
        rename(first, second)

    monkeypatch.setattr(os, "rename", fail_at_the_second)
    with (
        pytest.raises(OSError, match="no"),
        atomic_folder(old, LETTERS, overwrite=True) as folder,
    ):
        (folder / "a").write_text("newer")
    assert read(old) == {"b": "new"}
    assert list(tmp_path.iterdir()) == [old]


def test_the_next_write_removes_files_that_a_killed_one_left(tmp_path):
    path = tmp_path / "letters"
    write_and_die(path, inside="die()")
    (leftover,) = tmp_path.iterdir()
    assert leftover.name.startswith(".") and read(leftover / "letters") == {"b": "new"}
    with atomic_folder(tmp_path / "others", LETTERS):
        pass
    assert leftover.exists()  # it belongs to another name
    with atomic_folder(path, LETTERS) as folder:
        (folder / "a").write_text("1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["letters", "others"]


def test_files_of_a_running_process_are_not_removed(tmp_path):
    path = tmp_path / "letters"
    code = WRITE.format(how="", path=str(path), inside="print('at work', flush=True); input()")
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "at work\n"
    sweep_leftovers(tmp_path)
    with atomic_file(tmp_path / "other"):
        (workspace,) = tmp_path.glob(".*.letters")
        (tmp_path / "nothing").touch()
        (next(tmp_path.glob(".*.other")) / "other").touch()
    assert workspace.is_dir()
    process.communicate("\n", timeout=HANG)
    assert process.returncode == 0
    assert read(path) == {"b": "new"}


def test_files_of_unknown_origin_are_named_and_kept(tmp_path):
    strange = tmp_path / ".0123abcd.letters"
    strange.mkdir()
    (strange / "one").touch()
    (strange / "two").touch()
    with pytest.warns(UserWarning, match=r"\.0123abcd\.letters may be the leftover of a killed"):
        sweep_leftovers(tmp_path, "letters")
    assert len(list(strange.iterdir())) == 2
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".4567abcd.letters").symlink_to("elsewhere")
    (tmp_path / ".hidden").mkdir()
    os.mkfifo(tmp_path / ".89ababcd.letters")
    with pytest.warns(UserWarning):
        sweep_leftovers(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left >= {".4567abcd.letters", "elsewhere", ".hidden", ".89ababcd.letters"}


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_a_files_mode_is_kept(tmp_path, mode):
    path = tmp_path / "a.txt"
    path.touch()
    path.chmod(mode)
    with atomic_file(path) as temporary:
        temporary.write_text("new")
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_the_modes_of_a_folder_and_of_its_files_are_kept(tmp_path, old):
    old.chmod(0o700)
    (old / "a").chmod(0o600)
    with atomic_folder(old, LETTERS, overwrite=True) as folder:
        (folder / "a").write_text("new")
        (folder / "b").write_text("new")
    assert stat.S_IMODE(old.stat().st_mode) == 0o700
    assert stat.S_IMODE((old / "a").stat().st_mode) == 0o600


def test_files_that_are_added_during_the_work_are_kept(old):
    with (
        pytest.raises(FileExistsError, match="it holds love.txt"),
        atomic_folder(old, LETTERS, overwrite=True) as folder,
    ):
        (folder / "b").write_text("new")
        (old / "love.txt").write_text("dear")
    assert read(old) == {"a": "old", "love.txt": "dear"}


def test_a_system_without_locks_writes_and_removes_nothing(tmp_path, monkeypatch):
    from balancing_vae.files import lock

    monkeypatch.setattr(lock, "fcntl", None)
    path = tmp_path / "letters"
    with lock.locked_run(path), atomic_folder(path, LETTERS) as folder:
        (folder / "a").write_text("new")
    assert read(path) == {"a": "new"} and list(tmp_path.iterdir()) == [path]
    (tmp_path / ".0123abcd.letters").mkdir()
    with pytest.warns(UserWarning, match="remove it if no other process is writing there"):
        sweep_leftovers(tmp_path)
    assert (tmp_path / ".0123abcd.letters").is_dir()
