"""Read the variables of a TensorFlow 1 checkpoint, or of an `.npz` with the same content."""

import os
import re
from pathlib import Path

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.files.arrays import load_arrays
from balancing_vae.storage.tensorflow_files import is_table
from balancing_vae.storage.tensorflow_files import read_bundle
from balancing_vae.storage.tensorflow_files import read_slices

# The endings of a checkpoint's files, after its prefix.
PART = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")
# Names that TensorFlow numbers automatically; the number depends on what was built before.
AUTOMATIC = re.compile(r"^(conv2d_transpose|conv2d|dense)(?:_(\d+))?$")


def read_variables(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read every variable of a checkpoint by name.

    Args:
        path: The prefix of a TF1 checkpoint of version 2 (the path without `.index`) or one of
            its files; the single file of a checkpoint of version 1; a folder with one
            checkpoint; or an `.npz` with the same variables.

    Returns:
        The variables by name.

    Raises:
        FileNotFoundError: The checkpoint does not exist, or one of its files is missing.
        ValueError: A file is truncated or damaged, or the folder has several checkpoints.

    Example:
        ```python
        read_variables("model/stage2")["stage1/encoder/conv0/kernel"].shape
        ```
    """
    path = Path(path)
    if path.is_dir():
        path = _only_checkpoint(path)
    variables = load_arrays(path) if path.suffix == ".npz" else _read_checkpoint(path)
    for name, value in variables.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise InputError(
                f"The checkpoint {path} has NaN or infinite values, first in {name!r}; use one "
                "from before the training diverged."
            )
    return variables


def _read_checkpoint(path: Path) -> dict[str, np.ndarray]:
    prefix = _prefix(path)
    index = prefix.with_name(f"{prefix.name}.index")
    one_file = prefix.is_file() and not index.is_file()
    if one_file:
        _check_table(prefix)
    else:
        _check_files(prefix, index)
    try:
        return read_slices(prefix) if one_file else read_bundle(index)
    except Exception as error:  # damage can lead to any exception
        raise InputError(
            f"The checkpoint {prefix} is truncated or damaged; copy its files again. Reason: "
            f"{error}"
        ) from error


def without_automatic_numbers(variables: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Replace the numbers of automatically numbered layers by their position in their scope.

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


def checkpoints_in(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder: prefixes (without `.index`) or single files.

    Args:
        folder: The folder.

    Returns:
        Their paths, sorted.
    """
    files = [path for path in folder.iterdir() if path.is_file()]
    bundles = [path.with_suffix("") for path in files if path.suffix == ".index"]
    plain = [path for path in files if not PART.search(path.name) and is_table(path)]
    return sorted([*bundles, *plain])


def _only_checkpoint(folder: Path) -> Path:
    found = checkpoints_in(folder)
    if not found:
        raise MissingFileError(
            f"{folder} has no TF1 checkpoint: no file that ends in .index; give a checkpoint's "
            "prefix, the path without .index."
        )
    if len(found) > 1:
        raise InputError(
            f"{folder} has several checkpoints, {', '.join(path.name for path in found)}; give "
            f"one, such as {found[-1]}."
        )
    return found[0]


def _prefix(path: Path) -> Path:
    """Return the prefix of a checkpoint (the path without `.index`), given any of its files."""
    if path.name == "checkpoint" and path.is_file() and not is_table(path):
        raise InputError(
            f"{path} is TensorFlow's list of checkpoints; give the prefix of one of them, the "
            "path without .index."
        )
    return path.with_name(PART.sub("", path.name))


def _check_table(path: Path) -> None:
    if not is_table(path):
        raise InputError(
            f"{path} is not a TF1 checkpoint, or it is truncated; give the prefix, the path "
            "without .index."
        )


def _check_files(prefix: Path, index: Path) -> None:
    if not index.is_file():
        graph = prefix.with_name(f"{prefix.name}.meta")
        reason = f"; {graph} is its graph, without variables" if graph.is_file() else ""
        raise MissingFileError(
            f"{index} is missing; give the checkpoint's prefix, the path without .index{reason}."
        )
    beside = (path.name for path in index.parent.iterdir() if path.is_file())
    if not any(name.startswith(f"{prefix.name}.data-") for name in beside):
        raise MissingFileError(f"{prefix}.data-00000-of-00001 is missing next to {index}.")
