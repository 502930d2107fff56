"""Save an unfinished training, so that a later call resumes it."""

import hashlib
import time
from pathlib import Path

import keras
import numpy as np
from keras import ops

from balancing_vae.errors import ExistingFileError
from balancing_vae.errors import InputError
from balancing_vae.files.arrays import load_arrays
from balancing_vae.files.arrays import save_arrays

SECONDS_BETWEEN = 60


class Unfinished(keras.callbacks.Callback):
    """Saves weights, optimizer and number of steps in one file, at most once a minute.

    Args:
        path: An `.npz` file.
        *decisive: Everything that affects the training; arrays or values with a `repr`. The state
            of another training is not resumed but replaced.

    Example:
        ```python
        paths = Paths(mu, sigma, seed=0, steps=100)
        unfinished = Unfinished("fit.npz", mu, sigma, 100)
        paths.start = unfinished.restore(velocity)
        velocity.fit(paths, shuffle=False, callbacks=[unfinished])
        unfinished.remove()
        ```
    """

    def __init__(self, path: str | Path, *decisive: object):
        super().__init__()
        self.path = Path(path)
        self.training = np.array(_sha256(decisive))
        self.next_save = time.monotonic() + SECONDS_BETWEEN

    def restore(self, model: keras.Model) -> int:
        """Restore a model from the file, if it has a state of this training.

        Args:
            model: The untrained model, compiled.

        Returns:
            Number of completed steps; 0 if there is no state of this training.

        Raises:
            FileExistsError: The file is not a state. It would be replaced and deleted.
            ValueError: The file is damaged.
        """
        model.optimizer.build(model.trainable_variables)
        if not self.path.exists():
            return 0
        try:
            state = load_arrays(self.path)
        except InputError as error:
            remedy = "remove it, and the training starts from the beginning"
            raise InputError(f"{self.path} is damaged; {remedy}.") from error
        variables = _variables(model)
        if "training" not in state:
            raise ExistingFileError(
                f"{self.path} is not the state of an unfinished fit; give the name of a new file."
            )
        if state.pop("training") != self.training or state.keys() != variables.keys():
            return 0
        for name, variable in variables.items():
            variable.assign(state[name])
        return int(ops.convert_to_numpy(model.optimizer.iterations))

    def on_train_batch_end(self, batch, logs=None):
        """Save, if it is time."""
        if time.monotonic() >= self.next_save:
            variables = _variables(self.model).items()
            values = {name: ops.convert_to_numpy(variable) for name, variable in variables}
            self.path.parent.mkdir(exist_ok=True)
            save_arrays(self.path, training=self.training, **values)
            self.next_save = time.monotonic() + SECONDS_BETWEEN

    def remove(self) -> None:
        """Remove the file; the training is complete."""
        self.path.unlink(missing_ok=True)


def _variables(model: keras.Model) -> dict:
    variables = [*model.weights, *model.optimizer.variables]
    return {f"{i:05d}": variable for i, variable in enumerate(variables)}


def _sha256(values: tuple) -> str:
    parts = (v.tobytes() if isinstance(v, np.ndarray) else repr(v).encode() for v in values)
    return hashlib.sha256(b"\n".join(parts)).hexdigest()
