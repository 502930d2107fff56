"""The files that a weights folder has beside those of a saved folder."""

import json
from pathlib import Path

from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError

CARD = "README.md"
DECODER = "decoder.keras"
FACTS = "pretrained.json"
SAMPLES = "samples.png"


def read_facts(folder: Path) -> dict:
    """Return what `pack` wrote about a set: name, storage, parameters, deviations.

    Args:
        folder: A weights folder.

    Returns:
        What `pretrained.json` holds.

    Raises:
        FileNotFoundError: It is no weights folder.
        ValueError: The file is damaged.
    """
    path = folder / FACTS
    if not path.is_file():
        raise MissingFileError(
            f"{path} is missing; {folder} is no weights folder. Make one with `balancing-vae "
            "pretrained pack`."
        )
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); copy the folder anew.") from error
