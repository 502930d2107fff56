"""Choose the number of training steps per compiled call, by measurement if it matters."""

from collections.abc import Callable

import keras

from balancing_vae.backend.compilation import several_steps_may_pay
from balancing_vae.backend.epoch_timer import EpochTimer

# Numbers of steps per execution that are tried besides 1. A measurement takes a few seconds, so
# nothing is measured in trainings of fewer than `WORTH_MEASURING` steps. More than 1 step is tried
# only if a step takes at most `LONG_STEP` seconds, and the training at least `SHORT_TRAINING`
# seconds.
CHOICES = (10, 100)
WORTH_MEASURING = 2_000
LONG_STEP = 0.02
SHORT_TRAINING = 30.0


def choose_steps(
    model: keras.Model, batches: keras.utils.PyDataset, epochs: int, fit: Callable
) -> None:
    """Choose the number of steps per execution for a model by measurement.

    Some training steps are timed with 1, 10 and 100 steps per execution. Then weights, optimizer
    and noise are restored. A larger number is chosen only if it is at least 10% faster. The number
    stays 1 if one step takes long, if the whole training is short, or under TensorFlow on a CPU,
    where several steps are not faster.

    Args:
        model: A compiled model.
        batches: The training batches.
        epochs: Number of epochs.
        fit: Trains the model like `keras.Model.fit`, with the number of steps from
            `settle_steps`.
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
    """Measure the time of one step, without compilation.

    Args:
        model: A compiled model; the measurement trains it.
        batches: The training batches.
        steps: Number of steps per execution.
        fit: Trains the model like `keras.Model.fit`.

    Returns:
        Seconds of one step.
    """
    model.settle_steps(steps)
    timer = EpochTimer()
    count = max(steps, min(20, batches.num_batches) // steps * steps)
    fit(batches, epochs=3, steps_per_epoch=count, shuffle=False, verbose=0, callbacks=[timer])
    (epochs,) = timer.epochs
    return min(epochs[1:]) / count
