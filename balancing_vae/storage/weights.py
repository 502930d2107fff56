"""Weights of a Keras model as `.weights.h5`, without pickle."""

import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras

from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.files.atomic import atomic_file
from balancing_vae.files.hdf5 import check_weights


def save_weights(path: Path, model: keras.Model) -> None:
    """Write a model's weights, without its optimizer's.

    Args:
        path: A path that ends in `.weights.h5`.
        model: A built model.

    Raises:
        OSError: The disk is full or not writable; an old file is kept.

    Example:
        ```python
        save_weights(Path("stage1.weights.h5"), vae.stage1)
        ```
    """
    # In memory first, because HDF5 may end the process when it writes to a full disk.
    write_weights(path, weights_content(model))


def write_weights(path: Path, content: memoryview) -> None:
    """Write the bytes that `weights_content` returned.

    Args:
        path: As in `save_weights`.
        content: The file's bytes.

    Raises:
        OSError: As in `save_weights`.

    Example:
        ```python
        write_weights(Path("stage1.weights.h5"), weights_content(vae.stage1))
        ```
    """
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def weights_content(model: keras.Model) -> memoryview:
    """Return the bytes that `save_weights` writes.

    Args:
        model: A built model.

    Example:
        ```python
        content = weights_content(vae.stage1)
        ```
    """
    file = _WeightsInMemory()
    with _without_optimizer(model):
        model.save_weights(file)
    return file.getbuffer()


def load_weights(path: Path, model: keras.Model) -> None:
    """Read a model's weights, written by any backend.

    Args:
        path: A file that `save_weights` wrote.
        model: A built model of the same networks and strategy.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is damaged, refers to other files, holds values that are not finite,
            or belongs to another model.

    Example:
        ```python
        load_weights(Path("stage1.weights.h5"), vae.stage1)
        ```
    """
    if not path.is_file():
        raise MissingFileError(f"{path} is missing; the folder is incomplete, copy it again.")
    try:
        with _without_optimizer(model):
            check_weights(path, Counter(tuple(weight.shape) for weight in model.weights))
            model.load_weights(path)
    except InputError as error:
        raise InputError(
            f"{path} holds {error}; copy it again, together with the config in its folder."
        ) from error
    except ValueError as error:
        raise InputError(
            f"{path} holds weights of another network than the config in its folder describes; "
            f"copy the folder again. Keras says: {str(error).splitlines()[0]}"
        ) from error
    except Exception as error:  # h5py and Keras raise many exceptions for a damaged file
        raise InputError(
            f"{path} is not a complete weights file (it is truncated or damaged); copy it again."
        ) from error


class _WeightsInMemory(io.BytesIO):
    """A file in memory with a name by which Keras recognises it as a weights file."""

    def __str__(self) -> str:
        return "model.weights.h5"


@contextmanager
def _without_optimizer(model: keras.Model) -> Iterator[None]:
    # Keras would also write the optimizer's variables, two thirds of the file, and would warn if
    # a file lacks them.
    optimizer, model.optimizer = model.optimizer, None
    try:
        yield
    finally:
        model.optimizer = optimizer
