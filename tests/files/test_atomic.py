"""Atomic files and folders: all or nothing, and nothing is overwritten unless allowed."""

import re

import pytest

from balancing_vae.files.atomic import atomic_file
from balancing_vae.files.atomic import atomic_folder
from balancing_vae.files.formats import FolderFormat

LETTERS = FolderFormat("a folder of letters", re.compile("[ab]"))


def test_atomic_file_replaces(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_file(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_file_failure_keeps_the_old_one(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OSError, match="full"), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise OSError("the disk is full")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_folder_replaces_only_when_allowed(tmp_path):
    path = tmp_path / "run"
    with atomic_folder(path, LETTERS) as temporary:
        (temporary / "a").write_text("1")
    with pytest.raises(FileExistsError, match="--overwrite"), atomic_folder(path, LETTERS):
        pass
    with atomic_folder(path, LETTERS, overwrite=True) as temporary:
        (temporary / "b").write_text("2")
    assert [p.name for p in path.iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_folder_failure_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "run", LETTERS) as temporary:
        (temporary / "a").write_text("1")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
