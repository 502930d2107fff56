"""Batches whose order depends only on a seed and the epoch's number."""

import itertools
from collections.abc import Callable
from collections.abc import Iterator

import keras
import numpy as np

from balancing_vae.backend.distribution import own_rows
from balancing_vae.errors import InputError


class FileOrderBatches(keras.utils.PyDataset):
    """All rows of arrays (also memory-mapped ones) in batches, in their own order.

    Args:
        arrays: One array [N, ...], or a tuple of arrays of the same length.
        batch_size: Rows per batch; the last may have fewer.
        devices: Number of devices that share a batch. If N is not divisible by it, the rows at
            the end are left out, so that the last batch can be split, too.

    Example:
        ```python
        model.evaluate(FileOrderBatches(x_val, batch_size=100))
        ```
    """

    def __init__(
        self, arrays: np.ndarray | tuple[np.ndarray, ...], batch_size: int, devices: int = 1
    ):
        super().__init__()
        self.arrays = arrays
        self.batch_size = batch_size
        count = len(arrays[0] if isinstance(arrays, tuple) else arrays)
        self.order = np.arange(count - count % devices)

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def rows(self, index: int) -> np.ndarray:
        """Return the row numbers of a batch that this process feeds."""
        return own_rows(self.order[index * self.batch_size : (index + 1) * self.batch_size])

    def __getitem__(self, index: int) -> tuple:
        rows = self.rows(index)
        if isinstance(self.arrays, tuple):
            return (tuple(array[rows] for array in self.arrays),)
        return (self.arrays[rows],)


class EpochBatches(FileOrderBatches):
    """Full training batches in an order drawn from a seed and the epoch's number.

    A resumed training therefore uses the same order as an uninterrupted one. (Keras's own
    shuffling depends on global state.) The incomplete last batch is dropped, as in the
    original program.

    Args:
        arrays: One array [N, ...], or a tuple of several that are shuffled together.
        batch_size: Rows per batch, at most N.
        seed: Seed of the order; None leaves the rows in the order of the arrays.

    Attributes:
        skipped: How many batches at the beginning of each epoch are left out.

    Example:
        ```python
        batches = EpochBatches((mu, sigma), batch_size=100, seed=0)
        model.fit(batches, shuffle=False, callbacks=[batches.follow_epochs()], epochs=3)
        ```
    """

    def __init__(
        self, arrays: np.ndarray | tuple[np.ndarray, ...], batch_size: int, seed: int | None
    ):
        super().__init__(arrays, batch_size)
        self.seed = seed
        self.skipped = 0
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Put the rows in the order of an epoch, counted from 0."""
        if self.seed is not None:
            self.order = np.random.default_rng([self.seed, epoch]).permutation(len(self.order))

    def rows(self, index: int) -> np.ndarray:
        """Return the row numbers of a batch that this process feeds."""
        return super().rows(self.skipped + index)

    def follow_epochs(self) -> keras.callbacks.Callback:
        """Return a callback that calls `set_epoch` before each epoch.

        `PyDataset.on_epoch_end` cannot be used to count epochs, because Keras also calls it once
        before the first epoch.
        """
        return keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: self.set_epoch(epoch)
        )

    def __len__(self) -> int:
        return len(self.order) // self.batch_size - self.skipped


class PassBatches(keras.utils.PyDataset):
    """Full training batches from a dataset, with a new pass over it in each epoch.

    The dataset decides order and augmentation. As in `EpochBatches`, the rest after the last
    full batch of an epoch is dropped.

    Args:
        new_pass: Returns an iterator over the batches of one epoch, arrays [B, ...].
        steps: Number of batches in an epoch.

    Attributes:
        skipped: How many batches at the beginning of each epoch are left out.
        error: The error that the dataset raised, or None. Under TensorFlow, Keras raises another
            error instead of it.

    Example:
        ```python
        batches = PassBatches(lambda: iter(load_images()), steps=5)
        model.fit(batches, shuffle=False)
        ```
    """

    def __init__(self, new_pass: Callable[[], Iterator[np.ndarray]], steps: int):
        super().__init__()
        self.new_pass = new_pass
        self.steps = steps
        self.skipped = 0
        self.error: Exception | None = None

    def __len__(self) -> int:
        return self.steps - self.skipped

    def __getitem__(self, index: int) -> tuple:
        # Keras asks in order. It asks for the first two twice, to see their shape.
        if index == 0:
            self._iterator = itertools.islice(self.new_pass(), self.skipped, None)
        try:
            batch = next(self._iterator, None)
            if batch is None:
                raise InputError(
                    f"The dataset gave {self.skipped + index} full batches in a later pass and "
                    f"{self.steps} in the first; each pass must give the same number of images."
                )
        except Exception as error:
            self.error = error
            raise
        return (batch[own_rows(np.arange(len(batch)))],)

    def follow_epochs(self) -> keras.callbacks.Callback:
        """Return a callback that does nothing: the dataset decides the order."""
        return keras.callbacks.Callback()
