"""Turn a finished run into a weights folder."""

import json
import os
from pathlib import Path

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.files.atomic import atomic_folder
from balancing_vae.files.formats import WEIGHTS
from balancing_vae.files.targets import output_folder
from balancing_vae.packing.card import write_card
from balancing_vae.packing.facts import DECODER
from balancing_vae.packing.facts import FACTS
from balancing_vae.packing.facts import SAMPLES
from balancing_vae.storage.folder import DESCRIPTION
from balancing_vae.storage.folder import read_description

MEASURED_IMAGES = 1000


def pack(
    run: str | os.PathLike,
    out: str | os.PathLike,
    x: np.ndarray,
    float16: bool = False,
    overwrite: bool = False,
    command: str | None = None,
) -> Path:
    """Write a weights folder: a saved folder, `decoder.keras`, samples, card and checksums.

    Training states are not copied. The set always computes in float32, because not every machine
    supports the run's precision. The card reports how much this and the rounding change.
    `balancing-vae evaluate` on the folder adds the measured distances later.

    Args:
        run: A finished run, or any saved folder whose config started from a preset and
            whose normalisation is fitted.
        out: The folder to write. Its name becomes the name of the set.
        x: Test images, integers in 0..255 or floats in [0, 1], [N, D, D, C]. The first ones
            are on the sheet of samples. The differences are measured on 1,000 images drawn from
            all.
        float16: Whether the kernels are stored in float16, at half the size.
        overwrite: Whether an existing weights folder is replaced.
        command: The command line of this call, for the card.

    Returns:
        The folder.

    Raises:
        FileNotFoundError: The run, or one of its files, is missing.
        FileExistsError: `out` has other files, or it is not empty and `overwrite` is false.
        ValueError: The run is not finished or did not start from a preset; its networks have
            custom layers; a kernel exceeds float16's range; or the images do not match.
        OSError: The disk is full. No incomplete folder is left.

    Example:
        ```python
        pack("runs/mnist", "weights/mnist", datasets.load("mnist", "test", "data"))
        ```
    """
    # Imported here, because reading a card needs neither Keras nor Matplotlib.
    from balancing_vae.figures.contact_sheet import contact_sheet
    from balancing_vae.figures.images import draw_images
    from balancing_vae.figures.style import save_figure
    from balancing_vae.packing.differences import largest_differences
    from balancing_vae.packing.plain import plain_copy
    from balancing_vae.pipeline import TwoStageVAE
    from balancing_vae.storage.half import round_kernels
    from balancing_vae.training.sources import drawn_images

    run, out = Path(run), output_folder(out, WEIGHTS, overwrite, sources=[run])
    if not out.name.isprintable():
        raise InputError(
            f"{out.name!r} would be the set's name, but it cannot be printed; choose another."
        )
    description = read_description(run)
    if description["config"].get("preset") is None:
        raise InputError(
            f"{run} did not start from a preset, so no command could train it again; "
            "share the folder as it is."
        )
    trained = TwoStageVAE.load(run)
    with atomic_folder(out, WEIGHTS, overwrite) as folder:
        trained.write_into(folder, description["commands"])
        _compute_in_float32(folder)
        if float16:
            for path in folder.rglob("*.weights.h5"):
                round_kernels(path)
        vae = TwoStageVAE.load(folder)
        plain_copy(vae.stage1.decoder).save(folder / DECODER)
        if float16:
            round_kernels(folder / DECODER)
        save_figure(folder / SAMPLES, draw_images(contact_sheet(vae, x)))
        facts = {
            "name": out.name,
            "command": command,
            "kernels": "float16" if float16 else "float32",
            "trained_in": trained.config.precision,
            "trained_with": description["versions"],
            "parameters": {name: stage.count_params() for name, stage in trained.stages.items()},
            "deviations": largest_differences(trained, vae, drawn_images(x, MEASURED_IMAGES)),
        }
        (folder / FACTS).write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
        write_card(folder)
    return out


def _compute_in_float32(folder: Path) -> None:
    path = folder / DESCRIPTION
    description = json.loads(path.read_text("utf-8"))
    description["config"]["precision"] = "float32"
    path.write_text(json.dumps(description, indent=2) + "\n", "utf-8")
