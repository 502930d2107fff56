"""The saved folder: a description as JSON, weights beside it, a format version."""

import csv
import io
import json
import platform
from pathlib import Path

from balancing_vae.config import Config
from balancing_vae.config import decides_kl_weight
from balancing_vae.config import original_kl_weight
from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.storage.atomic import atomic_file
from balancing_vae.versions import installed_version

FORMAT_VERSION = 4
DESCRIPTION = "config.json"
HISTORY = "history.csv"
PACKAGES = ("balancing_vae", "keras", "numpy", "tensorflow", "jax", "torch")


def write_description(folder: Path, description: dict) -> None:
    """Write `config.json`, with the format's version and those of the packages.

    Args:
        folder: The folder, which exists.
        description: What JSON can hold.
    """
    import keras  # Here, since whoever only reads a folder needs no backend.

    versions = {"python": platform.python_version(), "backend": keras.backend.backend()}
    versions |= {name: found for name in PACKAGES if (found := installed_version(name))}
    description = {"format_version": FORMAT_VERSION, **description, "versions": versions}
    with atomic_file(folder / DESCRIPTION) as temporary:
        temporary.write_text(json.dumps(description, indent=2) + "\n", "utf-8")


def read_description(folder: Path) -> dict:
    """Read `config.json` of any format version up to the present one.

    Args:
        folder: A saved folder or a training run's.

    Returns:
        The description in the present format.

    Raises:
        FileNotFoundError: There is no such folder, or no `config.json` in it.
        ValueError: The file is no JSON, or of a newer format.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        raise MissingFileError(
            f"{path} is missing; give a folder that TwoStageVAE.save or "
            "`balancing-vae train` wrote."
        )
    try:
        description = json.loads(path.read_text("utf-8"))
        version = int(description["format_version"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}); copy the folder anew.") from error
    if version > FORMAT_VERSION:
        raise InputError(
            f"{folder} has format version {version}, this balancing_vae reads up to "
            f"{FORMAT_VERSION}; update balancing_vae."
        )
    if version < 2:
        # Format 1 had the epochs of both stages as a list.
        epochs = description["trained_epochs"]
        names = ("stage1", "stage2")
        description["trained_epochs"] = epochs and dict(zip(names, epochs, strict=True))
    if version < 3:
        # Until format 3 there were no fitted samplers.
        description["samplers"] = []
    if version < 4:
        config = _with_kl_weight(Config.from_dict(description["config"]))
        description["config"] = config.to_dict()
    return description


def _with_kl_weight(config: Config) -> Config:
    """Name the weight of KL where None meant the original program's: until format 4."""
    open_weight = config.kl_weight is None and not decides_kl_weight(config.balancing)
    if config.model["name"] != "vae" or not open_weight:
        return config
    return config.replace(kl_weight=original_kl_weight(config.image_shape, config.latent_dim))


def write_history(folder: Path, rows: list[dict]) -> None:
    """Write `history.csv`: a row for each epoch, a column for each log.

    Args:
        folder: The folder, which exists.
        rows: One dict an epoch; empty cells stand for missing keys.
    """
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_file(folder / HISTORY) as temporary:
        temporary.write_text(text.getvalue(), "utf-8")


def read_history(folder: Path) -> list[dict]:
    """Read `history.csv`.

    Args:
        folder: A saved folder.

    Returns:
        One dict an epoch, `stage` and `epoch` as integers; empty where there is no file.

    Raises:
        ValueError: The file is damaged.
    """
    path = folder / HISTORY
    if not path.is_file():
        return []
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"), newline="")))
        return [
            {k: int(v) if k in ("stage", "epoch") else float(v) for k, v in row.items() if v}
            for row in rows
        ]
    except (ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{path} is damaged ({error}); copy the folder anew.") from error
