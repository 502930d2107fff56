"""Use a run's training states to resume, to train longer, and to load unfinished runs."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import keras

from balancing_vae.config import Config
from balancing_vae.errors import InputError
from balancing_vae.pipeline.history import History
from balancing_vae.pipeline.stages import build_stages
from balancing_vae.storage.states import states_of
from balancing_vae.training.optimizer import finish_with_average


def check_epochs(run_dir: Path, config: Config) -> None:
    """Raise if a run has already been trained for more epochs than the config has.

    Args:
        run_dir: The run's folder.
        config: The hyperparameters.

    Raises:
        ValueError: A stage was trained for more epochs than the config has.
    """
    for name, stage in (("epochs", "stage1"), ("epochs2", "stage2")):
        done = max(states_of(run_dir, stage).epochs(), default=0)
        asked = getattr(config, name)
        if asked < done:
            raise InputError(
                f"{name}={asked}, but stage {stage[-1]} in {run_dir} was already trained for "
                f"{done} epochs; give {name}={done} or more, or another folder."
            )


def check_callbacks(callbacks: Sequence[keras.callbacks.Callback]) -> None:
    """Raise if a callback would restore one stage's weights into the other.

    Args:
        callbacks: The callbacks of a training of both stages.

    Raises:
        ValueError: One of them is Keras's `BackupAndRestore`.
    """
    if any(isinstance(callback, keras.callbacks.BackupAndRestore) for callback in callbacks):
        raise InputError(
            "BackupAndRestore serves one stage, and here both would share its folder; give "
            "run_dir instead, which resumes both stages."
        )


def begin_second_stage_again(vae, run_dir: Path) -> None:
    """Discard the states of stage 2 if stage 1 will be trained further.

    Stage 2 then starts from new weights, so that an extended run ends like a run that had all
    epochs from the start. The empty folder of states records this, in case the training is
    stopped before stage 2.

    Args:
        vae: The `TwoStageVAE`, whose config has the new number of epochs.
        run_dir: The run's folder.
    """
    if vae.stage2 is None:
        return
    done = max(states_of(run_dir, "stage1").epochs(), default=0)
    states = states_of(run_dir, "stage2")
    if 0 < done < vae.config.epochs and states.epochs():
        warnings.warn(
            f"Stage 1 continues from epoch {done} to {vae.config.epochs}, which changes its "
            "latents: stage 2, samplers and normalisation are trained and fitted again.",
            stacklevel=3,
        )
        states.discard()
    if states.folder.is_dir() and not states.epochs() and vae.stage2.trained_epochs > 0:
        _, fresh = build_stages(vae.config)
        if fresh is None:
            raise InputError("The run has a second stage, but its config does not name one.")
        vae.stage2.set_weights(fresh.get_weights())
        for variable, value in zip(
            vae.stage2.optimizer.variables, fresh.optimizer.variables, strict=True
        ):
            variable.assign(value)
        vae.stage2.seed_generator.state.assign(fresh.seed_generator.state)
        vae.stage2.trained_epochs = 0


def is_behind(description: dict, run_dir: Path) -> bool:
    """Return whether a run's states are newer than the pipeline saved in its folder.

    Args:
        description: The folder's `config.json`.
        run_dir: The run's folder.

    Returns:
        True for a run that was never finished, or that is being trained further.
    """
    trained = description["trained_epochs"]
    return trained is None or any(
        states_of(run_dir, stage).trained_epochs() > epochs for stage, epochs in trained.items()
    )


def read_states_into(vae, run_dir: Path) -> None:
    """Load the last state of each stage of an unfinished run into an untrained pipeline.

    Args:
        vae: A `TwoStageVAE` with the run's config.
        run_dir: The run's folder.

    Raises:
        ValueError: No epoch has been completed yet, or a state is damaged.
    """
    done = 0
    for name, stage in vae.stages.items():
        epochs, rows = states_of(run_dir, name).load_latest(stage)
        if epochs:
            finish_with_average(stage)
        done += epochs
        vae.history = History(rows or vae.history)
    if done == 0:
        raise InputError(
            f"{run_dir} has no completed epoch yet; wait for the first, or check whether the "
            "training is running."
        )
