"""Stop a training cleanly before its time is over."""

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

# What a disk takes at the least, in bytes a second, for the state that is still to be written.
DISK_RATE = 5e7


class TimeLimitReached(Exception):
    """The time of a training is over; its state is saved.

    Attributes:
        epoch: Completed epochs of the stage.
        step: Steps of the epoch after those.
    """

    def __init__(self, stage: str, epoch: int, step: int):
        super().__init__(f"{stage} has {epoch} whole epochs and {step} steps of the next")
        self.epoch = epoch
        self.step = step


def deadline_of(seconds: float | None) -> float | None:
    """Return when a time limit ends, by `time.monotonic`.

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
            "Several processes would end at different steps; give time_limit to one alone, and "
            "train without it here."
        )
    return time.monotonic() + float(seconds)


@contextmanager
def unfinished_is_told(run_dir: Path | None) -> Iterator[None]:
    """Warn in place of the exception where the time limit ended a training.

    Args:
        run_dir: The run's folder, None where no state is written.
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
            f"The training is unfinished: its time limit came first ({limit}); {kept}.",
            stacklevel=find_stack_level(),
        )


class TimeLimit(keras.callbacks.Callback):
    """Raises `TimeLimitReached` after the last execution that fits, once the state is saved.

    There is room for the execution that is under way, for one more, and for the state. One is
    run in any case. It waits for the loss of the execution before, so that time is that of the
    device, which has the next one to work at meanwhile.

    Args:
        deadline: When to be done, by `time.monotonic`.
        save: Saves the state after so many epochs and steps.
        first: The first epoch, and how many of its steps were done before.

    Raises:
        TimeLimitReached: Another execution does not fit.

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
        """Reckon how long the state takes to be written."""
        variables = [*self.model.variables, *self.model.optimizer.variables]
        size = sum(int(np.prod(variable.shape)) for variable in variables)
        self.reserve = 4 * size / DISK_RATE
        self.waiting = None

    def on_epoch_begin(self, epoch, logs=None):
        """End here if no execution fits."""
        self.done = self.first[1] if epoch == self.first[0] else 0
        self.epoch = epoch
        self.last = time.monotonic()
        if epoch > self.first[0] and self._is_over(executions=1):
            self._end(0)

    def on_train_batch_end(self, batch, logs=None):
        """End here if the execution after the one under way does not fit."""
        if self.waiting is not None:
            float(self.waiting["loss"])
        self.waiting = logs
        now = time.monotonic()
        # The first compiles the step.
        self.executions = [*self.executions[-2:], now - self.last]
        self.last = now
        done = self.done + batch + 1
        # At the end of an epoch its logs and the validation are still to come.
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
