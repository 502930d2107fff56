"""The progress of a whole stage: a bar, or one line per epoch."""

import time

import keras
from tqdm import tqdm

from balancing_vae.progress import progress_bar
from balancing_vae.progress import write_line

SHOWN = ("loss", "kl", "mse", "gamma")
SECONDS_BETWEEN_VALUES = 1.0


class TrainingProgress(keras.callbacks.Callback):
    """Shows one bar for all epochs, with loss, kl, mse, gamma and the time left.

    If the output is not a terminal, it writes one line for each epoch instead.

    Args:
        title: Text before the bar.

    Example:
        ```python
        model.fit(x, epochs=100, verbose=0, callbacks=[TrainingProgress("stage 1")])
        ```
    """

    def __init__(self, title: str):
        super().__init__()
        self.title = title
        self.bar: tqdm | None = None

    def on_epoch_begin(self, epoch, logs=None):
        """Make the bar at the first epoch: a resumed training starts in the middle."""
        if self.bar is None:
            steps = self.params["steps"]
            self.steps_per_execution = self.model.steps_per_execution
            self.bar = progress_bar(
                total=self.params["epochs"] * steps,
                initial=epoch * steps,
                desc=self.title,
                unit="step",
                bar_format="{desc} {percentage:3.0f}%|{bar:20}| {elapsed}<{remaining}{postfix}",
            )
            self.next_values = time.monotonic() + SECONDS_BETWEEN_VALUES

    def on_train_batch_end(self, batch, logs=None):
        """Update the bar; read the values only once a second, because each read waits."""
        if self.bar is None:
            return
        self.bar.update(self.steps_per_execution)
        if not self.bar.disable and time.monotonic() > self.next_values:
            self.bar.set_postfix(_values(logs), refresh=False)
            self.next_values = time.monotonic() + SECONDS_BETWEEN_VALUES

    def on_epoch_end(self, epoch, logs=None):
        """Show the epoch's values."""
        if self.bar is None:
            return
        self.bar.update((epoch + 1) * self.params["steps"] - self.bar.n)
        self.bar.set_postfix(_values(logs), refresh=False)
        if self.bar.disable:
            values = ", ".join(f"{name} {value}" for name, value in _values(logs).items())
            write_line(f"{self.title}, epoch {epoch + 1} of {self.params['epochs']}: {values}")

    def on_train_end(self, logs=None):
        """Leave the full bar on the screen."""
        if self.bar is not None:
            self.bar.close()


def _values(logs: dict) -> dict[str, str]:
    return {name: f"{float(logs[name]):.4g}" for name in SHOWN if name in logs}
