"""The sets of weights by name, and the commands that train them."""

import difflib
import functools
import json
from dataclasses import dataclass
from importlib import resources

from balancing_vae.config import Config
from balancing_vae.datasets import dataset
from balancing_vae.datasets.published import sources
from balancing_vae.errors import InputError
from balancing_vae.presets import load_preset
from balancing_vae.presets import preset_config
from balancing_vae.presets import preset_of
from balancing_vae.schema import mapping
from balancing_vae.schema import optional
from balancing_vae.schema import record
from balancing_vae.schema import text
from balancing_vae.schema import whole

IS_ENTRY = record(
    {"preset": text, "sha256": optional(text), "size": optional(whole(least=1)), "note": text}
)


@dataclass(frozen=True)
class PretrainedSet:
    """What is known about a set of weights, wherever it is.

    Attributes:
        name: Its name in `from_pretrained`.
        preset: The preset it is trained with.
        sha256: Of its `SHA256SUMS`, and so of all its files; None where it is not published.
        size: Of all its files together, in bytes; None likewise.
        note: Why it is not published, or what else there is to know.
    """

    name: str
    preset: str
    sha256: str | None
    size: int | None
    note: str

    @property
    def dataset(self) -> str:
        """Name of the dataset it is trained on."""
        return load_preset(self.preset)["dataset"]["name"]

    @property
    def training_commands(self) -> list[str]:
        """The command lines that prepare its data and train it."""
        return training_commands(preset_config(self.preset), self.name)


@functools.cache
def pretrained_sets() -> dict[str, PretrainedSet]:
    """Return all sets by name, trained and published or not."""
    file = resources.files("balancing_vae.pretrained") / "sets.json"
    entries = json.loads(file.read_text("utf-8"))
    mapping(IS_ENTRY)(entries, "sets.json")
    return {name: PretrainedSet(name, **fields) for name, fields in entries.items()}


def pretrained_set(name: str) -> PretrainedSet:
    """Return what is known about a set.

    Args:
        name: Its name.

    Returns:
        The entry.

    Raises:
        ValueError: There is no set of that name; the nearest is suggested.

    Example:
        ```python
        pretrained_set("mnist").training_commands
        ```
    """
    names = list(pretrained_sets())
    if name not in names:
        nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        suggestion = f" Did you mean {nearest[0]!r}?" if nearest else ""
        raise InputError(
            f"There are no pretrained weights {name!r}, and no such folder; there are "
            f"{', '.join(names)}.{suggestion}"
        )
    return pretrained_sets()[name]


def training_commands(config: Config, name: str) -> list[str]:
    """Return the command lines that prepare a preset's data and train it.

    Args:
        config: Hyperparameters that started from a preset.
        name: Name of the run's folder below `runs/`.

    Returns:
        One or two command lines; what the config changes of the preset is among their
        options.

    Example:
        ```python
        training_commands(preset_config("mnist"), "mnist")
        ```
    """
    preset = preset_of(config)
    asked = load_preset(preset)["dataset"]
    entry = dataset(asked["name"])
    train = ["balancing-vae train --preset", preset, *data_words(preset)]
    commands = []
    if entry.needs_source:
        prepare = ["balancing-vae datasets prepare", entry.name]
        prepare += ["--jpeg"] if asked.get("jpeg") else []
        prepare += ["--pad"] if config.padding else []
        prepare += [] if entry.downloadable else ["--source", sources()[entry.name]["archive"]]
        commands.append(" ".join([*prepare, "--out", f"data/{entry.name}"]))
    published = preset_config(preset)
    for field in ("epochs", "epochs2", "batch_size", "precision", "seed"):
        if getattr(config, field) != getattr(published, field):
            train += [f"--{field.replace('_', '-')}", str(getattr(config, field))]
    return [*commands, " ".join([*train, "--out", f"runs/{name}"])]


def data_words(preset: str) -> list[str]:
    """Return `--data` and the folder of a preset's data; nothing where none is needed.

    Args:
        preset: The preset's name.

    Returns:
        Two words of a command line, or none.

    Example:
        ```python
        data_words("mnist")   # ["--data", "data/mnist"]
        ```
    """
    entry = dataset(load_preset(preset)["dataset"]["name"])
    return ["--data", f"data/{entry.name}"] if entry.needs_source else []
