"""Published hyperparameters as data: one JSON file per preset."""

import difflib
import json
from importlib import resources

from balancing_vae.config import Config
from balancing_vae.errors import InputError

__all__ = ["load_preset", "preset_config", "preset_names", "preset_of"]


def preset_names() -> list[str]:
    """Return the names of all presets, sorted."""
    folder = resources.files("balancing_vae.presets")
    texts = {p.name: p.read_text("utf-8") for p in folder.iterdir() if p.name.endswith(".json")}
    return sorted(
        name.removesuffix(".json") for name, text in texts.items() if "config" in json.loads(text)
    )


def load_preset(name: str) -> dict:
    """Return the content of a preset's file.

    Args:
        name: One of `preset_names()`.

    Returns:
        A dict with `description`, `source`, `dataset` (name and options) and `config`.

    Raises:
        ValueError: The name is not a preset; the message suggests the nearest one.

    Example:
        ```python
        load_preset("cifar10")["source"]
        ```
    """
    names = preset_names()
    if name not in names:
        nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        suggestion = f" Did you mean {nearest[0]!r}?" if nearest else ""
        raise InputError(f"Unknown preset {name!r}; choose one of {', '.join(names)}.{suggestion}")
    file = resources.files("balancing_vae.presets") / f"{name}.json"
    return json.loads(file.read_text("utf-8"))


def preset_of(config: Config) -> str:
    """Return the name of the preset from which a config was made.

    Args:
        config: The hyperparameters.

    Returns:
        One of `preset_names()`.

    Raises:
        ValueError: The config was not made from a preset.

    Example:
        ```python
        load_preset(preset_of(vae.config))["source"]
        ```
    """
    if config.preset is None:
        raise InputError("The config has no preset; use a config from `preset_config`.")
    return config.preset


def preset_config(name: str, **changes) -> Config:
    """Return a preset's hyperparameters, with some changed.

    Args:
        name: One of `preset_names()`.
        **changes: Fields of `Config` to set differently.

    Returns:
        The config.

    Raises:
        ValueError: The preset or a field is unknown, or a value is out of range.

    Example:
        ```python
        preset_config("cifar10", epochs=10)
        ```
    """
    config = Config.from_dict({**load_preset(name)["config"], "preset": name})
    return config.replace(**changes)
