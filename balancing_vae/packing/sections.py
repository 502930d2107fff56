"""The sections of a model card: each function returns a list of Markdown paragraphs."""

from pathlib import Path

from balancing_vae.config import Config
from balancing_vae.config import differences
from balancing_vae.datasets import dataset
from balancing_vae.datasets.published import sources
from balancing_vae.evaluation.effects import answer
from balancing_vae.evaluation.effects import normalization_effects
from balancing_vae.evaluation.effects import normalization_effects_table
from balancing_vae.evaluation.measurement import DATA
from balancing_vae.evaluation.measurement import NOISE_FLOOR
from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.figures.tables import Table
from balancing_vae.files.checksums import CHECKSUMS
from balancing_vae.packing.facts import DECODER
from balancing_vae.presets import load_preset
from balancing_vae.presets import preset_config
from balancing_vae.presets import preset_of
from balancing_vae.pretrained.registry import data_words
from balancing_vae.pretrained.registry import preparation_commands
from balancing_vae.pretrained.registry import train_command
from balancing_vae.storage.folder import TRAINING
from balancing_vae.storage.folder import read_description
from balancing_vae.storage.folder import read_history

_NEGATIVE = (
    " A KD is an unbiased estimate, so it can be negative. A negative one counts as 0, because it "
    "does not show that one set of images is closer to the data than another."
)
_TERMS = (
    "REC are reconstructions of test images. GEN-1 are images decoded from samples of the prior, "
    "GEN-2 from samples of the second stage, and GEN (NAME) from another sampler, which is fitted "
    "after the training. FD is the Fréchet distance and KD the kernel distance to test images, in "
    "the features that the parentheses name. The variance loss is the variance of the data minus "
    "that of the images, and mean std is the standard deviation of a pixel; both are means over "
    "the pixels. Samples of a VAE vary less than the data. Normalisation rescales latents or "
    "images for this reason, and its modes differ in what they rescale."
)
_GATED = (
    "`gated` is the mode of the last published program. Reconstructed images are rescaled, and the "
    "latents of GEN-1 and GEN-2 only if the gate is open: the second stage must have lost more "
    "variance than a quarter of its mse."
)
_MODES = {
    "latents": "`latents` is what the paper's text describes: second-stage latents alone are "
    "rescaled, so REC and GEN-1 do not change.",
    "latents_and_images": "`latents_and_images` always rescales second-stage latents; "
    "reconstructed and generated images are rescaled, too. No published number uses this mode. "
    "`balancing-vae reproduce normalization` measures the effect of the latents' factor alone.",
}
_OTHER_SAMPLERS = "The latents of other samplers are rescaled in every mode, without the gate."
_NO_FLOOR = "not measured, because it needs a second set of as many real images"


def use(name: str, config: Config) -> list[str]:
    """Describe how to load the set, and how to load only its decoder."""
    return [
        "## Use",
        f"""```python
from balancing_vae import TwoStageVAE

vae = TwoStageVAE.from_pretrained("{name}")  # or the path of this folder
images = vae.generate(100, seed=0)
```""",
        f"`{DECODER}` is the decoder alone. It consists of Keras's own layers and does not need "
        f"this package. It maps latents, float [N, {config.latent_dim}], to images, float "
        f"{_shape(config)} in [0, 1].",
        f"""```python
import keras

decoder = keras.saving.load_model("{DECODER}")
images = decoder(keras.random.normal((16, {config.latent_dim})))
```""",
    ]


def recipe(facts: dict, config: Config, folder: Path) -> list[str]:
    """Describe the training: networks, epochs, changes to the preset, and commands."""
    stages = {
        "stage1": (config.network["name"], config.epochs, config.lr),
        "stage2": (
            f"dense, {config.second_depth} x {config.second_dim}",
            config.epochs2,
            config.lr2,
        ),
    }
    trained = config.replace(precision=facts["trained_in"])
    history = read_history(folder)
    images = dataset(load_preset(preset_of(config))["dataset"]["name"]).counts["train"]
    titles = ["stage", "network", "parameters", "epochs", "steps", "learning rate", "gamma", "mse"]
    lines = []
    for name, parameters in facts["parameters"].items():
        number = int(name[-1])
        network, epochs, rate = stages[name]
        last: dict = next((row for row in reversed(history) if row["stage"] == number), {})
        steps = epochs * (images // config.batch_size)
        measured = (last.get("gamma"), last.get("mse"))
        lines.append([number, network, parameters, epochs, steps, f"{rate:g}", *measured])
    versions = ", ".join(f"{name} {version}" for name, version in facts["trained_with"].items())
    text = (
        f"Preset `{config.preset}` ({load_preset(preset_of(config))['source']}), "
        f"{config.latent_dim} latents, {config.batch_size} images per step, seed {config.seed}. "
        "Gamma, the decoder's standard deviation, and mse are training values of the last epoch. "
        f"All epochs are in `history.csv`. Made with {versions}."
    )
    # The padding comes from the data, so the section on the data reports it.
    changed = differences(preset_config(preset_of(config), padding=config.padding), trained)
    if changed:
        text += f" Changes to the preset: {'; '.join(changed)}."
    return [
        "## Training",
        Table(titles, lines).markdown(),
        text,
        _console(_commands(facts, trained, folder)),
    ]


def _commands(facts: dict, config: Config, folder: Path) -> list[str]:
    """Return the recorded commands; an older folder has none, so they come from its config."""
    description = read_description(folder)
    recorded, run = description["commands"], f"runs/{facts['name']}"
    commands = [
        *preparation_commands(config),
        *recorded.get(TRAINING, [train_command(config, run)]),
    ]
    for sampler in description["samplers"]:
        if sampler in recorded:
            commands += recorded[sampler]
        elif sampler not in config.samplers:  # the training fits those in the config
            words = ["balancing-vae fit-sampler", run, sampler, *data_words(preset_of(config))]
            commands.append(" ".join(words))
    return [*commands, facts["command"]] if facts["command"] else commands


def _console(commands: list[str]) -> str:
    return "```console\n" + "\n".join(commands) + "\n```"


def data(config: Config, rows: list[Measurement]) -> list[str]:
    """Describe the images, their source and their licence."""
    asked = load_preset(preset_of(config))["dataset"]
    entry = dataset(asked["name"])
    published = sources().get(entry.name, {})
    prepared = ["after the original program's JPEG round trip"] if asked.get("jpeg") else []
    prepared += (
        [f"padded with {config.padding} black pixels on each side"] if config.padding else []
    )
    counts = ", ".join(f"{count:,} {split}" for split, count in entry.counts.items())
    text = (
        f"{entry.summary} ({published.get('homepage', 'no home page')}); {counts}; images "
        f"{_shape(config)}{''.join(', ' + words for words in prepared)}. Licence of the data: "
        f"{published.get('license', 'unknown')}. Licence of the weights: Apache-2.0, as far as "
        "this project can grant it."
    )
    hashes = sorted({row.data_sha256 for row in rows if row.data_sha256 is not None})
    if hashes:
        text += f" The sha256 of the images measured below is `{', '.join(hashes)}`."
    return ["## Data", text]


def numbers(rows: list[Measurement], gate_open: bool) -> list[str]:
    """Report the effect of normalisation on each metric, or that nothing is measured yet."""
    if not rows:
        return ["## Numbers", "None yet. `balancing-vae evaluate` with this folder adds them here."]
    found = normalization_effects(rows)
    generated = [effect for effect in found if effect.protocol and effect.column.startswith("GEN")]
    floors = dict.fromkeys(
        f"{row.name}, `{row.protocol}`: {row.value:.4g} ({row.real_count:,} against "
        f"{row.generated_count:,} images)"
        for row in rows
        if row.column == NOISE_FLOOR
    )
    spreads = dict.fromkeys(f"{row.value:.4f}" for row in rows if row.column == DATA)
    counts = sorted(
        {
            (row.real_count, row.generated_count)
            for row in rows
            if row.protocol and row.column != NOISE_FLOOR
        }
    )
    pairs = "; ".join(f"{real:,} real against {generated:,}" for real, generated in counts)
    seeds = " or ".join(map(str, sorted({len(effect.plain) for effect in found})))
    measured = {row.normalization for row in rows}
    negative = any(row.metric == "kid" and row.value < 0 for row in rows)
    here = "Here its gate is open." if gate_open else "Here its gate is shut."
    modes = {"gated": f"{_GATED} {here}"} | _MODES
    said = "\n".join(f"- {words}" for mode, words in modes.items() if mode in measured)
    return [
        "## Numbers: does normalisation improve generated images?",
        _TERMS,
        *([said, _OTHER_SAMPLERS] if said else []),
        "\n".join(f"- {answer(effect)}" for effect in generated),
        normalization_effects_table(found).markdown(),
        f"Each number is the mean ± standard deviation over {seeds} sampling seeds of this one "
        "training. The parentheses show for how many seeds the normalised number is better than "
        f"the plain one. Distances compare {pairs} images. "
        f"Mean std of the data: {', '.join(spreads)}. A distance or an mse is better if it is "
        "smaller, a variance loss if it is closer to 0, and a mean std if it is closer to that of "
        "the data." + (_NEGATIVE if negative else ""),
        "Noise floor, the distance between two disjoint sets of real images: "
        f"{'; '.join(floors) or _NO_FLOOR}.",
        _console(list(dict.fromkeys(row.command for row in rows if row.command is not None))),
        "`metrics.json` has the numbers of each seed, with versions.",
    ]


def precision(facts: dict) -> list[str]:
    """Report how much lower precision and rounding changed compared with the run."""
    lines = []
    for row in facts["deviations"]:
        pairs = [
            f"{row[name][0]:.6f} -> {row[name][1]:.6f}" if name in row else None
            for name in ("mse", "variance loss")
        ]
        lines.append(
            [row["column"], row["images"], f"{row['largest']:.2g}", f"{row['mean']:.2g}", *pairs]
        )
    titles = ["", "images", "largest", "mean", "mse", "variance loss"]
    return [
        "## Precision",
        f"Trained in {facts['trained_in']}; kernels stored in {facts['kernels']}; computes in "
        "float32. The table compares this set with the run for the same draws: the differences of "
        "pixels (in [0, 1]) and the moments.",
        Table(titles, lines).markdown(),
    ]


def limits(config: Config, rows: list[Measurement]) -> list[str]:
    """List the limits of the set."""
    limits = [
        "This is one training with one seed: the standard deviations above do not cover the "
        "variation between trainings.",
        "Generated images resemble the training data, with their gaps and biases. They are "
        "blurred, like those of other VAEs, and suitable for research only.",
    ]
    if rows and not any(row.name == "FID" for row in rows):
        limits.append(
            "No FID was measured: the distances above use other features. They are comparable "
            "neither with published FIDs nor with distances in features of another name or sha256."
        )
    if any(row.real_count < 2000 for row in rows):
        limits.append("Few images: Fréchet distances are biased upwards.")
    return [
        "## Limits",
        "\n".join(f"- {limit}" for limit in limits),
        f"`sha256sum --check {CHECKSUMS}` or `balancing-vae pretrained verify` checks that this "
        "folder is complete and unchanged.",
    ]


def _shape(config: Config) -> str:
    return f"[N, {', '.join(map(str, config.image_shape))}]"
