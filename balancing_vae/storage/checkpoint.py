"""Read the variables of a TensorFlow 1 checkpoint, or of the same as `.npz`."""

import os
import re
from pathlib import Path

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.errors import MissingPackageError
from balancing_vae.storage.arrays import load_arrays

# Names that TensorFlow numbers by itself: the number depends on what was built before.
AUTOMATIC = re.compile(r"^(conv2d_transpose|conv2d|dense)(?:_(\d+))?$")


def read_variables(prefix: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read every variable of a checkpoint, by its name.

    Args:
        prefix: What stands before `.index` in a TF1 Saver (V2) checkpoint, or the path of
            an `.npz` with the same variables (for machines without TensorFlow).

    Returns:
        The variables by name.

    Raises:
        FileNotFoundError: There is no such checkpoint, or one of its files is missing.
        ValueError: A file is truncated or damaged.
        ImportError: A TF1 checkpoint, and TensorFlow is not installed.

    Example:
        ```python
        read_variables("model/stage2")["stage1/encoder/conv0/kernel"].shape
        ```
    """
    prefix = str(prefix).removesuffix(".index")
    if prefix.endswith(".npz"):
        return load_arrays(Path(prefix))
    _check_files(prefix)
    try:
        import tensorflow as tf
    except ImportError as error:
        raise MissingPackageError(
            "Reading a TF1 checkpoint needs TensorFlow: pip install tensorflow; or convert "
            "the checkpoint to .npz on a machine that has it."
        ) from error
    try:
        reader = tf.train.load_checkpoint(prefix)
        names = reader.get_variable_to_shape_map()
        return {name: np.asarray(reader.get_tensor(name)) for name in names}
    except Exception as error:  # TensorFlow raises many kinds on a damaged file
        raise InputError(
            f"The checkpoint {prefix} is truncated or damaged; copy its files anew. "
            f"TensorFlow says: {error}"
        ) from error


def without_automatic_numbers(variables: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Give automatically numbered layers their place within their scope instead.

    `stage1/encoder/dense_7/kernel` and `stage1/encoder/dense_9/kernel` become
    `stage1/encoder/dense#0/kernel` and `stage1/encoder/dense#1/kernel`.

    Args:
        variables: Variables by name.

    Returns:
        The same arrays by their new names.
    """
    numbers: dict[tuple[str, str], set[int]] = {}
    found = []
    for name in variables:
        parts = name.split("/")
        for i, part in enumerate(parts):
            if match := AUTOMATIC.match(part):
                key = ("/".join(parts[:i]), match[1])
                number = int(match[2] or 0)
                numbers.setdefault(key, set()).add(number)
                found.append((name, i, key, number))
    renamed = dict(variables)
    for name, i, key, number in found:
        parts = name.split("/")
        parts[i] = f"{key[1]}#{sorted(numbers[key]).index(number)}"
        renamed["/".join(parts)] = renamed.pop(name)
    return renamed


def _check_files(prefix: str) -> None:
    index = Path(prefix + ".index")
    if not index.is_file():
        raise MissingFileError(
            f"{index} is missing; give the checkpoint's prefix, what stands before .index."
        )
    if not list(index.parent.glob(f"{index.stem}.data-*")):
        raise MissingFileError(f"{prefix}.data-00000-of-00001 is missing beside {index}.")
