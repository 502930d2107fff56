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
# Fields of the config that `balancing-vae train` has options of their own for.
WITH_OPTIONS = ("epochs", "epochs2", "batch_size", "precision", "seed")


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
        config = preset_config(self.preset)
        return [*preparation_commands(config), train_command(config, f"runs/{self.name}")]


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


def preparation_commands(config: Config) -> list[str]:
    """Return the command line that prepares the data of a preset; none where it needs none.

    Args:
        config: Hyperparameters that started from a preset.

    Returns:
        One command line or none.

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
        config: Hyperparameters that started from a preset.
        run: The run's folder.

    Returns:
        The command line; what the config changes of the preset is among its options, but for
        the padding, which comes with the data.

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
