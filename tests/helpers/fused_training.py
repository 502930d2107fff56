"""Train tiny stages on JAX by single steps and by fused executions, and print the results.

    python tests/helpers/fused_training.py RUNS [DEVICES]

RUNS is a JSON list of arguments of `run`. The last line of output is a JSON list with each
run's loss after every execution, its epochs' logs and its weights.
"""

import contextlib
import json
import sys
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np

from balancing_vae.backend import fused
from balancing_vae.backend import step_choice
from balancing_vae.backend.distribution import data_parallel
from balancing_vae.backend.precision import layer_precision
from balancing_vae.storage.states import TrainingStates
from balancing_vae.training.batches import EpochBatches
from balancing_vae.training.batches import FileOrderBatches
from tests.helpers.backends import numbers
from tests.helpers.stage_cases import cases
from tests.helpers.stage_cases import data_for
from tests.helpers.virtual_devices import make_jax_devices

OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.01),
    "sgd": lambda: keras.optimizers.SGD(1e-4),
}


def run(
    case="model vae",
    steps=1,
    optimizer="adam",
    precision="float32",
    epochs=2,
    count=28,
    resident=True,
    moved=0.0,
    jit_compile=True,
    plain=False,
    validation=False,
    resume=False,
    measured=False,
    accelerator=False,
):
    """Train one stage on batches of 4; `moved` is added to its initial weights."""
    fused.uses_accelerator = lambda: accelerator
    tried = []
    if measured:
        # Measure even if the training and its steps are short.
        steps, step_choice.WORTH_MEASURING, step_choice.SHORT_TRAINING = "auto", 1, 0.0
        measure = step_choice.seconds_a_step

        def faster_each_time(model, batches, steps, fit):
            tried.append(steps)
            measure(model, batches, steps, fit)
            return 1e-3 / steps

        step_choice.seconds_a_step = faster_each_time
    fused.RESIDENT_BYTES_ON_CPU = 2**26 if resident else 0
    keras.utils.set_random_seed(0)

    def make():
        with layer_precision(precision):
            stage = cases()[case]()
        stage.compile(OPTIMIZERS[optimizer](), jit_compile=jit_compile, steps_per_execution=steps)
        return stage

    stage = make()
    for weight in stage.trainable_weights:
        weight.assign(weight + moved)
    x = data_for(stage, count=count)
    losses, kinds, validated = [], [], []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            losses.append((batch, float(logs["loss"])))
            kinds.append("rows" if stage.resident is not None else "batches")

        def on_test_batch_end(self, batch, logs=None):
            validated.append((batch, float(logs["loss"])))

    def train(stage, first, last):
        batches = x if plain else EpochBatches(x, 4, seed=0)
        follow = [] if plain else [batches.follow_epochs()]
        return stage.fit(
            batches,
            **({"batch_size": 4} if plain else {}),
            epochs=last,
            initial_epoch=first,
            shuffle=False,
            verbose=0,
            validation_data=FileOrderBatches(x, 4) if validation else None,
            callbacks=[*follow, Watch()],
        ).history

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = train(stage, 0, epochs // 2 if resume else epochs)
    if resume:
        with tempfile.TemporaryDirectory() as folder:
            states = TrainingStates(Path(folder))
            states.save(stage, epochs // 2, [])
            stage = make()
            states.load_latest(stage)
        later = train(stage, epochs // 2, epochs)
        history = {name: values + later[name] for name, values in history.items()}
    weights = np.concatenate([numbers(w).ravel().astype("float64") for w in stage.weights])
    return {
        "losses": losses,
        "history": history,
        "weights": weights.tolist(),
        "fuses": fused.fuses(stage),
        "validated": validated,
        "fuses_validation": getattr(stage.test_function, "__module__", None) == fused.__name__,
        "kinds": sorted(set(kinds)),
        "measured": tried,
        "warnings": [str(w.message) for w in caught if w.category is UserWarning],
        "trained_epochs": stage.trained_epochs,
    }


def main(runs, devices="1"):
    make_jax_devices(int(devices))
    several = data_parallel(int(devices)) if int(devices) > 1 else contextlib.nullcontext()
    with several:
        print(json.dumps([run(**arguments) for arguments in json.loads(runs)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
