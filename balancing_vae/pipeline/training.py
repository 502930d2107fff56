"""The training of one stage: batches, learning rate, logs, and a state after each epoch."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from balancing_vae.batches import EpochBatches
from balancing_vae.batches import FileOrderBatches
from balancing_vae.callbacks import HistoryLog
from balancing_vae.callbacks import StopOnNonFiniteLoss
from balancing_vae.callbacks import TrainingProgress
from balancing_vae.config import Config
from balancing_vae.distribution import device_count
from balancing_vae.schedules import learning_rate_schedule
from balancing_vae.storage.save_states import SaveStates
from balancing_vae.storage.states import TrainingStates
from balancing_vae.vae import VAE


def fit_stage(
    stage: VAE,
    number: int,
    config: Config,
    data: np.ndarray | tuple[np.ndarray, np.ndarray],
    held_out: np.ndarray | tuple[np.ndarray, np.ndarray] | None,
    history: list[dict],
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: bool = True,
    run_dir: Path | None = None,
    seconds_between_states: float = 0.0,
) -> None:
    """Train a stage for the config's epochs, or for those that are left of them.

    Args:
        stage: The stage, compiled.
        number: 1 or 2: which of the config's epochs and learning rates count.
        config: The hyperparameters.
        data: Images, uint8 [N, D, D, C], for stage 1; `(mu, sigma)`, float32 [N, L] each,
            for stage 2.
        held_out: Data of the same form to validate on, or None.
        history: The list that gets a row for each epoch.
        callbacks: Further Keras callbacks.
        verbose: Whether a progress bar is shown.
        run_dir: Folder for a state after each epoch; where states are there already,
            training goes on from the last one.
        seconds_between_states: The least time between two of them; the last epoch's is
            written in any case.

    Raises:
        FloatingPointError: The loss became NaN or infinite.
    """
    epochs, lr, lr_epochs = (
        (config.epochs, config.lr, config.lr_epochs)
        if number == 1
        else (config.epochs2, config.lr2, config.lr_epochs2)
    )
    batches = EpochBatches(data, config.batch_size, config.seed)
    own = [
        batches.follow_epochs(),
        learning_rate_schedule(lr, config.lr_fac, lr_epochs),
        StopOnNonFiniteLoss(number),
        HistoryLog(history, number),
    ]
    if verbose:
        own.append(TrainingProgress(f"stage {number}"))
    last, done = [], 0
    if run_dir is not None:
        states = TrainingStates(run_dir / "states" / f"stage{number}")
        done, rows = states.load_latest(stage)
        history[:] = rows or history
        last = [SaveStates(run_dir, states, history, seconds_between_states)]
    if done >= epochs:
        return
    stage.fit(
        batches,
        epochs=epochs,
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
