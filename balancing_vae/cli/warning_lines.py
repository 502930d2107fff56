"""Warnings as a reader of a terminal wants them: one line, no source code."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def warnings_as_lines(command: str) -> Iterator[None]:
    """Print each warning as `balancing-vae <command>: warning: ...` on stderr.

    Args:
        command: The subcommand's name.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("default", category=UserWarning, module="balancing_vae")
        warnings.showwarning = lambda message, *_, **__: print(
            f"balancing-vae {command}: warning: {message}", file=sys.stderr
        )
        yield
