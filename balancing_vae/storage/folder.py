"""The saved folder: a JSON description, weights, and a format version."""

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
from balancing_vae.files.atomic import atomic_file
from balancing_vae.files.formats import DESCRIPTION
from balancing_vae.normalization import MODE
from balancing_vae.normalization import ImageNormalization
from balancing_vae.normalization import LatentNormalization
from balancing_vae.schema import anything
from balancing_vae.schema import fields_of
from balancing_vae.schema import mapping
from balancing_vae.schema import optional
from balancing_vae.schema import read_json
from balancing_vae.schema import record
from balancing_vae.schema import sequence
from balancing_vae.schema import text
from balancing_vae.schema import whole
from balancing_vae.versions import installed_version

FORMAT_VERSION = 5
HISTORY = "history.csv"
PACKAGES = ("balancing_vae", "keras", "numpy", "tensorflow", "jax", "torch")

EPOCHS = whole(least=0)
DAMAGED = "copy the folder again"
# The part of a folder that `balancing-vae train` writes. Other parts are named after samplers.
TRAINING = "training"


def write_description(folder: Path, description: dict) -> None:
    """Write `config.json` with the versions of the format and of the packages.

    Args:
        folder: The folder, which must exist.
        description: A dict that can be written as JSON.
    """
    import keras  # Imported here: reading a folder needs no backend.

    versions = {"python": platform.python_version(), "backend": keras.backend.backend()}
    versions |= {name: found for name in PACKAGES if (found := installed_version(name))}
    # Reading converts older formats, so the description is always in the current one.
    description = {"format_version": FORMAT_VERSION} | description
    description |= {"format_version": FORMAT_VERSION, "versions": versions}
    with atomic_file(folder / DESCRIPTION) as temporary:
        temporary.write_text(json.dumps(description, indent=2) + "\n", "utf-8")


def read_description(folder: Path) -> dict:
    """Read `config.json` of any format version up to the current one.

    Args:
        folder: A saved folder or the folder of a training run.

    Returns:
        The description in the current format.

    Raises:
        FileNotFoundError: The folder or its `config.json` does not exist.
        ValueError: The file is not JSON, or has a newer format.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        raise MissingFileError(
            f"{path} is missing; give a folder that TwoStageVAE.save or "
            "`balancing-vae train` wrote."
        )
    versioned = record({"format_version": whole(least=1)}, others=anything)
    version = read_json(path, versioned, DAMAGED)["format_version"]
    if version > FORMAT_VERSION:
        raise InputError(
            f"{folder} has format version {version}, but this balancing_vae reads only up to "
            f"{FORMAT_VERSION}; update balancing_vae."
        )
    return _upgraded(read_json(path, _is_description, DAMAGED))


def read_finished(folder: Path) -> dict:
    """Read `config.json` of a saved folder whose training is finished.

    Args:
        folder: A saved folder.

    Returns:
        The description in the current format.

    Raises:
        FileNotFoundError: The folder or its `config.json` does not exist.
        ValueError: The file is damaged or has a newer format, or the training is not finished.
    """
    description = read_description(folder)
    if description["trained_epochs"] is None:
        raise InputError(
            f"The training in {folder} is not finished; resume it with `balancing-vae train "
            f"--resume {folder}`, or load it with unfinished=True (`generate --unfinished`)."
        )
    return description


def _is_description(description: dict, name: str) -> None:
    """Check a description of any format: its fields, and that they are consistent."""
    version = description["format_version"]
    # In format 1 the epochs of both stages were a list. Before format 3 there were no samplers.
    epochs = sequence(EPOCHS, 2) if version < 2 else mapping(EPOCHS)
    started = {
        "config": mapping(anything),
        "trained_epochs": optional(epochs),
        "versions": mapping(text),
    }
    finished = {
        "latent_normalization": optional(fields_of(LatentNormalization)),
        "image_normalization": optional(fields_of(ImageNormalization)),
        **({} if version < 3 else {"samplers": sequence(text)}),
    }
    record(started, others=anything)(description, name)
    # The original command lines by part. Older folders do not have them.
    mapping(sequence(text))(description.get("commands", {}), "commands")
    config = Config.from_dict(description["config"])
    if description["trained_epochs"] is None:
        return
    record(finished, others=anything)(description, name)
    # The parts that were fitted before stage 1 was last trained. Older folders do not have them.
    sequence(text)(description.get("stale", []), "stale")
    if version >= 2:
        stages = {"stage1", "stage2"} if config.has_second_stage else {"stage1"}
        record(dict.fromkeys(stages, EPOCHS), others=EPOCHS)(
            description["trained_epochs"], "trained_epochs"
        )
    fitted = [description["latent_normalization"], description["image_normalization"]]
    if len({one and MODE.present(one["mode"]) for one in fitted}) > 1:
        raise InputError("latent_normalization and image_normalization must have the same mode")


def _upgraded(description: dict) -> dict:
    """Convert a description of an older format to the current one."""
    version = description["format_version"]
    if version < 2:
        epochs = description["trained_epochs"]
        names = ("stage1", "stage2")
        description["trained_epochs"] = epochs and dict(zip(names, epochs, strict=True))
    if version < 3:
        description["samplers"] = []
    if version < 4:
        config = _with_kl_weight(Config.from_dict(description["config"]))
        description["config"] = config.to_dict()
    description.setdefault("commands", {})
    for fitted in (description.get("latent_normalization"), description.get("image_normalization")):
        if fitted is not None:  # Before format 5 the modes had other names.
            fitted["mode"] = MODE.present(fitted["mode"])
    return description


def _with_kl_weight(config: Config) -> Config:
    """Set the weight of KL if it is None, which before format 4 meant the original's value."""
    open_weight = "kl_weight" not in config.model and not decides_kl_weight(config.balancing)
    if config.model["name"] != "vae" or not open_weight:
        return config
    return config.replace(kl_weight=original_kl_weight(config.image_shape, config.latent_dim))


def write_history(folder: Path, rows: list[dict]) -> None:
    """Write `history.csv`, with a row for each epoch and a column for each log.

    Args:
        folder: The folder, which must exist.
        rows: One dict per epoch; missing keys become empty cells.
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
        One dict per epoch, `stage` and `epoch` as integers; empty if there is no file.

    Raises:
        ValueError: The file is damaged.
    """
    path = folder / HISTORY
    if not path.is_file():
        return []
    row_rule = record({"stage": whole(least=1, most=2), "epoch": whole(least=1)}, others=anything)
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"), newline=""), strict=True))
        for number, row in enumerate(rows, start=1):
            rows[number - 1] = row = {
                k: int(v) if k in ("stage", "epoch") else float(v) for k, v in row.items() if v
            }
            row_rule(row, f"row[{number}]")
        return rows
    except (ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{path} is damaged: {str(error).rstrip('.')}; {DAMAGED}.") from error
