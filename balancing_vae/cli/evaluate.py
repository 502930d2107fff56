"""`balancing-vae evaluate`: measure REC, GEN-1 and GEN-2 of a run into its `metrics.json`."""

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
from balancing_vae.cli.data import add_run_argument
from balancing_vae.cli.data import check_run
from balancing_vae.cli.data import find_split
from balancing_vae.cli.data import open_images_to_fit
from balancing_vae.cli.data import open_split
from balancing_vae.cli.fid import add_measuring_arguments
from balancing_vae.config import Config

if TYPE_CHECKING:
    from balancing_vae.fid.features import FeatureNetwork
    from balancing_vae.normalization import ImageNormalization
    from balancing_vae.normalization import LatentNormalization
    from balancing_vae.pipeline import TwoStageVAE

SPLITS = ("test", "train")
SEEDS = 3
IMAGES = 10_000
_EXAMPLE = """
balancing-vae evaluate runs/digits --features pixels
balancing-vae evaluate runs/cifar10 --data data/cifar10
balancing-vae evaluate runs/cifar10 --data data/cifar10 --protocol ttur --seeds 5
balancing-vae evaluate runs/mnist --data data/mnist --features classifier:data/mnist
balancing-vae evaluate runs/mnist --data data/mnist --samplers gaussian mixture
balancing-vae evaluate runs/mnist --data data/mnist --normalization latents gated
balancing-vae evaluate runs/cifar10 --data data/cifar10 --against train
balancing-vae evaluate runs/mnist --data data/mnist --metrics fid kid precision recall
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand `evaluate`."""
    parser = add_command(
        subparsers,
        "evaluate",
        "Measure reconstructions (REC) and samples (GEN-1, GEN-2) of a run, without and with "
        "normalisation.",
        _EXAMPLE,
    )
    add_run_argument(parser)
    add_data_argument(parser)
    add_measuring_arguments(parser)
    parser.add_argument(
        "--seeds",
        type=whole_number(1, MOST_SEEDS),
        default=SEEDS,
        metavar="N",
        help="sampling seeds: how many draws to average over (default: %(default)s)",
    )
    parser.add_argument(
        "--images",
        type=whole_number(2, MOST_IMAGES),
        default=IMAGES,
        metavar="N",
        help="number of real images, and of images to generate (default: %(default)s, or all if "
        "the data have fewer). If the data have at least twice as many, the noise floor is also "
        "measured: the distance between two disjoint sets of real images",
    )
    parser.add_argument(
        "--metrics",
        nargs="+",
        metavar="NAME",
        help="metrics to measure, such as fid kid precision recall (default: fid mse variance_loss "
        "mean_std); an unknown name prints all names",
    )
    parser.add_argument(
        "--samplers",
        nargs="+",
        default=(),
        metavar="NAME",
        help="more samplers to measure: prior, second_stage, or those that `fit-sampler` fitted",
    )
    parser.add_argument(
        "--normalization",
        nargs="+",
        type=mode,
        metavar="MODE",
        help="modes of normalisation to measure: gated, latents, latents_and_images (default: all)."
        " For the run's own mode, the saved normalisation is used; the others are fitted on "
        "validation images, or on training images if there are none",
    )
    parser.add_argument(
        "--against",
        choices=SPLITS,
        default="test",
        help="real images to compare with: test images, or the first training images, as in two "
        "versions of the original program (default: %(default)s)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the numbers as JSON instead of a table"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure what the options describe."""
    from balancing_vae.evaluation.metrics_file import read_metrics

    # Unusable input is refused now, not after hours.
    preset = check_run(options.run_folder).preset
    read_metrics(options.run_folder)
    open_split(options.data, preset, options.against)

    from balancing_vae.evaluation.measuring import DEFAULT_METRICS
    from balancing_vae.fid.metrics import get_metrics
    from balancing_vae.fid.scoring import load_network
    from balancing_vae.normalization import MODE

    modes = options.normalization and [MODE.given(word) for word in options.normalization]
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
        modes=modes,
        against=options.against,
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
    modes: Sequence[str] | None = None,
    against: str = "test",
    as_json: bool = False,
) -> None:
    """Print means and deviations over seeds, and write every number to `metrics.json`.

    The card and the checksums of a weights folder are updated, too.

    Args:
        folder: A saved folder.
        data: The value of `--data`.
        network: The feature extractor; None if no metric needs features.
        protocol: Name of the protocol.
        command: The command line, recorded with the numbers.
        seeds: Number of sampling seeds.
        images: Number of real images and of generated images.
        metrics: Names of the metrics; None uses the default metrics of `evaluate`.
        samplers: Further samplers to measure.
        modes: Modes of normalisation to measure; None uses all that can be fitted.
        against: The split of the real images, "test" or "train".
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
    from balancing_vae.training.order import warn_if_unlike
    from balancing_vae.training.sources import COMPARED_IMAGES
    from balancing_vae.training.sources import drawn_images

    state = fingerprint(folder)
    vae = TwoStageVAE.load(folder)
    preset = vae.config.preset
    for name in samplers:
        vae.check_sampler(name)
    every = open_split(data, preset, against)
    if against == "test":
        chosen = choose_images(every, 2 * images)
        real, more_real = chosen[:images], chosen[images:]
    else:  # The first ones; if a batch is dropped, the shuffle determines which images it has.
        real, more_real = choose_images(every[:images]), every[images : 2 * images]
        warn_if_unlike(
            drawn_images(real, COMPARED_IMAGES),
            drawn_images(every[images:], COMPARED_IMAGES),
            f"The first {len(real)} training images, which are the real ones here,",
            "shuffle the images before preparing them, or measure against test images",
        )
    measurements = evaluate(
        two_stage_columns(vae, real, samplers, normalizations=_normalizations(vae, data, modes)),
        real,
        network,
        protocol,
        range(seeds),
        metrics or DEFAULT_METRICS,
        more_real,
        progress=True,
    )
    dataset, where = _dataset_name(data, vae.config), None if data is None else str(data)
    measurements = of_run(measurements, state, dataset, where, command, against)
    # Printed first, so that the numbers are not lost if the disk is full.
    if as_json:
        print(json.dumps([one.to_dict() for one in measurements]), flush=True)
    else:
        print(measured_table(measurements), flush=True)
    if network is not None and len(more_real) < len(real):
        print(
            f"The noise floor was not measured: it needs {len(real):,} more real images, but the "
            f"data have only {len(more_real):,} more (--images {len(every) // 2} leaves enough).",
            file=sys.stderr,
        )
    path = write_metrics(folder, measurements)
    if (folder / CHECKSUMS).is_file():
        write_card(folder)
    if not as_json:
        print(f"written to {path}")


def _normalizations(
    vae: "TwoStageVAE", data: Path | None, modes: Sequence[str] | None
) -> dict[str, tuple["LatentNormalization", "ImageNormalization"]]:
    """Return the saved normalisation and those of other modes, fitted as after training."""
    saved = {}
    if vae.latent_normalization is not None:
        fitted = vae.fitted_normalizations()
        saved[fitted[0].mode] = fitted
    if saved and modes is None and not _has_images_to_fit(data, vae.config.preset):
        print(
            f"Only the run's own mode is measured, {', '.join(saved)}. The others must be fitted "
            f"on training images, and {data} does not say which images are for training. "
            "(--normalization MODE fits one anyway.)",
            file=sys.stderr,
        )
        return saved
    if modes is not None and set(modes) <= set(saved):
        return saved
    images = open_images_to_fit(data, vae.config.preset, vae.config.held_out)
    measured = vae.measure_normalizations(images, modes)
    return {name: saved.get(name, fitted) for name, fitted in measured.items()}


def _has_images_to_fit(data: Path | None, preset: str | None) -> bool:
    """Return whether the data have a training or validation split."""
    if data is not None and not data.is_dir():
        return False
    return any(find_split(data, preset, split) is not None for split in ("train", "val"))


def _dataset_name(data: Path | None, config: Config) -> str:
    """Return the dataset's name: of the preset, of the prepared folder, or of the file."""
    from balancing_vae import datasets
    from balancing_vae.presets import load_preset
    from balancing_vae.presets import preset_of

    if data is None:
        return load_preset(preset_of(config))["dataset"]["name"]
    return datasets.open_prepared(data).name if data.is_dir() else data.stem
