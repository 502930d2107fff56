"""Replace a folder by a new one, in one step if the system supports it."""

import ctypes
import errno
import os
import sys
from pathlib import Path

from balancing_vae.errors import ResourceError

# From <fcntl.h> and <linux/fs.h>.
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)


def exchange(first: Path, second: Path) -> bool:
    """Exchange two files or folders in one step, so that both paths exist at any moment.

    Args:
        first: A path on the same file system as `second`.
        second: The other one.

    Returns:
        Whether they were exchanged; False if the system or the file system does not support it.

    Raises:
        OSError: One is missing or cannot be moved.
    """
    if sys.platform != "linux":
        return False
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:  # an old C library
        return False
    paths = (os.fsencode(first), os.fsencode(second))
    if renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise ResourceError(
        f"{second} could not be replaced: {os.strerror(number)}; it was left unchanged. Make its "
        "folder writable, or choose another place."
    )
