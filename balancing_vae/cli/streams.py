"""Standard streams that can always be written to."""

import io
import os
import sys


def make_streams_usable() -> None:
    """Open the standard streams that are closed, and let no character be refused.

    The next file that is opened gets the number of a closed stream. What a library logs to
    stderr would then be written into that file.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            # "±" in an ASCII terminal, or a file name that is not UTF-8.
            stream.reconfigure(errors="backslashreplace")


def drop_unwritable_output() -> None:
    """Throw away what a closed pipe or a full disk did not take, so that Python can end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
