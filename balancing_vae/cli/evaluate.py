"""`balancing-vae evaluate`: REC, GEN-1 and GEN-2 of a run, into its `metrics.json`."""

import argparse
import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from balancing_vae.cli.arguments import MOST_IMAGES
from balancing_vae.cli.arguments import MOST_SEEDS
from balancing_vae.cli.arguments import add_command
from balancing_vae.cli.arguments import whole_number
from balancing_vae.cli.data import add_data_argument
from balancing_vae.cli.data import check_run
from balancing_vae.cli.data import open_images_to_fit
from balancing_vae.cli.data import open_split
from balancing_vae.cli.fid import add_measuring_arguments

_EXAMPLE = """
balancing-vae evaluate runs/digits --features pixels
balancing-vae evaluate runs/cifar10 --data data/cifar10
balancing-vae evaluate runs/cifar10 --data data/cifar10 --protocol ttur --seeds 5
balancing-vae evaluate runs/mnist --data data/mnist --features classifier:data/mnist
balancing-vae evaluate runs/mnist --data data/mnist --samplers gaussian mixture
balancing-vae evaluate runs/mnist --data data/mnist --normalization paper
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
        default=3,
        metavar="N",
        help="sampling seeds (default: %(default)s)",
    )
    parser.add_argument(
        "--images",
        type=whole_number(2, MOST_IMAGES),
        default=10_000,
        metavar="N",
        help="real images, and as many generated ones (default: %(default)s); where the data "
        "have twice as many, the noise floor is measured, too",
    )
    parser.add_argument(
        "--metrics",
        nargs="+",
        default=["fid", "mse", "variance_loss", "mean_std"],
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
        choices=("reference", "paper"),
        help="fit it again in this mode, on the images that training fitted it on (default: as "
        "saved)",
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print mean and deviation over seeds; write every number into `metrics.json`.

    The card and the checksums of a weights folder follow.
    """
    from balancing_vae.evaluation.metrics_file import read_metrics

    preset = check_run(options.run_folder).preset
    # What cannot be added to is refused now, not after hours.
    read_metrics(options.run_folder)
    images = open_split(options.data, preset, "test")

    from balancing_vae.evaluation.columns import choose_images
    from balancing_vae.evaluation.columns import two_stage_columns
    from balancing_vae.evaluation.measuring import evaluate
    from balancing_vae.evaluation.metrics_file import write_metrics
    from balancing_vae.evaluation.table import measured_table
    from balancing_vae.fid.metrics import get_metrics
    from balancing_vae.fid.scoring import load_network
    from balancing_vae.files.checksums import CHECKSUMS
    from balancing_vae.packing.card import write_card
    from balancing_vae.pipeline import TwoStageVAE
    from balancing_vae.storage.fingerprint import fingerprint
    from balancing_vae.versions import measurement_versions

    metrics = get_metrics(options.metrics)
    state = fingerprint(options.run_folder)
    vae = TwoStageVAE.load(options.run_folder)
    for name in options.samplers:
        vae.check_sampler(name)
    if options.normalization:
        fitted_on = open_images_to_fit(options.data, preset, vae.config.held_out)
        vae.fit_normalization(fitted_on, options.normalization)
    network = None
    if any(metric.needs_features for metric in metrics):
        network = load_network(options.features, options.inception, options.trusted_saved_model)
    chosen = choose_images(images, 2 * options.images)
    real, more_real = chosen[: options.images], chosen[options.images :]
    measurements = evaluate(
        two_stage_columns(vae, real, options.samplers),
        real,
        network,
        options.protocol,
        range(options.seeds),
        options.metrics,
        more_real,
        progress=True,
    )
    about = {
        "dataset": _dataset_name(options.data, preset),
        "data": None if options.data is None else str(options.data),
        "command": _command(options),
        "versions": measurement_versions(),
    }
    measurements = [
        replace(one, **about, **state.of(one.column, one.normalization, one.seed))
        for one in measurements
    ]
    # Printed first: a full disk then costs the file, not the numbers.
    if options.json:
        print(json.dumps([one.to_dict() for one in measurements]), flush=True)
    else:
        print(measured_table(measurements), flush=True)
    if network is not None and len(more_real) < len(real):
        print(
            f"The noise floor is left out: it takes {len(real):,} further real images, and the "
            f"data have {len(more_real):,} (--images {len(images) // 2} leaves enough).",
            file=sys.stderr,
        )
    path = write_metrics(options.run_folder, measurements)
    if (options.run_folder / CHECKSUMS).is_file():
        write_card(options.run_folder)
    if not options.json:
        print(f"written to {path}")
    return 0


def _command(options: argparse.Namespace) -> str:
    """Return the command with every option that decides the numbers."""
    words = ["balancing-vae", "evaluate", str(options.run_folder)]
    names = ("data", "protocol", "features", "trusted_saved_model", "seeds", "images")
    for name in (*names, "normalization"):
        if getattr(options, name) is not None:
            words += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    for name in ("samplers", "metrics"):
        if getattr(options, name):
            words += [f"--{name}", *getattr(options, name)]
    return shlex.join(words)


def _dataset_name(data: Path | None, preset: str) -> str:
    """Return what the data call themselves: the preset's, a prepared folder, else a file."""
    from balancing_vae import datasets
    from balancing_vae.presets import load_preset

    if data is None:
        return load_preset(preset)["dataset"]["name"]
    return datasets.open_prepared(data).name if data.is_dir() else data.stem
