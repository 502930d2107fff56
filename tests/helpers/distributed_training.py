"""Train a tiny pipeline on some devices, and print each step's loss with SGD and with Adam.

    python tests/helpers/distributed_training.py DEVICES [PROCESS ADDRESSES]

DEVICES is the number of virtual CPU devices of this process, 1 or 2. On JAX, several processes
can train together: each gets its number, PROCESS, and the ADDRESSES of all, and has one device.
The last line of output is JSON.
"""

import json
import sys

import keras
import numpy as np

from balancing_vae.backend.distribution import data_parallel
from balancing_vae.training.batches import EpochBatches
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline
from tests.helpers.virtual_devices import make_jax_devices
from tests.helpers.xla import without_xla

STEPS = 20


def make_virtual_devices(count):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * count
        )
    else:
        make_jax_devices(count)


def join_processes(index, addresses):
    import jax

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    keras.distribution.initialize(addresses, addresses.count(",") + 1, index)
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))


class StepLosses(keras.callbacks.Callback):
    """Recover each step's loss from Keras's mean over the steps of the epoch so far."""

    def __init__(self):
        super().__init__()
        self.sums = [0.0]

    def on_train_batch_end(self, batch, logs=None):
        self.sums.append(float(logs["loss"]) * (batch + 1))


def train_stage(vae, optimizer):
    """Train stage 1 with seeded noise, and return each step's loss and the last gamma."""
    # The stage's own optimizer is Adam.
    made = keras.optimizers.SGD(1e-3) if optimizer == "sgd" else vae.stage1.optimizer
    vae.stage1.compile(made, jit_compile=False)
    losses = StepLosses()
    batches = EpochBatches(tiny_images(8 * STEPS), 8, seed=0)
    vae.stage1.fit(batches, shuffle=False, verbose=0, callbacks=[losses])
    gamma = float(keras.ops.convert_to_numpy(vae.stage1.balancing.gamma))
    return {"losses": np.diff(losses.sums).tolist(), "gamma": gamma}


def train_pipeline(vae):
    """Train with validation, and return the history of both stages, samples and latents."""
    x = tiny_images()
    history = vae.fit(x, validation_data=tiny_images(11, seed=1), verbose=False)
    return {
        "history": [{name: row[name] for name in ("loss", "gamma")} for row in history],
        "samples": vae.generate(3, seed=1).ravel().tolist(),
        "mu": vae.encode(x)[0].ravel().tolist(),
    }


def main(devices, index="0", addresses=""):
    make_virtual_devices(int(devices))
    if addresses:
        join_processes(int(index), addresses)
    changes = {"synchronized_statistics": True}
    # XLA draws different noise, and several replicas in TensorFlow run without XLA.
    with without_xla(), data_parallel(int(devices)):
        found = {name: train_stage(tiny_pipeline(**changes), name) for name in ("sgd", "adam")}
        found |= train_pipeline(tiny_pipeline(**changes))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
