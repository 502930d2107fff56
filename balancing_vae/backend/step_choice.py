"""Choose the number of training steps per compiled call, by a measurement where it matters."""

from collections.abc import Callable

import keras

from balancing_vae.backend.compilation import several_steps_may_pay
from balancing_vae.backend.epoch_timer import EpochTimer

# Steps an execution that are tried beside 1, and when: a measurement takes some seconds.
CHOICES = (10, 100)
WORTH_MEASURING = 2_000
LONG_STEP = 0.02
SHORT_TRAINING = 30.0


def choose_steps(
    model: keras.Model, batches: keras.utils.PyDataset, epochs: int, fit: Callable
) -> None:
    """Let a model run as many steps an execution as pay here, by measurement.

    Some steps of its training are timed with 1, 10 and 100 an execution, then all is put
    back: weights, optimizer, noise. More must bring a tenth; where one step takes long, or
    the whole training is short, nothing is measured and it stays 1, as under TensorFlow on a
    CPU, where it brings nothing.

    Args:
        model: A compiled model.
        batches: What it is to be trained on.
        epochs: How many epochs of them.
        fit: Trains the model, as `keras.Model.fit` does, with `settle_steps`' number of steps.
    """
    per_epoch = batches.num_batches or 0
    steps_left = per_epoch * epochs
    if steps_left < WORTH_MEASURING or not several_steps_may_pay(bool(model.jit_compile)):
        return
    variables = [*model.variables, *model.optimizer.variables]
    before = [keras.ops.convert_to_numpy(variable) for variable in variables]
    best, least = 1, seconds_a_step(model, batches, 1, fit)
    for steps in CHOICES:
        if least > LONG_STEP or least * steps_left < SHORT_TRAINING or best == per_epoch:
            break
        seconds = seconds_a_step(model, batches, min(steps, per_epoch), fit)
        if seconds > 0.9 * least:
            break
        best, least = min(steps, per_epoch), seconds
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)
    model.settle_steps(best)


def seconds_a_step(
    model: keras.Model, batches: keras.utils.PyDataset, steps: int, fit: Callable
) -> float:
    """Measure a step, the compilation aside.

    Args:
        model: A compiled model, which is trained by this.
        batches: What it is trained on.
        steps: How many steps to run an execution.
        fit: Trains the model, as `keras.Model.fit` does.

    Returns:
        Seconds of one step.
    """
    model.settle_steps(steps)
    timer = EpochTimer()
    count = max(steps, min(20, batches.num_batches) // steps * steps)
    fit(batches, epochs=3, steps_per_epoch=count, shuffle=False, verbose=0, callbacks=[timer])
    (epochs,) = timer.epochs
    return min(epochs[1:]) / count
