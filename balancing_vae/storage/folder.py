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
# The part of a folder that `balancing-vae train` makes; other parts are samplers, by name.
TRAINING = "training"


def write_description(folder: Path, description: dict) -> None:
    """Write `config.json`, with the format's version and those of the packages.

    Args:
        folder: The folder, which exists.
        description: What JSON can hold.
    """
    import keras  # Imported here: reading a folder needs no backend.

    versions = {"python": platform.python_version(), "backend": keras.backend.backend()}
    versions |= {name: found for name in PACKAGES if (found := installed_version(name))}
    # A description that was read from an older format is in the present one.
    description = {"format_version": FORMAT_VERSION} | description
    description |= {"format_version": FORMAT_VERSION, "versions": versions}
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
    versioned = record({"format_version": whole(least=1)}, others=anything)
    version = read_json(path, versioned, DAMAGED)["format_version"]
    if version > FORMAT_VERSION:
        raise InputError(
            f"{folder} has format version {version}, this balancing_vae reads up to "
            f"{FORMAT_VERSION}; update balancing_vae."
        )
    return _upgraded(read_json(path, _is_description, DAMAGED))


def read_finished(folder: Path) -> dict:
    """Read `config.json` of a saved folder whose training is finished.

    Args:
        folder: A saved folder.

    Returns:
        The description in the present format.

    Raises:
        FileNotFoundError: There is no such folder, or no `config.json` in it.
        ValueError: The file is damaged or of a newer format, or the training is not finished.
    """
    description = read_description(folder)
    if description["trained_epochs"] is None:
        raise InputError(
            f"The training in {folder} is not finished; resume it with `balancing-vae train "
            f"--resume {folder}`, or look at it with unfinished=True (`generate --unfinished`)."
        )
    return description


def _is_description(description: dict, name: str) -> None:
    """Check a description of any format: what is in it, and that its parts fit each other."""
    version = description["format_version"]
    # Format 1 had the epochs of both stages as a list; until format 3 there were no samplers.
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
    # By part the command lines that made it, as they were given; older folders do not say.
    mapping(sequence(text))(description.get("commands", {}), "commands")
    config = Config.from_dict(description["config"])
    if description["trained_epochs"] is None:
        return
    record(finished, others=anything)(description, name)
    # What was fitted before stage 1 was trained last; older folders do not say.
    sequence(text)(description.get("stale", []), "stale")
    if version >= 2:
        stages = {"stage1", "stage2"} if config.has_second_stage else {"stage1"}
        record(dict.fromkeys(stages, EPOCHS), others=EPOCHS)(
            description["trained_epochs"], "trained_epochs"
        )
    fitted = [description["latent_normalization"], description["image_normalization"]]
    if len({one and MODE.present(one["mode"]) for one in fitted}) > 1:
        raise InputError("latent_normalization and image_normalization must have one mode")


def _upgraded(description: dict) -> dict:
    """Bring a description of an older format into the present one."""
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
        if fitted is not None:  # Until format 5 the modes had other names.
            fitted["mode"] = MODE.present(fitted["mode"])
    return description


def _with_kl_weight(config: Config) -> Config:
    """Name the weight of KL where None meant the original program's: until format 4."""
    open_weight = "kl_weight" not in config.model and not decides_kl_weight(config.balancing)
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
