"""Training states, from which a killed run continues as if it had not been interrupted."""

import json
import math
import re
import shutil
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from functools import partial
from pathlib import Path

import keras
import numpy as np
from keras import ops

from balancing_vae.errors import InputError
from balancing_vae.files.arrays import load_arrays
from balancing_vae.files.arrays import save_arrays
from balancing_vae.files.atomic import atomic_file
from balancing_vae.files.atomic import atomic_folder
from balancing_vae.files.atomic import sweep_leftovers
from balancing_vae.files.formats import STATE
from balancing_vae.schema import anything
from balancing_vae.schema import one_of
from balancing_vae.schema import read_json
from balancing_vae.schema import real
from balancing_vae.schema import record
from balancing_vae.schema import sequence
from balancing_vae.schema import whole
from balancing_vae.storage.weights import load_weights
from balancing_vae.storage.weights import weights_content
from balancing_vae.storage.weights import write_weights

KEPT = 2
_EPOCH = re.compile(r"epoch-(\d+)")
_REMEDY = "copy the run's folder again"


def _log(value: object, name: str) -> None:
    """Check that an epoch's log is a number, which may be NaN or infinite."""
    if not (type(value) is float and not math.isfinite(value)):
        real()(value, name)


_NOISE = whole(least=0, most=2**32 - 1)
_ROW = record({"stage": whole(least=1), "epoch": whole(least=1)}, others=_log)
_STATE = record({}, optional={"trained_epochs": whole(least=0)}, others=anything)
_BEST = record({"value": _log}, others=anything)


_BEGUN = record(
    {},
    optional={
        "step": whole(least=0),
        "metrics": anything,
        "steps_per_execution": whole(least=1),
    },
    others=anything,
)


@dataclass(frozen=True)
class Begun:
    """The completed part of an epoch that a time limit ended.

    Attributes:
        step: Number of completed steps.
        metrics: The values of the model's metrics after these steps.
    """

    step: int = 0
    metrics: list = field(default_factory=list)


def states_of(run_dir: Path, stage: str) -> "TrainingStates":
    """Return the states of "stage1" or "stage2" in a run's folder."""
    return TrainingStates(run_dir / "states" / stage)


@dataclass(frozen=True)
class TrainingStates:
    """The saved states of one stage's training, in their own folder.

    Each completed epoch has a folder such as `epoch-00012`. It holds the weights including
    gamma, the optimizer's variables, the noise generator's state, the history so far, and the
    total number of epochs for which the weights were trained. In fine-tuning this total is
    larger than the folder's number. The last two states are kept. `best.weights.h5` has the
    weights of the epoch with the lowest monitored value.

    Attributes:
        folder: The folder of the states, for example `RUN/states/stage1`.
        damaged: Numbers of the damaged states that `load_latest` skipped. They are removed when
            a newer state is saved.

    Example:
        ```python
        states = TrainingStates(Path("runs/a/states/stage1"))
        states.save(model, epoch=3, history=rows)
        epoch, rows = states.load_latest(model)
        ```
    """

    folder: Path
    damaged: set[int] = field(default_factory=set)

    def epochs(self) -> list[int]:
        """Return the numbers of the completed epochs that have a state, in order."""
        matches = (_EPOCH.fullmatch(path.name) for path in self.folder.glob("epoch-*"))
        return sorted(int(match[1]) for match in matches if match)

    def trained_epochs(self) -> int:
        """Return the total number of epochs of the weights in the last state."""
        for epoch in reversed(self.epochs()):
            with suppress(InputError, FileNotFoundError):  # an older one may be undamaged
                state = read_json(self._path(epoch) / "state.json", _STATE, _REMEDY)
                return state.get("trained_epochs", epoch)
        return 0

    def begun(self, epoch: int) -> Begun:
        """Return the completed part of the epoch after `epoch`, from the state of `epoch`.

        Args:
            epoch: Number of completed epochs, as `load_latest` returned it.
        """
        path = self._path(epoch) / "state.json"
        if not path.is_file():
            return Begun()
        state = read_json(path, _BEGUN, _REMEDY)
        return Begun(state.get("step", 0), state.get("metrics", []))

    def save(self, model: keras.Model, epoch: int, history: list[dict], step: int = 0) -> None:
        """Write the state after an epoch and remove all but the last two.

        Args:
            model: The stage's model, compiled.
            epoch: Number of completed epochs.
            history: Rows of the history so far.
            step: Number of completed steps of the next epoch.

        Raises:
            OSError: The disk is full; the older states are kept.
        """
        self.saving(model, epoch, history, step)()

    def saving(
        self, model: keras.Model, epoch: int, history: list[dict], step: int = 0
    ) -> Callable[[], None]:
        """Copy the state after an epoch, and return a function that writes it as `save` does.

        The function may run in another thread while the model trains.

        Args:
            model: As in `save`.
            epoch: As in `save`.
            history: As in `save`.
            step: As in `save`.
        """
        weights = weights_content(model)
        slots = {f"{i:05d}": _copy(v) for i, v in enumerate(model.optimizer.variables)}
        state = {
            "epoch": epoch,
            # A model in a custom training loop does not count its epochs.
            "trained_epochs": max(model.trained_epochs, epoch),
            "noise": _copy(model.seed_generator.state).tolist(),
            "history": history,
            # Rounding depends on the number of steps in one compiled call.
            "steps_per_execution": model.steps_per_execution,
        }
        if step:
            values = [_copy(variable).tolist() for variable in model.metrics_variables]
            state |= {"step": step, "metrics": values}
        return partial(self._write, epoch, weights, slots, json.dumps(state))

    def _write(
        self, epoch: int, weights: memoryview, slots: dict[str, np.ndarray], state: str
    ) -> None:
        with atomic_folder(self._path(epoch), STATE, overwrite=True) as folder:
            write_weights(folder / "model.weights.h5", weights)
            save_arrays(folder / "optimizer.npz", **slots)
            (folder / "state.json").write_text(state)
        self.damaged.discard(epoch)
        whole = [number for number in self.epochs() if number not in self.damaged]
        for old in self.damaged.union(whole[:-KEPT]):
            self._remove(old)
        self.damaged.clear()

    def load_latest(self, model: keras.Model) -> tuple[int, list[dict]]:
        """Restore a model to the newest state that is not damaged.

        Warns about newer states that are damaged.

        Args:
            model: The stage's model, compiled, with its optimizer built.

        Returns:
            The number of completed epochs (0 if there is no state) and the history.

        Raises:
            ValueError: All states are damaged or belong to another model, or the record of the
                best epoch is damaged.
        """
        sweep_leftovers(self.folder)
        self._best_value()
        problems: list[Exception] = []
        for epoch in reversed(self.epochs()):
            try:
                history = self._load(epoch, model)
            except (InputError, FileNotFoundError) as error:
                problems.append(error)
                self.damaged.add(epoch)
                continue
            for problem in problems:
                warnings.warn(
                    f"{problem} Training resumes after epoch {epoch}, from the newest state "
                    "that is not damaged.",
                    stacklevel=2,
                )
            return epoch, history
        if problems:
            raise problems[0]
        return 0, []

    def save_best(self, model: keras.Model, epoch: int, monitor: str, value: float) -> None:
        """Save the weights of an epoch if its monitored value is the lowest so far.

        Args:
            model: The stage's model.
            epoch: Number of completed epochs.
            monitor: Name of the monitored value, such as "val_mse".
            value: Its value.

        Raises:
            ValueError: The record of the best epoch so far is damaged.
        """
        self.saving_best(model, epoch, monitor, value)()

    def saving_best(
        self, model: keras.Model, epoch: int, monitor: str, value: float
    ) -> Callable[[], None]:
        """Copy the weights of an epoch, and return a function that writes them as `save_best` does.

        Args:
            model: As in `save_best`.
            epoch: As in `save_best`.
            monitor: As in `save_best`.
            value: As in `save_best`.

        Raises:
            ValueError: The record of the best epoch so far is damaged.
        """
        best = self._best_value()
        if best is not None and best <= value:
            return _nothing
        record_of_best = json.dumps({"epoch": epoch, "monitor": monitor, "value": value})
        return partial(self._write_best, weights_content(model), record_of_best)

    def _write_best(self, weights: memoryview, record_of_best: str) -> None:
        write_weights(self.folder / "best.weights.h5", weights)
        with atomic_file(self.folder / "best.json") as temporary:
            temporary.write_text(record_of_best)

    def load_best(self, model: keras.Model) -> None:
        """Load the weights of the best epoch into a model.

        Args:
            model: The stage's model.

        Raises:
            FileNotFoundError: No epoch was saved.
            ValueError: The file is damaged or belongs to another model.
        """
        load_weights(self.folder / "best.weights.h5", model)

    def discard(self) -> None:
        """Remove all states and the best weights, but not the folder."""
        for epoch in self.epochs():
            self._remove(epoch)
        for name in ("best.json", "best.weights.h5"):
            (self.folder / name).unlink(missing_ok=True)

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:05d}"

    def _remove(self, epoch: int) -> None:
        # A state folder that also holds a user's file is not removed.
        path = self._path(epoch)
        if path.is_dir() and not any(STATE.foreign_files(path)):
            shutil.rmtree(path)

    def _load(self, epoch: int, model: keras.Model) -> list[dict]:
        """Restore a model to one state, and return the state's history."""
        folder = self._path(epoch)
        # Everything except the weights is read before the model is changed.
        state = _read_state(folder / "state.json", epoch, model)
        slots = _read_slots(folder / "optimizer.npz", model)
        load_weights(folder / "model.weights.h5", model)
        for variable, slot in zip(model.optimizer.variables, slots, strict=True):
            variable.assign(slot)
        model.seed_generator.state.assign(np.array(state["noise"], dtype="uint32"))
        # States without this entry come from trainings that started with new weights.
        model.trained_epochs = state.get("trained_epochs", epoch)
        if getattr(model, "chooses_steps", False) and "steps_per_execution" in state:
            model.settle_steps(state["steps_per_execution"])
        return state["history"]

    def _best_value(self) -> float | None:
        """Return the monitored value of the best epoch so far, or None before the first."""
        path = self.folder / "best.json"
        if not path.is_file():
            return None
        remedy = "remove it, and the best of the following epochs is kept"
        return read_json(path, _BEST, remedy)["value"]


def _read_state(path: Path, epoch: int, model: keras.Model) -> dict:
    """Read a `state.json`: epoch count, noise generator's state and history."""
    rule = record(
        {
            "epoch": one_of(epoch),
            "noise": sequence(_NOISE, length=model.seed_generator.state.shape[0]),
            "history": sequence(_ROW),
        },
        optional={
            "trained_epochs": whole(least=epoch),
            "step": whole(least=0),
            "metrics": anything,
            "steps_per_execution": whole(least=1),
        },
    )
    return read_json(path, rule, _REMEDY)


def _read_slots(path: Path, model: keras.Model) -> list[np.ndarray]:
    """Read the values of the optimizer's variables, in their order."""
    slots = load_arrays(path)
    variables = model.optimizer.variables
    values = [slots[name] for name in sorted(slots)]
    if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
        raise InputError(
            f"{path} holds the optimizer of another network; start a new run in another folder."
        )
    return values


def _copy(variable) -> np.ndarray:
    # The next step may overwrite the memory that a backend returns here.
    return np.array(ops.convert_to_numpy(variable))


def _nothing() -> None:
    """Write nothing: an earlier epoch is better."""
