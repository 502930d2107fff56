"""Start-up of Keras and TensorFlow under a command: checks, and fewer messages."""

import faulthandler
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from balancing_vae.backend.watched_import import Execute
from balancing_vae.backend.watched_import import WatchingFinder
from balancing_vae.cli.interrupts import interrupts_raised


@contextmanager
def watch_keras_start(show_all: bool = False) -> Iterator[None]:
    """Hide TensorFlow's start-up messages, and let Ctrl-C end the import of Keras and TensorFlow.

    This takes effect when they are imported, so a command that computes nothing does not wait
    for a backend.

    Args:
        show_all: Whether TensorFlow's messages are shown.
    """
    # Hides messages that TensorFlow's C++ code logs after its start.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    around_tensorflow = _interruptible if show_all else _quiet
    finder = WatchingFinder({"keras": _interruptible, "tensorflow": around_tensorflow})
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def _interruptible(module: ModuleType, execute: Execute) -> None:
    with interrupts_raised():
        execute(module)


def _quiet(module: ModuleType, execute: Execute) -> None:
    with interrupts_raised(), _stderr_held_back():
        execute(module)


@contextmanager
def _stderr_held_back() -> Iterator[None]:
    """Hold back output to stderr, also from C++, and show it only if an exception is raised.

    TensorFlow logs before it has read `TF_CPP_MIN_LOG_LEVEL`, so no setting stops it.
    """
    stderr = os.dup(2)
    watched = faulthandler.is_enabled()
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        # If TensorFlow ends the process, at least the traceback is shown.
        faulthandler.enable(stderr)
        try:
            yield
        except Exception:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            faulthandler.enable(2) if watched else faulthandler.disable()
            os.dup2(stderr, 2)
            os.close(stderr)
