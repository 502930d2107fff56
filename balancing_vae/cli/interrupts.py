"""Make Ctrl-C work even in libraries that ignore it."""

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS_UNTIL_AGAIN = 0.05


@contextmanager
def interrupts_again() -> Iterator[None]:
    """Send Ctrl-C again if it arrived in code whose exceptions Python prints and ignores.

    Examples of such code are destructors, and JAX's callback at each garbage collection.
    """
    before = sys.unraisablehook

    def hook(unraisable):
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            # Not immediately, because it would interrupt this function and be ignored again.
            threading.Timer(SECONDS_UNTIL_AGAIN, _thread.interrupt_main).start()
        else:
            before(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextmanager
def interrupts_raised() -> Iterator[None]:
    """Raise `KeyboardInterrupt` even if the code inside catches it or raises another error instead.

    Both happen while Keras and TensorFlow are imported.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield
        return
    received = False

    def receive(number, frame):
        nonlocal received
        received = True
        before(number, frame)

    signal.signal(signal.SIGINT, receive)
    try:
        yield
    except Exception:
        if not received:
            raise
    finally:
        signal.signal(signal.SIGINT, before)
    if received:
        raise KeyboardInterrupt


def forget_interrupt() -> None:
    """Let Python exit with the given code, although code run by C++ recorded an interrupt."""
    exec("")  # Only running source text resets the record (Python's pythonrun.c).
