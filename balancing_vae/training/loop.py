"""The training of one stage: batches, learning rate, logs and saved states."""

import tempfile
import warnings
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import keras
import numpy as np

from balancing_vae.backend.distribution import device_count
from balancing_vae.backend.distribution import is_first_process
from balancing_vae.config import Config
from balancing_vae.models.autoencoder import Autoencoder
from balancing_vae.models.stop_on_non_finite_loss import StopOnNonFiniteLoss
from balancing_vae.storage.folder import write_history
from balancing_vae.storage.states import Begun
from balancing_vae.storage.states import TrainingStates
from balancing_vae.storage.states import states_of
from balancing_vae.training.batches import EpochBatches
from balancing_vae.training.batches import FileOrderBatches
from balancing_vae.training.batches import PassBatches
from balancing_vae.training.callbacks import HistoryLog
from balancing_vae.training.callbacks import TrainingProgress
from balancing_vae.training.callbacks.time_limit import TimeLimit
from balancing_vae.training.optimizer import finish_with_average
from balancing_vae.training.optimizer import keeps_average
from balancing_vae.training.posterior import computes_gamma
from balancing_vae.training.posterior import draw
from balancing_vae.training.posterior import measure_gamma
from balancing_vae.training.save_states import SaveBest
from balancing_vae.training.save_states import SaveStates
from balancing_vae.training.schedules import PlateauSchedule
from balancing_vae.training.schedules import learning_rate_schedule
from balancing_vae.training.sources import ImageBatches
from balancing_vae.training.sources import drawn_images
from balancing_vae.training.sources import drawn_rows

# The original program measures gamma on this many images.
MEASURED_IMAGES = 10_000


def fit_stage(
    stage: Autoencoder,
    *,
    number: int,
    config: Config,
    data: np.ndarray | ImageBatches | tuple[np.ndarray, np.ndarray],
    held_out: np.ndarray | tuple[np.ndarray, np.ndarray] | None,
    history: list[dict],
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: bool = True,
    run_dir: Path | None = None,
    seconds_between_states: float = 0.0,
    deadline: float | None = None,
) -> None:
    """Train a stage for the config's epochs, or for the rest of them.

    If its weights are already trained and no state is resumed, gamma is measured first, because
    the data may be new and computed gamma never rises. The original program does the same.

    Args:
        stage: The stage, compiled.
        number: 1 or 2. It selects the config's epochs and learning rates. The config's
            `lr_patience` and `keep_best` apply to stage 1 only.
        config: The hyperparameters.
        data: Images, uint8 [N, D, D, C] or a dataset's, for stage 1; `(mu, sigma)`, float32
            [N, L] each, for stage 2.
        held_out: Arrays to validate on, or None.
        history: The list that gets a row for each epoch.
        callbacks: Further Keras callbacks.
        verbose: Whether a progress bar is shown.
        run_dir: Folder for a state after each epoch. If it already has states, training
            continues from the last one.
        seconds_between_states: The least time between two states. The state of the last epoch
            is always written.
        deadline: The time to stop at, on the clock of `time.monotonic`; None for no limit.

    Raises:
        FloatingPointError: The loss became NaN or infinite.
        TimeLimitReached: The deadline was reached. If there is a `run_dir`, the state is saved,
            also within an epoch.
    """
    epochs = config.epochs if number == 1 else config.epochs2
    keep_best = number == 1 and config.keep_best
    batches = _training_batches(data, config)
    with ExitStack() as stack:
        done, begun = 0, Begun()
        savers: list[SaveBest | SaveStates] = []
        if run_dir is not None:
            states = states_of(run_dir, f"stage{number}")
            done, rows = states.load_latest(stage)
            history[:] = rows or history
            begun = states.begun(done)
            if 0 < done < epochs and isinstance(data, ImageBatches):
                warnings.warn(
                    f"Stage {number} is resumed on a dataset, so the order of its images differs "
                    "from that of an uninterrupted training. Only an array gives the same result.",
                    stacklevel=3,
                )
            # The best epoch must be chosen among all epochs.
            gap = 0.0 if keep_best else seconds_between_states
            savers = [
                SaveBest(states, gap),
                SaveStates(run_dir, states, history, seconds_between_states),
            ]
        elif keep_best:
            states = TrainingStates(Path(stack.enter_context(tempfile.TemporaryDirectory())))
            savers = [SaveBest(states)]
        for saver in savers:
            # Also after an error in training, wait until the write ends or raises its own error.
            stack.callback(saver.finish)
        rows = [row for row in history if row["stage"] == number]
        past = rows[len(rows) - done :]
        before = max((row["epoch"] for row in rows), default=0) - done
        # If an epoch was interrupted, first train only the rest of it.
        batches.skipped = begun.step
        until = done + 1 if begun.step else epochs
        own = [
            batches.follow_epochs(),
            *_metrics_of(begun, stage),
            _learning_rate(config, number, stage.monitor, past),
            StopOnNonFiniteLoss(number),
            HistoryLog(history, number, before),
        ]
        if keeps_average(stage):
            own.append(keras.callbacks.SwapEMAWeights())
        if verbose:
            own.append(TrainingProgress(f"stage {number}"))
        last: list[keras.callbacks.Callback] = [*savers]
        if deadline is not None:
            save = partial(_save_within, savers, run_dir, stage, number, history)
            last.append(TimeLimit(deadline, save, (done, begun.step)))
        if done < epochs:
            if done == begun.step == 0 and stage.trained_epochs > 0 and computes_gamma(stage):
                measure_gamma(
                    stage, measured_data(data, config.seed), config.batch_size, config.seed
                )
            with _own_errors(batches):
                stage.fit(
                    batches,
                    epochs=until,
                    initial_epoch=done,
                    shuffle=False,
                    verbose=0,
                    validation_data=(
                        None
                        if held_out is None
                        else FileOrderBatches(held_out, config.batch_size, device_count(stage))
                    ),
                    callbacks=[*own, *callbacks, *last],
                )
        elif done:
            # A state has the weights that training continues from, not their average.
            finish_with_average(stage)
        if keep_best and until == epochs > 0:
            states.load_best(stage)
    if until < epochs:
        # Continue from the state of that epoch, like a run that is resumed there.
        fit_stage(
            stage,
            number=number,
            config=config,
            data=data,
            held_out=held_out,
            history=history,
            callbacks=callbacks,
            verbose=verbose,
            run_dir=run_dir,
            seconds_between_states=seconds_between_states,
            deadline=deadline,
        )


def _metrics_of(begun: Begun, stage: Autoencoder) -> list[keras.callbacks.Callback]:
    """Return callbacks that make an epoch's logs include its steps before the interruption."""
    if not begun.step:
        return []

    def put_back(epoch: int, logs: dict) -> None:
        for variable, value in zip(stage.metrics_variables, begun.metrics, strict=True):
            variable.assign(np.array(value, dtype=variable.dtype))

    return [keras.callbacks.LambdaCallback(on_epoch_begin=put_back)]


def _save_within(
    savers: Sequence[SaveBest | SaveStates],
    run_dir: Path | None,
    stage: Autoencoder,
    number: int,
    history: list[dict],
    epoch: int,
    step: int,
) -> None:
    """Save a state within an epoch, or after one whose state was not written."""
    if run_dir is None or not is_first_process():
        return
    for saver in savers:
        saver.finish()
    states = states_of(run_dir, f"stage{number}")
    if step or epoch not in states.epochs():
        states.save(stage, epoch, history, step)
        write_history(run_dir, history)


def measured_data(data, seed: int) -> np.ndarray:
    """Return the data for measuring gamma: images, or draws from their posterior."""
    if not isinstance(data, tuple):
        return drawn_images(data, MEASURED_IMAGES)
    mu, sigma = data
    rows = drawn_rows(len(mu), MEASURED_IMAGES)
    # This noise must differ from that of the stage's own posterior.
    return draw(mu[rows], sigma[rows], seed ^ 1)


def _training_batches(data, config: Config) -> EpochBatches | PassBatches:
    size = config.batch_size
    if not isinstance(data, ImageBatches):
        return EpochBatches(data, size, config.seed if config.shuffle else None)
    count = data.survey() if data.count is None else data.count
    return PassBatches(
        lambda: (batch for batch in data.of_size(size) if len(batch) == size), count // size
    )


@contextmanager
def _own_errors(batches: EpochBatches | PassBatches) -> Iterator[None]:
    """Raise a dataset's own error instead of TensorFlow's long error that contains it."""
    try:
        yield
    except Exception as error:
        found = getattr(batches, "error", None)
        if found is None or found is error:
            raise
        raise found from error


def _learning_rate(
    config: Config, number: int, monitor: str, past: list[dict]
) -> keras.callbacks.Callback:
    if number == 2:
        return learning_rate_schedule(config.lr2, config.lr_fac, config.lr_epochs2)
    if config.lr_patience:
        monitor = f"val_{monitor}"
        return PlateauSchedule(config.lr, config.lr_fac, config.lr_patience, monitor, past)
    return learning_rate_schedule(config.lr, config.lr_fac, config.lr_epochs)
