"""The known sets of weights, and the commands that train them."""

import difflib
import functools
import json
import shlex
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
# Config fields for which `balancing-vae train` has separate options.
WITH_OPTIONS = ("epochs", "epochs2", "batch_size", "precision", "seed")


@dataclass(frozen=True)
class PretrainedSet:
    """The registry's entry of a set of weights.

    Attributes:
        name: Its name in `from_pretrained`.
        preset: The preset with which it is trained.
        sha256: The sha256 of its `SHA256SUMS`, which covers all its files; None if it is not
            published.
        size: The size of all its files together in bytes; None if it is not published.
        note: Why it is not published, or other remarks.
    """

    name: str
    preset: str
    sha256: str | None
    size: int | None
    note: str

    @property
    def dataset(self) -> str:
        """Name of the dataset on which it is trained."""
        return load_preset(self.preset)["dataset"]["name"]

    @property
    def training_commands(self) -> list[str]:
        """The command lines that prepare its data and train it."""
        config = preset_config(self.preset)
        return [*preparation_commands(config), train_command(config, f"runs/{self.name}")]


@functools.cache
def pretrained_sets() -> dict[str, PretrainedSet]:
    """Return all sets by name, including those that are not trained or published."""
    file = resources.files("balancing_vae.pretrained") / "sets.json"
    entries = json.loads(file.read_text("utf-8"))
    mapping(IS_ENTRY)(entries, "sets.json")
    return {name: PretrainedSet(name, **fields) for name, fields in entries.items()}


def pretrained_set(name: str) -> PretrainedSet:
    """Return the registry's entry of a set.

    Args:
        name: Its name.

    Returns:
        The entry.

    Raises:
        ValueError: The name is not registered; the message suggests the nearest one.

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
            f"{name!r} is neither a set of pretrained weights nor a folder; the sets are "
            f"{', '.join(names)}.{suggestion}"
        )
    return pretrained_sets()[name]


def preparation_commands(config: Config) -> list[str]:
    """Return the command line that prepares the data of a preset, if one is needed.

    Args:
        config: A config that was made from a preset.

    Returns:
        One command line, or an empty list.

    Example:
        ```python
        preparation_commands(preset_config("mnist"))
        ```
    """
    asked = load_preset(preset_of(config))["dataset"]
    entry = dataset(asked["name"])
    if not entry.needs_source:
        return []
    prepare = ["balancing-vae datasets prepare", entry.name]
    prepare += ["--jpeg"] if asked.get("jpeg") else []
    prepare += ["--pad"] if config.padding else []
    prepare += [] if entry.downloadable else ["--source", sources()[entry.name]["archive"]]
    return [" ".join([*prepare, "--out", f"data/{entry.name}"])]


def train_command(config: Config, run: str) -> str:
    """Return a command line that trains a config.

    Args:
        config: A config that was made from a preset.
        run: The run's folder.

    Returns:
        The command line. Its options include all differences from the preset except the
        padding, which is stored with the data.

    Example:
        ```python
        train_command(preset_config("mnist", epochs=3), "runs/mnist")
        ```
    """
    preset = preset_of(config)
    words = ["balancing-vae", "train", "--preset", preset, *data_words(preset)]
    published = preset_config(preset, padding=config.padding).to_dict()
    for name, value in config.to_dict().items():
        if value == published[name]:
            continue
        if name in WITH_OPTIONS:
            words += [f"--{name.replace('_', '-')}", str(value)]
        else:
            words += ["--set", f"{name}={json.dumps(value)}"]
    return shlex.join([*words, "--out", run])


def data_words(preset: str) -> list[str]:
    """Return `--data` and the folder of a preset's data, or nothing if none is needed.

    Args:
        preset: The preset's name.

    Returns:
        Two words of a command line, or an empty list.

    Example:
        ```python
        data_words("mnist")   # ["--data", "data/mnist"]
        ```
    """
    entry = dataset(load_preset(preset)["dataset"]["name"])
    return ["--data", f"data/{entry.name}"] if entry.needs_source else []
