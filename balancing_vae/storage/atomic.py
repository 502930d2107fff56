"""Write files and folders under a temporary name, then rename them into place."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from balancing_vae.errors import ExistingFileError


def temporary_name(path: Path) -> Path:
    """Return a hidden, unused name beside `path` that keeps its suffixes."""
    return path.with_name(f".{uuid.uuid4().hex[:8]}.{path.name}")


def _flush_to_disk(path: Path) -> None:
    """Force what was written to `path` onto the disk, so that a rename never outruns it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path; on success it becomes `path`, on failure it vanishes.

    A reader sees the old file or the new one, never a part. Parent folders are made.

    Args:
        path: Where the file shall stand in the end. An existing file is replaced.

    Yields:
        The path to write to, with the same suffixes as `path`.

    Raises:
        OSError: The disk is full or the place is not writable; an old file stays as it was.

    Example:
        ```python
        with atomic_file("runs/a/config.json") as temporary:
            temporary.write_text("{}")
        ```
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    try:
        yield temporary
        _flush_to_disk(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder; on success it becomes `path`, on failure it vanishes.

    Args:
        path: Where the folder shall stand in the end.
        overwrite: Whether a folder that is already there is replaced.

    Yields:
        An empty folder to write into.

    Raises:
        FileExistsError: `path` exists, is not an empty folder, and `overwrite` is false.
        OSError: The disk is full or the place is not writable; an old folder stays as it was.

    Example:
        ```python
        with atomic_folder("runs/a", overwrite=True) as temporary:
            (temporary / "config.json").write_text("{}")
        ```
    """
    path = Path(path)
    refuse_existing(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _flush_to_disk(file)
        if path.exists():
            old = temporary_name(path)
            os.rename(path, old)
            os.rename(temporary, path)
            shutil.rmtree(old)
        else:
            os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def refuse_existing(path: str | os.PathLike, overwrite: bool) -> None:
    """Raise if something stands at `path` that must not be overwritten.

    Args:
        path: A folder about to be written.
        overwrite: Whether the user allowed it to be replaced.

    Raises:
        FileExistsError: `path` is a file, or a folder that is not empty, without `overwrite`.
    """
    path = Path(path)
    if path.is_file():
        raise ExistingFileError(f"{path} is a file, a folder was expected; choose another place.")
    if not overwrite and path.is_dir() and any(path.iterdir()):
        raise ExistingFileError(
            f"{path} is not empty; choose another folder, or allow it to be replaced "
            "(overwrite=True, on the command line --overwrite)."
        )
