"""Stop a training cleanly before its time limit."""

import time
import warnings
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from balancing_vae.backend.distribution import process_count
from balancing_vae.errors import InputError
from balancing_vae.errors import find_stack_level

# A slow disk's speed in bytes per second, to estimate the time of writing the state.
DISK_RATE = 5e7


class TimeLimitReached(Exception):
    """A training reached its time limit; its state is saved.

    Attributes:
        epoch: Number of completed epochs of the stage.
        step: Number of completed steps of the next epoch.
    """

    def __init__(self, stage: str, epoch: int, step: int):
        super().__init__(f"{stage} has {epoch} complete epochs and {step} steps of the next")
        self.epoch = epoch
        self.step = step


def deadline_of(seconds: float | None) -> float | None:
    """Return the time at which a limit ends, on the clock of `time.monotonic`.

    Args:
        seconds: The limit, positive; None for no limit.

    Raises:
        ValueError: It is not a positive number.

    Example:
        ```python
        deadline = deadline_of(540)
        ```
    """
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float, np.number)):
        raise InputError(f"time_limit must be a number of seconds, got {seconds!r}.")
    if not 0 < seconds < float("inf"):
        raise InputError(f"time_limit must be positive and finite, in seconds; got {seconds}.")
    if process_count() > 1:
        raise InputError(
            "Several processes would stop at different steps; time_limit works with one process "
            "only, so leave it out."
        )
    return time.monotonic() + float(seconds)


@contextmanager
def unfinished_is_told(run_dir: Path | None) -> Iterator[None]:
    """Warn instead of raising if the time limit ended a training.

    Args:
        run_dir: The run's folder; None if no state is written.
    """
    try:
        yield
    except TimeLimitReached as limit:
        kept = (
            "give a run_dir to be able to continue later"
            if run_dir is None
            else f"the state is in {run_dir}, and the same call resumes it"
        )
        warnings.warn(
            f"The training is unfinished, because it reached its time limit ({limit}); {kept}.",
            stacklevel=find_stack_level(),
        )


class TimeLimit(keras.callbacks.Callback):
    """Saves the state and raises `TimeLimitReached` when the next execution would be too late.

    It reserves time for the execution in progress, for one more, and for writing the state. At
    least one execution is run. To measure the device's time, it waits for the loss of the
    previous execution, while the device computes the next one.

    Args:
        deadline: The time to stop at, on the clock of `time.monotonic`.
        save: Saves the state; its arguments are the completed epochs, and steps of the next.
        first: The first epoch, and the number of its steps that were done before.

    Raises:
        TimeLimitReached: There is no time for another execution.

    Example:
        ```python
        callback = TimeLimit(time.monotonic() + 60, lambda epoch, step: None)
        ```
    """

    def __init__(
        self, deadline: float, save: Callable[[int, int], None], first: tuple[int, int] = (0, 0)
    ):
        super().__init__()
        self.deadline = deadline
        self.save = save
        self.first = first
        self.executions: list[float] = []

    def on_train_begin(self, logs=None):
        """Estimate the time that writing the state takes."""
        variables = [*self.model.variables, *self.model.optimizer.variables]
        size = sum(int(np.prod(variable.shape)) for variable in variables)
        self.reserve = 4 * size / DISK_RATE
        self.waiting = None

    def on_epoch_begin(self, epoch, logs=None):
        """Stop here if there is no time for an execution."""
        self.done = self.first[1] if epoch == self.first[0] else 0
        self.epoch = epoch
        self.last = time.monotonic()
        if epoch > self.first[0] and self._is_over(executions=1):
            self._end(0)

    def on_train_batch_end(self, batch, logs=None):
        """Stop here if there is no time for the execution after the one in progress."""
        if self.waiting is not None:
            float(self.waiting["loss"])
        self.waiting = logs
        now = time.monotonic()
        # The first execution includes compilation.
        self.executions = [*self.executions[-2:], now - self.last]
        self.last = now
        done = self.done + batch + 1
        # At the end of an epoch, do not stop before its logs and validation.
        if batch + 1 < self.params["steps"] and self._is_over(executions=2):
            self._end(done)

    def _is_over(self, executions: int) -> bool:
        one = min(self.executions, default=0.0)
        return time.monotonic() + executions * one + self.reserve > self.deadline

    def _end(self, step: int) -> None:
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        self.save(self.epoch, step)
        raise TimeLimitReached(self.model.name, self.epoch, step)
