"""The model card of a weights folder, written from the folder's own files alone."""

from pathlib import Path

from balancing_vae.config import Config
from balancing_vae.datasets.published import sources
from balancing_vae.errors import InputError
from balancing_vae.evaluation.card_head import card_head
from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.evaluation.metrics_file import METRICS_FILE
from balancing_vae.evaluation.metrics_file import read_metrics
from balancing_vae.files.atomic import atomic_file
from balancing_vae.files.checksums import CHECKSUMS
from balancing_vae.files.checksums import write_checksums
from balancing_vae.files.formats import CARD
from balancing_vae.packing import sections
from balancing_vae.packing.facts import SAMPLES
from balancing_vae.packing.facts import read_facts
from balancing_vae.presets import load_preset
from balancing_vae.presets import preset_of
from balancing_vae.storage.folder import read_description

CAPTION = "Each pair of rows shows the same draws, without and with normalisation."
ALIKE = (
    "Here it changes none of the samples, because the second stage's variance loss is below the "
    "original program's threshold."
)


def write_card(folder: Path) -> None:
    """Write the model card, and update the checksums of the files that may have changed.

    Args:
        folder: A weights folder that `pack` wrote; it need not be evaluated.

    Raises:
        FileNotFoundError: It is not a weights folder.
        ValueError: One of its files is damaged.

    Example:
        ```python
        write_card(Path("weights/mnist"))
        ```
    """
    with atomic_file(folder / CARD) as temporary:
        temporary.write_text(model_card(folder), "utf-8", "backslashreplace")
    if (folder / CHECKSUMS).is_file():
        changed = [CARD, METRICS_FILE]
        write_checksums(folder, [name for name in changed if (folder / name).is_file()])
    else:
        write_checksums(folder)


def model_card(folder: Path) -> str:
    """Return the model card: the Hub's head, data, licence, budget, numbers, deviations, limits.

    Args:
        folder: A weights folder.

    Returns:
        GitHub-flavoured Markdown.

    Raises:
        FileNotFoundError: It is not a weights folder.
        ValueError: One of its files is damaged.
    """
    facts, rows, config, gate_open = _read(folder)
    trained_on = load_preset(preset_of(config))["dataset"]["name"]
    paragraphs = [
        card_head(facts["name"], rows, [trained_on], "apache-2.0"),
        f"# {facts['name']}",
        load_preset(preset_of(config))["description"],
        f"![Data, reconstructions and samples, without and with normalisation]({SAMPLES})",
        f"*{CAPTION}{'' if gate_open else ' ' + ALIKE}*",
        *sections.use(facts["name"], config),
        *sections.recipe(facts, config, folder),
        *sections.data(config, rows),
        *sections.numbers(rows, gate_open),
        *sections.precision(facts),
        *sections.limits(config, rows),
    ]
    return "\n\n".join(paragraphs) + "\n"


def summary(folder: Path) -> str:
    """Return the essentials of the card for a terminal.

    Args:
        folder: A weights folder.

    Returns:
        A few lines, and the table of numbers with their protocols.

    Raises:
        FileNotFoundError: It is not a weights folder.
        ValueError: One of its files is damaged.
    """
    facts, rows, config, gate_open = _read(folder)
    asked = load_preset(preset_of(config))["dataset"]["name"]
    largest = max(row["largest"] for row in facts["deviations"])
    lines = [
        f"{facts['name']}: {load_preset(preset_of(config))['description']}",
        f"data      {asked}; licence: {sources().get(asked, {}).get('license', 'unknown')}",
        f"training  preset {config.preset}, {config.epochs} and {config.epochs2} epochs, seed "
        f"{config.seed}, in {facts['trained_in']}",
        f"stored    kernels in {facts['kernels']}; pixels in [0, 1] differ from the run by at most "
        f"{largest:.2g}",
    ]
    return "\n".join(
        [*lines, *(sections.numbers(rows, gate_open)[1:-2] if rows else ["not evaluated yet"])]
    )


def _read(folder: Path) -> tuple[dict, list[Measurement], Config, bool]:
    """Return facts, measurements, config, and whether normalisation rescales latents."""
    facts, rows, description = read_facts(folder), read_metrics(folder), read_description(folder)
    config = Config.from_dict(description["config"])
    if config.preset is None or not description.get("latent_normalization"):
        raise InputError(
            f"{folder} is not a weights folder: its config.json has no preset or no fitted "
            "normalisation. Make one with `balancing-vae pretrained pack`."
        )
    return facts, rows, config, description["latent_normalization"]["gate_open"]
