"""Training states: all that a killed run needs to go on as if nothing had happened."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import ops

from balancing_vae.errors import InputError
from balancing_vae.storage.arrays import load_arrays
from balancing_vae.storage.arrays import save_arrays
from balancing_vae.storage.atomic import atomic_file
from balancing_vae.storage.atomic import atomic_folder
from balancing_vae.storage.weights import load_weights
from balancing_vae.storage.weights import save_weights

KEPT = 2


@dataclass(frozen=True)
class TrainingStates:
    """The states of one stage's training, in a folder of their own.

    Each completed epoch has a folder `epoch-00012` with the weights (gamma among them),
    the optimizer's slots, the noise generator's state and the history so far. The last
    two are kept; `best.weights.h5` has the weights of the epoch with the least monitor.

    Attributes:
        folder: Where the states stand, for example `RUN/states/stage1`.

    Example:
        ```python
        states = TrainingStates(Path("runs/a/states/stage1"))
        states.save(model, epoch=3, history=rows)
        epoch, rows = states.load_latest(model)
        ```
    """

    folder: Path

    def epochs(self) -> list[int]:
        """Return the numbers of the completed epochs whose states are there, in order."""
        return sorted(int(p.name.removeprefix("epoch-")) for p in self.folder.glob("epoch-*"))

    def save(self, model: keras.Model, epoch: int, history: list[dict]) -> None:
        """Write the state after an epoch and remove all but the last two.

        Args:
            model: The stage's model, compiled.
            epoch: Number of completed epochs.
            history: Rows of the history up to now.

        Raises:
            OSError: The disk is full; the former states stay.
        """
        with atomic_folder(self._path(epoch), overwrite=True) as folder:
            save_weights(folder / "model.weights.h5", model)
            slots = {f"{i:05d}": _numpy(v) for i, v in enumerate(model.optimizer.variables)}
            save_arrays(folder / "optimizer.npz", **slots)
            noise = _numpy(model.seed_generator.state).tolist()
            state = {"epoch": epoch, "noise": noise, "history": history}
            (folder / "state.json").write_text(json.dumps(state))
        for old in self.epochs()[:-KEPT]:
            shutil.rmtree(self._path(old))

    def load_latest(self, model: keras.Model) -> tuple[int, list[dict]]:
        """Put a model into the state after the last completed epoch.

        Args:
            model: The stage's model, compiled, its optimizer built.

        Returns:
            The number of completed epochs, 0 where no state is there, and the history.

        Raises:
            ValueError: The state is damaged or of another model.
        """
        for remainder in self.folder.glob(".*"):  # of a save that was killed
            shutil.rmtree(remainder) if remainder.is_dir() else remainder.unlink()
        if not self.epochs():
            return 0, []
        folder = self._path(self.epochs()[-1])
        load_weights(folder / "model.weights.h5", model)
        slots = load_arrays(folder / "optimizer.npz")
        if len(slots) != len(model.optimizer.variables):
            raise InputError(f"{folder} holds the optimizer of another model; start afresh.")
        for variable, name in zip(model.optimizer.variables, sorted(slots), strict=True):
            variable.assign(slots[name])
        state = json.loads((folder / "state.json").read_text())
        model.seed_generator.state.assign(np.array(state["noise"], dtype="uint32"))
        model.trained_epochs = state["epoch"]
        return state["epoch"], state["history"]

    def save_best(self, model: keras.Model, epoch: int, monitor: str, value: float) -> None:
        """Keep the weights of an epoch if its monitor is the least so far.

        Args:
            model: The stage's model.
            epoch: Number of completed epochs.
            monitor: Name of what is compared, such as "val_mse".
            value: Its value.
        """
        record = self.folder / "best.json"
        if record.is_file() and json.loads(record.read_text())["value"] <= value:
            return
        save_weights(self.folder / "best.weights.h5", model)
        with atomic_file(record) as temporary:
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

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:05d}"


def _numpy(variable) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(variable))
