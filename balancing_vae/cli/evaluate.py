"""`balancing-vae evaluate`: REC, GEN-1 and GEN-2 of a run, into its `metrics.json`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from balancing_vae.cli.arguments import MOST_IMAGES
from balancing_vae.cli.arguments import MOST_SEEDS
from balancing_vae.cli.arguments import add_command
from balancing_vae.cli.arguments import mode
from balancing_vae.cli.arguments import whole_number
from balancing_vae.cli.data import add_data_argument
from balancing_vae.cli.data import check_run
from balancing_vae.cli.data import open_images_to_fit
from balancing_vae.cli.data import open_split
from balancing_vae.cli.fid import add_measuring_arguments
from balancing_vae.config import Config

if TYPE_CHECKING:
    from balancing_vae.fid.features import FeatureNetwork

SEEDS = 3
IMAGES = 10_000
_EXAMPLE = """
balancing-vae evaluate runs/digits --features pixels
balancing-vae evaluate runs/cifar10 --data data/cifar10
balancing-vae evaluate runs/cifar10 --data data/cifar10 --protocol ttur --seeds 5
balancing-vae evaluate runs/mnist --data data/mnist --features classifier:data/mnist
balancing-vae evaluate runs/mnist --data data/mnist --samplers gaussian mixture
balancing-vae evaluate runs/mnist --data data/mnist --normalization latents
balancing-vae evaluate runs/mnist --data data/mnist --metrics fid kid precision recall
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand `evaluate`."""
    parser = add_command(
        subparsers,
        "evaluate",
        "Measure reconstructions and samples of a run, without and with normalisation.",
        _EXAMPLE,
    )
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="a saved folder")
    add_data_argument(parser)
    add_measuring_arguments(parser)
    parser.add_argument(
        "--seeds",
        type=whole_number(1, MOST_SEEDS),
        default=SEEDS,
        metavar="N",
        help="sampling seeds (default: %(default)s)",
    )
    parser.add_argument(
        "--images",
        type=whole_number(2, MOST_IMAGES),
        default=IMAGES,
        metavar="N",
        help="real images, and as many generated ones (default: %(default)s); where the data "
        "have twice as many, the noise floor is measured, too",
    )
    parser.add_argument(
        "--metrics",
        nargs="+",
        metavar="NAME",
        help="what is measured, such as fid kid precision recall (default: fid mse variance_loss "
        "mean_std); a wrong name shows all there are",
    )
    parser.add_argument(
        "--samplers",
        nargs="+",
        default=(),
        metavar="NAME",
        help="further samplers to measure: prior, second_stage, or what `fit-sampler` fitted",
    )
    parser.add_argument(
        "--normalization",
        type=mode,
        metavar="MODE",
        help="fit it again in this mode (gated, latents or latents_and_images), on the images that "
        "training fitted it on (default: as saved)",
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure what the options describe."""
    from balancing_vae.evaluation.metrics_file import read_metrics

    # What cannot be measured or added to is refused now, not after hours.
    preset = check_run(options.run_folder).preset
    read_metrics(options.run_folder)
    open_split(options.data, preset, "test")

    from balancing_vae.evaluation.measuring import DEFAULT_METRICS
    from balancing_vae.fid.metrics import get_metrics
    from balancing_vae.fid.scoring import load_network

    metrics = options.metrics or DEFAULT_METRICS
    network = None
    if any(metric.needs_features for metric in get_metrics(metrics)):
        network = load_network(options.features, options.inception, options.trusted_saved_model)
    evaluate_run(
        options.run_folder,
        options.data,
        network,
        options.protocol,
        options.command_line,
        seeds=options.seeds,
        images=options.images,
        metrics=metrics,
        samplers=options.samplers,
        normalization=options.normalization,
        as_json=options.json,
    )
    return 0


def evaluate_run(
    folder: Path,
    data: Path | None,
    network: "FeatureNetwork | None",
    protocol: str,
    command: str,
    *,
    seeds: int = SEEDS,
    images: int = IMAGES,
    metrics: Sequence[str] | None = None,
    samplers: Sequence[str] = (),
    normalization: str | None = None,
    as_json: bool = False,
) -> None:
    """Print means and deviations over seeds; write every number into `metrics.json`.

    The card and the checksums of a weights folder follow.

    Args:
        folder: A saved folder.
        data: What `--data` names.
        network: Gives the features; None where no metric needs them.
        protocol: Name of the protocol.
        command: The command line, recorded with the numbers.
        seeds: How many sampling seeds.
        images: How many real images, and generated ones.
        metrics: Names of the metrics; None: those that `evaluate` measures by default.
        samplers: Further samplers to measure.
        normalization: Mode to fit the normalisation again in; None: as saved.
        as_json: Whether the numbers are printed as JSON.
    """
    from balancing_vae.evaluation.columns import choose_images
    from balancing_vae.evaluation.columns import two_stage_columns
    from balancing_vae.evaluation.measuring import DEFAULT_METRICS
    from balancing_vae.evaluation.measuring import evaluate
    from balancing_vae.evaluation.metrics_file import of_run
    from balancing_vae.evaluation.metrics_file import write_metrics
    from balancing_vae.evaluation.table import measured_table
    from balancing_vae.files.checksums import CHECKSUMS
    from balancing_vae.packing.card import write_card
    from balancing_vae.pipeline import TwoStageVAE
    from balancing_vae.storage.fingerprint import fingerprint

    state = fingerprint(folder)
    vae = TwoStageVAE.load(folder)
    preset = vae.config.preset
    for name in samplers:
        vae.check_sampler(name)
    if normalization:
        vae.fit_normalization(open_images_to_fit(data, preset, vae.config.held_out), normalization)
    test = open_split(data, preset, "test")
    chosen = choose_images(test, 2 * images)
    real, more_real = chosen[:images], chosen[images:]
    measurements = evaluate(
        two_stage_columns(vae, real, samplers),
        real,
        network,
        protocol,
        range(seeds),
        metrics or DEFAULT_METRICS,
        more_real,
        progress=True,
    )
    dataset, where = _dataset_name(data, vae.config), None if data is None else str(data)
    measurements = of_run(measurements, state, dataset, where, command)
    # Printed first: a full disk then costs the file, not the numbers.
    if as_json:
        print(json.dumps([one.to_dict() for one in measurements]), flush=True)
    else:
        print(measured_table(measurements), flush=True)
    if network is not None and len(more_real) < len(real):
        print(
            f"The noise floor is left out: it takes {len(real):,} further real images, and the "
            f"data have {len(more_real):,} (--images {len(test) // 2} leaves enough).",
            file=sys.stderr,
        )
    path = write_metrics(folder, measurements)
    if (folder / CHECKSUMS).is_file():
        write_card(folder)
    if not as_json:
        print(f"written to {path}")


def _dataset_name(data: Path | None, config: Config) -> str:
    """Return what the data call themselves: the preset's, a prepared folder, else a file."""
    from balancing_vae import datasets
    from balancing_vae.presets import load_preset
    from balancing_vae.presets import preset_of

    if data is None:
        return load_preset(preset_of(config))["dataset"]["name"]
    return datasets.open_prepared(data).name if data.is_dir() else data.stem
