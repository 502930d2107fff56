"""Write files and folders under a temporary name, then rename them into place.

A write works in a hidden folder beside its target, `.1234abcd.name`, which is locked as
long as its process lives. So the next write to the same name knows what a killed one has
left, and sweeps it away; what a living process is at work in, it leaves alone.
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

# In a workspace: the folder that was replaced, where it could not be exchanged in one step.
_FORMER = ".former"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path; on success it becomes `path`, on failure it vanishes.

    A reader sees the old file or the new one, never a part. Parent folders are made, links
    are followed, and the old file's mode is kept.

    Args:
        path: Where the file is to be. A regular file that is there is replaced.

    Yields:
        The path to write to, with the same name as `path`.

    Raises:
        FileExistsError: A folder is there.
        ValueError: A device, a pipe or a socket is there.
        OSError: The disk is full or the place is not writable; an old file stays as it was.

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
    """Yield a temporary folder; on success it becomes `path`, on failure it vanishes.

    Where the system can, the new folder takes the old one's place in one step. Links are
    followed, and modes are kept.

    Args:
        path: Where the folder is to be.
        form: What is written there.
        overwrite: Whether a folder of this form that is already there may be replaced; one
            that holds any other file never is.

    Yields:
        An empty folder to write into.

    Raises:
        FileExistsError: `path` exists, is not an empty folder, and may not be replaced.
        ValueError: The path is not one for a folder; see `output_folder`.
        OSError: The disk is full or the place is not writable; an old folder stays as it was.

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
        # Something may have been put there while this was written.
        output_folder(path, form, overwrite)
        if target.exists():
            _replace_folder(temporary, target, workspace)
        else:
            os.rename(temporary, target)


def sweep_leftovers(folder: Path, name: str | None = None) -> None:
    """Remove what killed writes have left in a folder.

    Where a write was killed between the two steps in which a folder is replaced, the old
    folder is put back.

    Args:
        folder: The folder, resolved.
        name: Only what was left of writes to this name in it; None: to any.
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
                f"{leftover} may be what a killed write has left; remove it if no other process "
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
    """Yield a hidden folder beside `target`, locked; it vanishes in the end."""
    sweep_leftovers(target.parent, target.name)
    while True:
        workspace = target.with_name(f".{uuid.uuid4().hex[:8]}.{target.name}")
        workspace.mkdir()
        with _locked(workspace) as is_ours:
            # Another process may have swept it away before it was locked.
            if is_ours is False or not workspace.exists():
                continue
            try:
                yield workspace
                return
            finally:
                shutil.rmtree(workspace, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[bool | None]:
    """Lock a file or folder if nobody else has it locked; see `try_lock`."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:  # Windows does not open folders
        yield None
        return
    try:
        yield try_lock(descriptor)
    finally:
        os.close(descriptor)


def _replace_folder(new: Path, target: Path, workspace: Path) -> None:
    """Put `new` in the place of `target`, which is in the workspace afterwards."""
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
    """Force what was written to `path` onto the disk, so that a rename never outruns it."""
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
        # NumPy gives no number: "1000 requested and 10 written".
        no_space = error.errno in _NO_SPACE or " requested and " in str(error)
        if isinstance(error, BalancingVAEError) or not no_space:
            raise
        # The target may itself be in the workspace of a folder.
        path = Path(*(part for part in target.parts if not WORKSPACE.fullmatch(part)))
        raise ResourceError(
            f"{path} could not be written: {error.strerror or error}; free some space or choose "
            "another place. What was there stays as it was."
        ) from error
