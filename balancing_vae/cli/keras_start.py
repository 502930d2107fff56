"""What happens when a command is the first to import Keras or TensorFlow."""

import faulthandler
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import nullcontext
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.machinery import PathFinder

from balancing_vae.cli.interrupts import interrupts_raised


@contextmanager
def watch_keras_start(show_all: bool = False) -> Iterator[None]:
    """Check the backend before Keras is imported, and hold TensorFlow's start-up lines back.

    Both happen at the import itself, so that a command which computes nothing needs no
    backend and does not wait for one.

    Args:
        show_all: Whether TensorFlow's lines are shown nevertheless.
    """
    # What TensorFlow's C++ side logs after its start.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    finder = _Finder(show_all)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder(MetaPathFinder):
    """Finds nothing by itself, but sees what is imported."""

    def __init__(self, show_all: bool):
        self.show_all = show_all

    def find_spec(self, name: str, path=None, target=None) -> ModuleSpec | None:
        if name not in ("keras", "tensorflow"):
            return None
        if name == "keras":
            from balancing_vae.checks import check_backend

            check_backend()
        quietly = name == "tensorflow" and not self.show_all
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_watched(module):
                with interrupts_raised(), _stderr_held_back() if quietly else nullcontext():
                    execute(module)

            spec.loader.exec_module = execute_watched  # type: ignore[method-assign]  # of this spec
        return spec


@contextmanager
def _stderr_held_back() -> Iterator[None]:
    """Keep what is written to stderr, by C++ too; show it only if an exception is raised.

    TensorFlow logs before it has read `TF_CPP_MIN_LOG_LEVEL`, so no setting stops it.
    """
    stderr = os.dup(2)
    watched = faulthandler.is_enabled()
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        # Where TensorFlow ends the process, the place is shown at least.
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
