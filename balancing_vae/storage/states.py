"""Training states: all that a killed run needs to continue as if nothing had happened."""

import json
import math
import re
import shutil
import warnings
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
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
from balancing_vae.storage.weights import save_weights

KEPT = 2
_EPOCH = re.compile(r"epoch-(\d+)")
_REMEDY = "copy the run's folder again"


def _log(value: object, name: str) -> None:
    """Check what an epoch's log may be: a number, also one that is not finite."""
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
    """What was done of an epoch that a time limit ended.

    Attributes:
        step: How many of its steps.
        metrics: The values of the model's metrics after them.
    """

    step: int = 0
    metrics: list = field(default_factory=list)


def states_of(run_dir: Path, stage: str) -> "TrainingStates":
    """Return the states of "stage1" or "stage2" in a run's folder."""
    return TrainingStates(run_dir / "states" / stage)


@dataclass(frozen=True)
class TrainingStates:
    """The states of one stage's training, in a folder of their own.

    Each completed epoch has a folder `epoch-00012` with the weights (gamma among them),
    the optimizer's slots, the noise generator's state, the history so far and how many
    epochs the weights were trained for in all: more than the folder's number where it was
    fine-tuning that began here. The last two are kept; `best.weights.h5` has the weights of
    the epoch with the least monitor.

    Attributes:
        folder: Where the states stand, for example `RUN/states/stage1`.
        damaged: Numbers of the states that `load_latest` passed over. They are removed once
            a newer one is saved.

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
        """Return the numbers of the completed epochs whose states are there, in order."""
        matches = (_EPOCH.fullmatch(path.name) for path in self.folder.glob("epoch-*"))
        return sorted(int(match[1]) for match in matches if match)

    def trained_epochs(self) -> int:
        """Return how many epochs the weights were trained for in all, by the last state."""
        for epoch in reversed(self.epochs()):
            with suppress(InputError, FileNotFoundError):  # an older one may be whole
                state = read_json(self._path(epoch) / "state.json", _STATE, _REMEDY)
                return state.get("trained_epochs", epoch)
        return 0

    def begun(self, epoch: int) -> Begun:
        """Return what the state after so many epochs has of the next one.

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
            history: Rows of the history up to now.
            step: How many steps of the next epoch were done besides.

        Raises:
            OSError: The disk is full; the former states stay.
        """
        with atomic_folder(self._path(epoch), STATE, overwrite=True) as folder:
            save_weights(folder / "model.weights.h5", model)
            slots = {f"{i:05d}": _numpy(v) for i, v in enumerate(model.optimizer.variables)}
            save_arrays(folder / "optimizer.npz", **slots)
            noise = _numpy(model.seed_generator.state).tolist()
            state = {
                "epoch": epoch,
                # A model trained by a loop of its own does not count its epochs.
                "trained_epochs": max(model.trained_epochs, epoch),
                "noise": noise,
                "history": history,
                # Another number of steps in one compiled call rounds otherwise.
                "steps_per_execution": model.steps_per_execution,
            }
            if step:
                values = [_numpy(variable).tolist() for variable in model.metrics_variables]
                state |= {"step": step, "metrics": values}
            (folder / "state.json").write_text(json.dumps(state))
        self.damaged.discard(epoch)
        whole = [number for number in self.epochs() if number not in self.damaged]
        for old in self.damaged.union(whole[:-KEPT]):
            self._remove(old)
        self.damaged.clear()

    def load_latest(self, model: keras.Model) -> tuple[int, list[dict]]:
        """Put a model into the state after the last completed epoch that is whole.

        Warns of newer ones that are damaged.

        Args:
            model: The stage's model, compiled, its optimizer built.

        Returns:
            The number of completed epochs, 0 where no state is there, and the history.

        Raises:
            ValueError: No state is whole, or they are of another model; or the record of
                the best epoch is damaged.
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
                    "that is whole.",
                    stacklevel=2,
                )
            return epoch, history
        if problems:
            raise problems[0]
        return 0, []

    def save_best(self, model: keras.Model, epoch: int, monitor: str, value: float) -> None:
        """Keep the weights of an epoch if its monitor is the least so far.

        Args:
            model: The stage's model.
            epoch: Number of completed epochs.
            monitor: Name of what is compared, such as "val_mse".
            value: Its value.

        Raises:
            ValueError: The record of the best epoch so far is damaged.
        """
        best = self._best_value()
        if best is not None and best <= value:
            return
        save_weights(self.folder / "best.weights.h5", model)
        with atomic_file(self.folder / "best.json") as temporary:
            temporary.write_text(json.dumps({"epoch": epoch, "monitor": monitor, "value": value}))

    def load_best(self, model: keras.Model) -> None:
        """Put the weights of the best epoch into a model.

        Args:
            model: The stage's model.

        Raises:
            FileNotFoundError: No epoch was saved.
            ValueError: The file is damaged or of another model.
        """
        load_weights(self.folder / "best.weights.h5", model)

    def discard(self) -> None:
        """Remove all states and the best weights; the folder stays."""
        for epoch in self.epochs():
            self._remove(epoch)
        for name in ("best.json", "best.weights.h5"):
            (self.folder / name).unlink(missing_ok=True)

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:05d}"

    def _remove(self, epoch: int) -> None:
        # Somebody's own file beside a state keeps it from being removed.
        path = self._path(epoch)
        if path.is_dir() and not any(STATE.foreign_files(path)):
            shutil.rmtree(path)

    def _load(self, epoch: int, model: keras.Model) -> list[dict]:
        """Put a model into one state, and return the history that goes with it."""
        folder = self._path(epoch)
        # Everything is read before the model is changed, but for its weights.
        state = _read_state(folder / "state.json", epoch, model)
        slots = _read_slots(folder / "optimizer.npz", model)
        load_weights(folder / "model.weights.h5", model)
        for variable, slot in zip(model.optimizer.variables, slots, strict=True):
            variable.assign(slot)
        model.seed_generator.state.assign(np.array(state["noise"], dtype="uint32"))
        # States of earlier versions are of trainings from new weights.
        model.trained_epochs = state.get("trained_epochs", epoch)
        if getattr(model, "chooses_steps", False) and "steps_per_execution" in state:
            model.settle_steps(state["steps_per_execution"])
        return state["history"]

    def _best_value(self) -> float | None:
        """Return the monitor of the best epoch so far, None where there is none."""
        path = self.folder / "best.json"
        if not path.is_file():
            return None
        remedy = "remove it, and the best of the epochs to come is kept"
        return read_json(path, _BEST, remedy)["value"]


def _read_state(path: Path, epoch: int, model: keras.Model) -> dict:
    """Read a `state.json`: the count of epochs, the noise generator's state, the history."""
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
            f"{path} holds the optimizer of another network; start again in another folder."
        )
    return values


def _numpy(variable) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(variable))
