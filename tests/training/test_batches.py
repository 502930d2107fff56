"""The order of the images that a model really gets in `fit`."""

import tracemalloc

import keras
import numpy as np
import pytest
from keras import ops

from balancing_vae.backend.batches import map_batches
from balancing_vae.training.batches import EpochBatches
from balancing_vae.training.batches import FileOrderBatches
from tests.helpers.backends import numbers

ROWS, BATCH = 22, 4
STEPS = ROWS // BATCH


class Witness(keras.Model):
    """Writes down the rows of each training step, in the compiled step itself."""

    def __init__(self, steps):
        super().__init__()
        self.slope = self.add_weight(shape=(), initializer="ones", name="slope")
        self.step = self.add_weight(shape=(), initializer="zeros", trainable=False, name="step")
        self.seen = self.add_weight(
            shape=(steps, BATCH), initializer="zeros", trainable=False, name="seen"
        )

    def call(self, x, training=None):
        if training:
            here = ops.arange(self.seen.shape[0], dtype="float32")[:, None] == self.step
            self.seen.assign(ops.where(here, x[None, :, 0], ops.convert_to_tensor(self.seen)))
            self.step.assign_add(1.0)
        return self.slope * x

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return ops.mean(y_pred)


def seen_in_fit(seed, epochs, initial_epoch=0, steps_per_execution=1):
    rows = np.arange(ROWS, dtype=np.float32)[:, None]
    batches = EpochBatches(rows, BATCH, seed)
    model = Witness(STEPS * (epochs - initial_epoch))
    model.compile("sgd", jit_compile=False, steps_per_execution=steps_per_execution)
    model.fit(
        batches,
        epochs=epochs,
        initial_epoch=initial_epoch,
        shuffle=False,
        verbose=0,
        callbacks=[batches.follow_epochs()],
    )
    return numbers(model.seen).reshape(-1, STEPS * BATCH).astype(int)


def documented_order(seed, epoch):
    return np.random.default_rng([seed, epoch]).permutation(ROWS)[: STEPS * BATCH]


def test_each_epoch_sees_the_documented_permutation():
    seen = seen_in_fit(seed=3, epochs=3)
    for epoch in range(3):
        np.testing.assert_array_equal(seen[epoch], documented_order(3, epoch))


def test_a_later_start_uses_the_orders_of_the_later_epochs():
    seen = seen_in_fit(seed=3, epochs=4, initial_epoch=2)
    np.testing.assert_array_equal(seen, [documented_order(3, 2), documented_order(3, 3)])


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="PyTorch runs one step at a time")
def test_several_steps_per_execution_see_the_same():
    seen = seen_in_fit(seed=3, epochs=2, steps_per_execution=5)
    np.testing.assert_array_equal(seen, [documented_order(3, 0), documented_order(3, 1)])


def test_order_does_not_come_from_global_state():
    keras.utils.set_random_seed(1)
    first = EpochBatches(np.arange(ROWS), BATCH, seed=0).order
    keras.utils.set_random_seed(2)
    np.testing.assert_array_equal(first, EpochBatches(np.arange(ROWS), BATCH, seed=0).order)
    assert (first != EpochBatches(np.arange(ROWS), BATCH, seed=1).order).any()


def test_training_drops_the_last_partial_batch_and_inference_keeps_it():
    rows = np.arange(ROWS)
    training, inference = EpochBatches(rows, BATCH, seed=0), FileOrderBatches(rows, BATCH)
    assert (len(training), len(inference)) == (5, 6)
    assert {len(training[i][0]) for i in range(len(training))} == {BATCH}
    np.testing.assert_array_equal(np.concatenate([inference[i][0] for i in range(6)]), rows)


def test_arrays_are_shuffled_together():
    rows = np.arange(ROWS)
    ((first, second),) = EpochBatches((rows, -rows), BATCH, seed=0)[0]
    np.testing.assert_array_equal(first, -second)


def test_memory_mapped_arrays_are_not_copied_whole(tmp_path):
    """64 MiB on disk; a batch is 16 KiB."""
    path = tmp_path / "images.npy"
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (4096 * 4, 64, 64, 1))
    tracemalloc.start()
    try:
        for batches in (EpochBatches(images, BATCH, seed=0), FileOrderBatches(images, BATCH)):
            assert batches[5][0].shape == (BATCH, 64, 64, 1)
        found = map_batches(lambda batch: batch.max(axis=(1, 2, 3)), 64, images)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.shape == (len(images),)
    assert peak < 4 * 2**20
