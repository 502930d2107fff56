"""Fitted samplers in a saved folder, one `.npz` each, listed in the description."""

from pathlib import Path

from balancing_vae.config import PRIOR
from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.files.arrays import load_arrays
from balancing_vae.files.arrays import save_arrays
from balancing_vae.samplers import SAMPLERS
from balancing_vae.samplers import Sampler


def save_samplers(folder: Path, samplers: dict[str, Sampler]) -> list[str]:
    """Write fitted samplers, each atomically.

    Args:
        folder: A saved folder, which must exist.
        samplers: Samplers by name; the prior needs no file.

    Returns:
        The names written, for the description.
    """
    names = [name for name in samplers if name != PRIOR]
    for name in names:
        save_arrays(_path(folder, name), **samplers[name].to_arrays())
    return names


def load_samplers(folder: Path, names: list[str], latent_dim: int) -> dict[str, Sampler]:
    """Read samplers that `save_samplers` wrote.

    Args:
        folder: A saved folder.
        names: The names in the description.
        latent_dim: Number of latents of the model.

    Returns:
        The samplers by name.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged or belongs to another model, or a name is unknown.
    """
    samplers = {}
    for name in names:
        if name not in SAMPLERS:
            raise InputError(
                f"{folder} names the unknown sampler {name!r}, expected one of {sorted(SAMPLERS)}; "
                "update balancing_vae, or copy the folder again."
            )
        path = _path(folder, name)
        if not path.is_file():
            raise MissingFileError(f"{path} is missing; the folder is incomplete, copy it again.")
        arrays = load_arrays(path)
        try:
            samplers[name] = SAMPLERS[name].from_arrays(arrays)
        except (ValueError, TypeError) as error:
            raise InputError(f"{path} is damaged ({error}); copy the folder again.") from error
        if samplers[name].latent_dim != latent_dim:
            raise InputError(
                f"{path} is for {samplers[name].latent_dim} latents, but the model in its folder "
                f"has {latent_dim}; copy the folder again."
            )
    return samplers


def resumable_fit(folder: Path, name: str) -> dict[str, Path]:
    """Return the options with which `fit_sampler` saves the state of its fit in a saved folder.

    Args:
        folder: A saved folder.
        name: The sampler's name.

    Returns:
        The option `unfinished` for the flow; no options for the others, which take seconds.
    """
    return {"unfinished": _path(folder, "flow_unfinished")} if name == "flow" else {}


def _path(folder: Path, name: str) -> Path:
    return folder / "samplers" / f"{name}.npz"
