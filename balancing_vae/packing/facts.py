"""The files of a weights folder besides those of a saved folder."""

from pathlib import Path

from balancing_vae.config import PRECISIONS
from balancing_vae.errors import MissingFileError
from balancing_vae.schema import mapping
from balancing_vae.schema import one_of
from balancing_vae.schema import optional
from balancing_vae.schema import read_json
from balancing_vae.schema import real
from balancing_vae.schema import record
from balancing_vae.schema import sequence
from balancing_vae.schema import text
from balancing_vae.schema import whole

DECODER = "decoder.keras"
FACTS = "pretrained.json"
SAMPLES = "samples.png"

IS_DIFFERENCE = record(
    {
        "column": text,
        "images": whole(least=1),
        "largest": real(least=0),
        "mean": real(least=0),
        "variance loss": sequence(real(), 2),
    },
    {"mse": sequence(real(least=0), 2)},
)
IS_FACTS = record(
    {
        "name": text,
        "command": optional(text),
        "kernels": one_of("float32", "float16"),
        "trained_in": one_of(*PRECISIONS),
        "trained_with": mapping(text),
        "parameters": mapping(whole(least=0)),
        "deviations": sequence(IS_DIFFERENCE, 2),
    }
)


def read_facts(folder: Path) -> dict:
    """Return the facts that `pack` wrote about a set: name, storage, parameters, differences.

    Args:
        folder: A weights folder.

    Returns:
        The contents of `pretrained.json`.

    Raises:
        FileNotFoundError: It is not a weights folder.
        ValueError: The file is damaged.
    """
    path = folder / FACTS
    if not path.is_file():
        raise MissingFileError(
            f"{path} is missing; {folder} is not a weights folder. Make one with `balancing-vae "
            "pretrained pack`."
        )
    return read_json(path, IS_FACTS, "copy the folder again")
