"""Keep the standard streams writable."""

import errno
import io
import os
import sys


def make_streams_usable() -> None:
    """Open closed standard streams, and accept every character.

    The next file that is opened gets the number of a closed stream. A library that logs to
    stderr would then write to that file. If a shell script is started with stderr closed, that
    file is the script itself, open for reading.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
            if descriptor > 0:
                os.write(descriptor, b"")
        except OSError as error:
            if error.errno == errno.EBADF:
                _open_to_nobody(descriptor)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            # "±" in an ASCII terminal, or a file name that is not UTF-8.
            stream.reconfigure(errors="backslashreplace")


def _open_to_nobody(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null == descriptor:
        os.set_inheritable(descriptor, True)
    else:
        os.dup2(null, descriptor)
        os.close(null)


def drop_unwritable_output() -> None:
    """Discard output that a closed pipe or a full disk refused, so that Python can end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
