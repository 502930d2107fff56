"""Write files and folders under a temporary name, then rename them into place.

A write works in a hidden folder next to its target, such as `.1234abcd.name`. Its process holds a
lock on that folder. The lock of a killed process is released, so the next write to the same name
recognises the leftover folder and removes it. The folder of a running process is not touched.
"""

import errno
import glob
import os
import shutil
import stat
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from balancing_vae.errors import BalancingVAEError
from balancing_vae.errors import ResourceError
from balancing_vae.files.exchange import exchange
from balancing_vae.files.formats import WORKSPACE
from balancing_vae.files.formats import FolderFormat
from balancing_vae.files.lock import try_lock
from balancing_vae.files.targets import output_file
from balancing_vae.files.targets import output_folder

# The name of the replaced folder in a workspace, if it could not be exchanged in one step.
_FORMER = ".former"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path; it becomes `path` on success and is removed on failure.

    A reader sees the old file or the new one, never a partial one. Parent folders are created,
    links are followed, and the old file's mode is kept.

    Args:
        path: The final path of the file. An existing regular file is replaced.

    Yields:
        The path to write to, with the same name as `path`.

    Raises:
        FileExistsError: `path` is a folder.
        ValueError: `path` is a device, a pipe or a socket.
        OSError: The disk is full or not writable; an old file is left unchanged.

    Example:
        ```python
        with atomic_file("runs/a/config.json") as temporary:
            temporary.write_text("{}")
        ```
    """
    target = output_file(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _no_space_explained(target), _workspace(target) as workspace:
        temporary = workspace / Path(path).name
        yield temporary
        _keep_mode(temporary, target)
        _flush_to_disk(temporary)
        os.replace(temporary, target)


@contextmanager
def atomic_folder(
    path: str | os.PathLike, form: FolderFormat, overwrite: bool = False
) -> Iterator[Path]:
    """Yield a temporary folder; it becomes `path` on success and is removed on failure.

    If the system supports it, the new folder replaces the old one in one step. Links are
    followed, and modes are kept.

    Args:
        path: The final path of the folder.
        form: The kind of folder.
        overwrite: Whether an existing folder of this kind may be replaced. A folder that holds
            any other file is never replaced.

    Yields:
        An empty folder to write into.

    Raises:
        FileExistsError: `path` exists, is not an empty folder, and may not be replaced.
        ValueError: The path cannot be a folder; see `output_folder`.
        OSError: The disk is full or not writable; an old folder is left unchanged.

    Example:
        ```python
        with atomic_folder("runs/a", SAVED, overwrite=True) as temporary:
            (temporary / "config.json").write_text("{}")
        ```
    """
    target = output_folder(path, form, overwrite)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _no_space_explained(target), _workspace(target) as workspace:
        temporary = workspace / target.name
        temporary.mkdir()
        yield temporary
        for new in (temporary, *temporary.rglob("*")):
            _keep_mode(new, target / new.relative_to(temporary))
            if new.is_file():
                _flush_to_disk(new)
        # Another process may have written to `path` meanwhile.
        output_folder(path, form, overwrite)
        if target.exists():
            _replace_folder(temporary, target, workspace)
        else:
            os.rename(temporary, target)


def sweep_leftovers(folder: Path, name: str | None = None) -> None:
    """Remove the leftovers of killed writes from a folder.

    If a write was killed between the two steps that replace a folder, the old folder is
    restored.

    Args:
        folder: The folder, resolved.
        name: Remove only leftovers of writes to this name; None removes all.
    """
    for leftover in folder.glob(".*") if name is None else folder.glob(f".*.{glob.escape(name)}"):
        match = WORKSPACE.fullmatch(leftover.name)
        if match and not leftover.is_symlink() and (leftover.is_dir() or leftover.is_file()):
            _sweep(leftover, folder / match[1])


def _sweep(leftover: Path, target: Path) -> None:
    with _locked(leftover) as is_ours:
        if is_ours is False or not leftover.exists():
            return
        contents = os.listdir(leftover) if leftover.is_dir() else []
        if is_ours is None or len(set(contents) - {_FORMER}) > 1:
            warnings.warn(
                f"{leftover} may be the leftover of a killed write; remove it if no other process "
                "is writing there.",
                stacklevel=2,
            )
        elif leftover.is_file():
            leftover.unlink()
        else:
            if _FORMER in contents and not os.path.lexists(target):
                os.rename(leftover / _FORMER, target)
            shutil.rmtree(leftover)


@contextmanager
def _workspace(target: Path) -> Iterator[Path]:
    """Yield a hidden, locked folder next to `target`; it is removed at the end."""
    sweep_leftovers(target.parent, target.name)
    while True:
        workspace = target.with_name(f".{uuid.uuid4().hex[:8]}.{target.name}")
        workspace.mkdir()
        with _locked(workspace) as is_ours:
            # Another process may have removed it before it was locked.
            if is_ours is False or not workspace.exists():
                continue
            try:
                yield workspace
                return
            finally:
                shutil.rmtree(workspace, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[bool | None]:
    """Lock a file or folder if it is not locked already; see `try_lock`."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:  # Windows cannot open folders
        yield None
        return
    try:
        yield try_lock(descriptor)
    finally:
        os.close(descriptor)


def _replace_folder(new: Path, target: Path, workspace: Path) -> None:
    """Move `new` to `target`, and the old `target` to the workspace."""
    if exchange(new, target):
        return
    former = workspace / _FORMER
    os.rename(target, former)
    try:
        os.rename(new, target)
    except BaseException:
        os.rename(former, target)
        raise


def _keep_mode(new: Path, old: Path) -> None:
    if old.exists() and old.is_dir() == new.is_dir():
        os.chmod(new, stat.S_IMODE(old.stat().st_mode))


def _flush_to_disk(path: Path) -> None:
    """Flush the content of `path` to the disk, so that it is there before the rename."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _no_space_explained(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # NumPy's error has no errno, only the text "1000 requested and 10 written".
        no_space = error.errno in _NO_SPACE or " requested and " in str(error)
        if isinstance(error, BalancingVAEError) or not no_space:
            raise
        # The target may itself lie in the workspace of a folder.
        path = Path(*(part for part in target.parts if not WORKSPACE.fullmatch(part)))
        raise ResourceError(
            f"{path} could not be written: {error.strerror or error}; free some space or choose "
            "another place. The old content was left unchanged."
        ) from error
