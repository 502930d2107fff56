"""Train several systems on one dataset within one budget, and tabulate their distances."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from balancing_vae.config import Config
from balancing_vae.evaluation.columns import two_stage_columns
from balancing_vae.evaluation.measured_before import measured_before
from balancing_vae.evaluation.measurement import NOISE_FLOOR
from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.evaluation.measurement import aggregate
from balancing_vae.evaluation.measurement import with_deviation
from balancing_vae.evaluation.measurement import with_mode
from balancing_vae.evaluation.measuring import evaluate
from balancing_vae.evaluation.metrics_file import of_run
from balancing_vae.evaluation.metrics_file import write_metrics
from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.figures.tables import Table
from balancing_vae.files.formats import DESCRIPTION
from balancing_vae.normalization import MODES
from balancing_vae.pipeline import TwoStageVAE
from balancing_vae.storage.fingerprint import fingerprint
from balancing_vae.storage.folder import read_description
from balancing_vae.storage.run import open_run

COLUMNS = ("REC", "GEN-1", "GEN-2")
# An epoch of a shortened recipe may take less time than writing a state.
SECONDS_BETWEEN_STATES = 30


def train_systems(
    folder: Path,
    plan: dict[str, Config],
    trainings: int,
    x: np.ndarray,
    validation_data: np.ndarray | None = None,
    callbacks: Sequence = (),
    command: str | None = None,
) -> dict[str, list[Path]]:
    """Train each system several times; skip finished trainings and resume unfinished ones.

    Args:
        folder: The comparison's folder; each training has a folder in it, `SYSTEM/seed-0`.
        plan: The recipe of each system, by name.
        trainings: Number of trainings of each, with the seeds 0, 1, ...
        x: Training images, uint8 [N, D, D, C].
        validation_data: Images held out, or None.
        callbacks: Keras callbacks for every training.
        command: The command line, recorded with the weights.

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
            with open_run(run, config, begun, False, command) as commands:
                vae = TwoStageVAE(config)
                vae.fit(
                    x,
                    validation_data=validation_data,
                    callbacks=callbacks,
                    run_dir=run,
                    seconds_between_states=SECONDS_BETWEEN_STATES,
                )
                vae.write_into(run, commands)
    return runs


def measure_systems(
    runs: dict[str, list[Path]],
    real: np.ndarray,
    network: FeatureNetwork,
    protocol: str,
    dataset: str,
    data: str | None,
    command: str,
    more_real: np.ndarray | None = None,
) -> dict[str, list[Measurement]]:
    """Measure REC, GEN-1 and GEN-2 of every training, plain and normalised.

    Each training is sampled once, with its own seed. The numbers are also written to its
    `metrics.json`; numbers that are already there are not measured again.

    Args:
        runs: What `train_systems` returned.
        real: Test images, uint8 [N, D, D, C], from `choose_images`.
        network: The feature network.
        protocol: Name of the protocol.
        dataset: Name of the dataset.
        data: Path of its images; None if they need no files.
        command: The command line of the comparison.
        more_real: As many further test images, for the noise floor; None leaves it out.

    Returns:
        The measurements in these features for all trainings of each system, by name.
    """
    measured: dict[str, list[Measurement]] = {name: [] for name in runs}
    for name, folders in runs.items():
        for seed, run in enumerate(folders):
            if not measured_before(run, real, network, protocol):
                state = fingerprint(run)
                columns = two_stage_columns(TwoStageVAE.load(run), real)
                rows = evaluate(
                    columns, real, network, protocol, [seed], more_real=more_real, progress=True
                )
                write_metrics(run, of_run(rows, state, dataset, data, command))
            measured[name] += measured_before(run, real, network, protocol)
    return measured


def systems_table(measured: dict[str, list[Measurement]]) -> Table:
    """Return a table of means and deviations over trainings, with one line for each system.

    Args:
        measured: What `measure_systems` returned.

    Returns:
        The table, with the noise floor of the data in its note.

    Example:
        ```python
        print(systems_table(measured))
        ```
    """
    lines = []
    means = {name: aggregate(of_system) for name, of_system in measured.items()}
    measured_modes = {one.normalization for of_system in means.values() for one in of_system}
    modes = [mode for mode in MODES if mode in measured_modes]
    for name, of_system in means.items():
        for mode in (None, *modes):
            cells = {
                one.column: with_deviation(one.value, one.deviation)
                for one in of_system
                if one.normalization == mode
            }
            lines.append([with_mode(name, mode, modes), *(cells.get(column) for column in COLUMNS)])
    every = [one for of_system in means.values() for one in of_system]
    first = next(one for one in every if one.column in COLUMNS)
    floor = next((one for one in every if one.column == NOISE_FLOOR), None)
    shown = "not measured, because it needs as many further real images"
    if floor is not None:
        counts = f"{floor.real_count:,} against {floor.generated_count:,} real images"
        shown = f"{floor.value:.4g} ({counts})"
    note = (
        f"{first.name}, protocol {first.protocol}, mean ± deviation over {first.repetitions} "
        f"trainings, {first.real_count:,} real and {first.generated_count:,} generated images. "
        f"Noise floor: {shown}."
    )
    return Table(["system", *COLUMNS], lines, note)


def systems_sheet(
    runs: dict[str, list[Path]], real: np.ndarray, count: int = 16
) -> dict[str, np.ndarray]:
    """Return samples of each system's first training, all from the same draws.

    Args:
        runs: What `train_systems` returned.
        real: Test images, uint8 [N, D, D, C].
        count: Images in a row.

    Returns:
        Images, float [count, D, D, C] in [0, 1], by the title of their row: the data, and for
        each system reconstructions, GEN-1, GEN-2 and normalised GEN-2.
    """
    rows = {"data": real[:count] / np.float32(255)}
    for name, (run, *_) in runs.items():
        vae = TwoStageVAE.load(run)
        rows[f"{name}: REC"] = vae.reconstruct(real[:count])
        for stage, normalize in ((1, False), (2, False), (2, True)):
            title = f"{name}: GEN-{stage}" + (", normalised" if normalize else "")
            rows[title] = vae.generate(count, stage, normalize=normalize, seed=0)
    rows["data"] = vae.without_padding(rows["data"])
    return rows


def _is_finished(run: Path) -> bool:
    return (run / DESCRIPTION).is_file() and read_description(run)["trained_epochs"] is not None
