"""Map a function over items in several processes, with results in the order of the items."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from balancing_vae.errors import InputError

_MOST_WORKERS = 256


def _start_worker(initializer: Callable | None, arguments: tuple) -> None:
    """Prepare a worker process: it ignores Ctrl-C, and ends when its parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A killed parent does not close the pipe to its workers, so they would wait for ever.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if initializer:
        initializer(*arguments)


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Delay Ctrl-C while workers are started, so that none of them receives it.

    A worker inherits the signal mask, which protects it until it ignores the signal itself. In
    this process a mask is not enough, because another thread may receive the signal for the main
    thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received = []
    handler = signal.signal(signal.SIGINT, lambda *_: received.append(True))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
        if received:
            signal.raise_signal(signal.SIGINT)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def map_ordered(
    function: Callable[[Any], Any],
    items: Iterable,
    workers: int | None = None,
    initializer: Callable | None = None,
    arguments: tuple = (),
) -> Iterator:
    """Yield `function(item)` for each item, in order, computed by several processes.

    Workers are spawned, not forked, because a process that runs TensorFlow cannot be forked
    safely. Only a few items per worker are in progress at once, so memory stays small.

    Args:
        function: A function at a module's top level.
        items: Its arguments, which must be picklable.
        workers: Number of processes; all cores by default; 1 uses only this process.
        initializer: A function at a module's top level that each worker calls first, once.
        arguments: Arguments of the initializer.

    Yields:
        The results in the order of the items, for any number of workers.

    Raises:
        ValueError: `workers` is below 1 or above 256.
        ChildProcessError: A worker died.

    Example:
        ```python
        for batch in map_ordered(jpeg_round_trip, np.array_split(images, 100)):
            ...
        ```
    """
    workers = workers if workers is not None else os.cpu_count() or 1
    if workers < 1:
        raise InputError(f"workers is {workers}; give 1 or more.")
    if workers > _MOST_WORKERS:
        raise InputError(f"workers is {workers}; give {_MOST_WORKERS} or fewer.")
    if workers == 1:
        if initializer:
            initializer(*arguments)
        yield from map(function, items)
        return
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(initializer, arguments),
    )
    pending: deque[Future] = deque()
    try:
        for item in items:
            with _ctrl_c_waits():
                pending.append(pool.submit(function, item))
            if len(pending) > 4 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool as error:
        raise ChildProcessError(
            "A worker process died; perhaps it ran out of memory: try fewer workers (--workers 1). "
            "In a script, the call must be inside `if __name__ == '__main__':`."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
