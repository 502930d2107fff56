"""File locks that are released when their process ends, even if it is killed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from balancing_vae.errors import ExistingFileError
from balancing_vae.errors import ResourceError

try:
    import fcntl
except ImportError:  # Windows lacks these locks, so two trainings in one folder are not detected.
    fcntl = None  # type: ignore[assignment]  # marks it as missing

LOCK = ".lock"
# The locks that this process holds. Even this process could not lock the same file twice.
_HELD: set[Path] = set()


@contextmanager
def locked_run(folder: str | os.PathLike) -> Iterator[None]:
    """Hold the lock of a run's folder, so that only one process at a time writes there.

    The lock is on the file `.lock` in the folder, which holds the process's id and is
    removed at the end. A process that holds the lock may take it again.

    Args:
        folder: The run's folder; created if it is missing.

    Raises:
        FileExistsError: The path is not a folder.
        OSError: Another process holds it; the message says which.

    Example:
        ```python
        with locked_run("runs/a"):
            vae.fit(x_train, run_dir="runs/a")
        ```
    """
    path = Path(os.path.realpath(folder)) / LOCK
    if fcntl is None or path in _HELD:
        yield
        return
    if os.path.lexists(path.parent) and not path.parent.is_dir():
        raise ExistingFileError(f"{folder} is not a folder; choose another name for the run.")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _take(path)
    _HELD.add(path)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        _HELD.discard(path)
        path.unlink(missing_ok=True)
        os.close(descriptor)


def refuse_locked(folder: Path) -> None:
    """Raise if another process holds the lock of a run's folder.

    Args:
        folder: The run's folder, resolved.

    Raises:
        OSError: Another process trains there; the message says which.
    """
    path = folder / LOCK
    if path in _HELD or not path.is_file() or path.is_symlink():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if try_lock(descriptor) is False:
            raise _refusal(path)
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool | None:
    """Lock an open file or folder if it is not locked already.

    Args:
        descriptor: The result of `os.open`; closing it releases the lock.

    Returns:
        True if it is locked now; False if another process or descriptor holds the lock; None
        if this system cannot tell.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # such as a network file system without locks
        return None
    return True


def _take(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        if try_lock(descriptor) is False:
            os.close(descriptor)
            raise _refusal(path)
        # The previous holder may have removed the file between the two calls.
        if path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor)):
            return descriptor
        os.close(descriptor)


def _refusal(path: Path) -> ResourceError:
    holder = path.read_text("ascii", "replace") if path.is_file() else ""
    return ResourceError(
        f"Process {holder or '(unknown)'} is training in {path.parent}; wait until it has ended, "
        "or choose another folder."
    )
