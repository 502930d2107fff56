"""Write and read the content of a pipeline's saved folder."""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from balancing_vae.files.checksums import update_checksums
from balancing_vae.files.formats import DESCRIPTION
from balancing_vae.normalization import ImageNormalization
from balancing_vae.normalization import LatentNormalization
from balancing_vae.pipeline.history import History
from balancing_vae.pipeline.stale import mark_stale
from balancing_vae.pipeline.stale import stale_parts
from balancing_vae.storage.folder import read_description
from balancing_vae.storage.folder import read_history
from balancing_vae.storage.folder import write_description
from balancing_vae.storage.folder import write_history
from balancing_vae.storage.samplers import load_samplers
from balancing_vae.storage.samplers import save_samplers
from balancing_vae.storage.weights import load_weights
from balancing_vae.storage.weights import save_weights


def write_pipeline(vae, folder: Path, commands: Mapping[str, Sequence[str]] | None = None) -> None:
    """Write config, weights, samplers, normalisation and history, each file atomically.

    Args:
        vae: A `TwoStageVAE`.
        folder: The folder, which must exist; other files in it are kept.
        commands: The original command lines by part (`TRAINING` or a sampler's name).

    Raises:
        OSError: The disk is full; old files are left unchanged.
    """
    for name, stage in vae.stages.items():
        save_weights(folder / f"{name}.weights.h5", stage)
    samplers = save_samplers(folder, vae.fitted_samplers)
    write_history(folder, vae.history)
    write_description(
        folder,
        {
            "config": vae.config.to_dict(),
            "trained_epochs": {name: stage.trained_epochs for name, stage in vae.stages.items()},
            "samplers": samplers,
            "stale": stale_parts(vae),
            "commands": dict(commands or {}),
            "latent_normalization": _as_dict(vae.latent_normalization),
            "image_normalization": _as_dict(vae.image_normalization),
        },
    )


def write_sampler(vae, name: str, folder: Path, command: str) -> None:
    """Write one newly fitted sampler into a saved folder, and no other part.

    This writes the sampler's file and the description, and updates their checksums if the folder
    has checksums.

    Args:
        vae: The `TwoStageVAE` of the folder.
        name: The sampler's name.
        folder: The saved folder.
        command: The original command line that fitted it.

    Raises:
        OSError: The disk is full; old files are left unchanged.
    """
    description = read_description(folder)
    written = save_samplers(folder, {name: vae.samplers[name]})
    names = dict.fromkeys([*description["samplers"], *written])
    stale = [part for part in description.get("stale", []) if part not in written]
    commands = description["commands"] | {name: [command]}
    changed = {"samplers": list(names), "stale": stale, "commands": commands}
    write_description(folder, description | changed)
    update_checksums(folder, [DESCRIPTION, *(f"samplers/{name}.npz" for name in written)])


def read_into(vae, folder: Path, description: dict) -> None:
    """Load everything that `write_pipeline` wrote into an untrained pipeline.

    Args:
        vae: A `TwoStageVAE` with the description's config.
        folder: The saved folder.
        description: Its `config.json`, in the current format.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged or does not match the others.
    """
    for name, stage in vae.stages.items():
        load_weights(folder / f"{name}.weights.h5", stage)
        stage.trained_epochs = description["trained_epochs"][name]
    vae.samplers |= load_samplers(folder, description["samplers"], vae.config.latent_dim)
    if description["latent_normalization"] is not None:
        vae.latent_normalization = LatentNormalization(**description["latent_normalization"])
        vae.image_normalization = ImageNormalization(**description["image_normalization"])
    vae.history = History(read_history(folder))
    mark_stale(vae, description.get("stale", []))


def _as_dict(fitted) -> dict | None:
    return None if fitted is None else dataclasses.asdict(fitted)
