"""Several systems trained on one dataset with one budget, and their distances as a table."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from statistics import stdev

import numpy as np

from balancing_vae.config import Config
from balancing_vae.datasets import unpad
from balancing_vae.evaluation.distances import evaluate
from balancing_vae.evaluation.distances import two_stage_columns
from balancing_vae.evaluation.metrics_file import read_metrics
from balancing_vae.evaluation.metrics_file import write_metrics
from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.files.formats import DESCRIPTION
from balancing_vae.pipeline import TwoStageVAE
from balancing_vae.storage.fingerprint import fingerprint
from balancing_vae.storage.folder import read_description
from balancing_vae.storage.run import open_run

COLUMNS = ("REC", "GEN-1", "GEN-2")
# Epochs of a shortened recipe may be shorter than the writing of a state.
SECONDS_BETWEEN_STATES = 30


def train_systems(
    folder: Path,
    plan: dict[str, Config],
    trainings: int,
    x: np.ndarray,
    validation_data: np.ndarray | None = None,
    callbacks: Sequence = (),
) -> dict[str, list[Path]]:
    """Train each system several times; what is finished is left, what was begun goes on.

    Args:
        folder: The comparison's folder; each training gets one inside, `SYSTEM/seed-0`.
        plan: The recipe of each system, by name.
        trainings: How often each is trained, with the seeds 0, 1, ...
        x: Training images, uint8 [N, D, D, C].
        validation_data: Images held out, or None.
        callbacks: Keras callbacks for every training.

    Returns:
        The saved folders of each system, by name.

    Example:
        ```python
        runs = train_systems(Path("runs/systems"), {"digits": preset_config("digits")}, 3, x)
        ```
    """
    runs = {name: [folder / name / f"seed-{seed}" for seed in range(trainings)] for name in plan}
    for seed in range(trainings):
        for name, config in plan.items():
            run = runs[name][seed]
            if _is_finished(run):
                continue
            print(f"\n{name}, seed {seed}: {config.epochs} + {config.epochs2} epochs")
            config = config.replace(seed=seed)
            begun = (run / DESCRIPTION).is_file()
            with open_run(run, config, resume=begun, overwrite=False):
                vae = TwoStageVAE(config)
                vae.fit(
                    x,
                    validation_data=validation_data,
                    callbacks=callbacks,
                    run_dir=run,
                    seconds_between_states=SECONDS_BETWEEN_STATES,
                )
                vae.write_into(run)
    return runs


def measure_systems(
    runs: dict[str, list[Path]],
    real: np.ndarray,
    network: FeatureNetwork,
    protocol: str,
    about: dict,
) -> list[dict]:
    """Measure REC, GEN-1 and GEN-2 of every training, plain and normalised.

    Each training is sampled once, with a seed equal to its own. The numbers go into its
    `metrics.json`, too; those that are there already are not measured again.

    Args:
        runs: What `train_systems` returned.
        real: Test images, uint8 [N, D, D, C], as `choose_images` gives.
        network: Gives the features.
        protocol: Name of the protocol.
        about: What stands beside each number: dataset, data, command, versions.

    Returns:
        A row a number: system, training seed and what `evaluate` says.
    """
    rows = []
    for name, folders in runs.items():
        for seed, run in enumerate(folders):
            found = _distances(read_metrics(run), network, protocol, about)
            if not found:
                state = fingerprint(run)
                columns = two_stage_columns(TwoStageVAE.load(run), real)
                measured = evaluate(columns, real, network, protocol, [seed], progress=True)
                measured = [about | row | state.of(row) for row in measured]
                write_metrics(run, measured)
                found = _distances(measured, network, protocol, about)
            rows += [{"system": name, "training": seed, **row} for row in found]
    return rows


def systems_table(rows: Sequence[dict]) -> str:
    """Return mean and deviation over trainings, a line a system.

    Args:
        rows: What `measure_systems` returned.

    Returns:
        GitHub-flavoured Markdown, the noise floor of the data below.

    Example:
        ```python
        print(systems_table(rows))
        ```
    """
    lines = ["| system | " + " | ".join(COLUMNS) + " |", "|---" * (1 + len(COLUMNS)) + "|"]
    for system in dict.fromkeys(row["system"] for row in rows):
        for normalized in (False, True):
            cells = [
                _mean_and_deviation(
                    row["value"]
                    for row in rows
                    if (row["system"], row["column"], row["normalized"])
                    == (system, column, normalized)
                )
                for column in COLUMNS
            ]
            name = f"{system}, normalised" if normalized else system
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    floor = next(row for row in rows if row["column"] == "noise floor")
    count = len({row["training"] for row in rows})
    lines += [
        "",
        f"{floor['distance']}, protocol {floor['protocol']}, mean ± deviation over {count} "
        f"trainings, {rows[0]['real_count']:,} real and {rows[0]['generated_count']:,} generated "
        f"images. Noise floor: {floor['value']:.4g} ({floor['real_count']:,} against "
        f"{floor['generated_count']:,} real images).",
    ]
    return "\n".join(lines)


def systems_sheet(
    runs: dict[str, list[Path]], real: np.ndarray, count: int = 16
) -> dict[str, np.ndarray]:
    """Return samples of each system's first training, from the same draws.

    Args:
        runs: What `train_systems` returned.
        real: Test images, uint8 [N, D, D, C].
        count: Images in a row.

    Returns:
        Images, float [count, D, D, C] in [0, 1], by the title of their row: data, and of
        each system reconstructions, GEN-1, GEN-2 and GEN-2 normalised.
    """
    rows = {"data": real[:count] / np.float32(255)}
    for name, (run, *_) in runs.items():
        vae = TwoStageVAE.load(run)
        padding = vae.config.padding
        rows[f"{name}: REC"] = vae.reconstruct(real[:count])
        for stage, normalize in ((1, False), (2, False), (2, True)):
            title = f"{name}: GEN-{stage}" + (", normalised" if normalize else "")
            rows[title] = vae.generate(count, stage, normalize=normalize, seed=0)
    rows["data"] = unpad(rows["data"], padding)
    return rows


def _distances(rows: list[dict], network: FeatureNetwork, protocol: str, about: dict) -> list[dict]:
    """Return the distances among rows that may hold moments and other measurements, too."""
    names = ("protocol", "features", "features_sha256", "data_sha256")
    wanted = (protocol, network.name, network.sha256, about["data_sha256"])
    return [row for row in rows if tuple(row.get(name) for name in names) == wanted]


def _is_finished(run: Path) -> bool:
    return (run / DESCRIPTION).is_file() and read_description(run)["trained_epochs"] is not None


def _mean_and_deviation(values) -> str:
    values = list(values)
    deviation = f" ± {stdev(values):.2g}" if len(values) > 1 else ""
    return f"{mean(values):.4g}{deviation}"
