"""`balancing-vae reconstruct`: write reconstructions of test images to files."""

import argparse

from balancing_vae.cli.arguments import add_command
from balancing_vae.cli.arguments import add_images_out
from balancing_vae.cli.arguments import whole_number
from balancing_vae.cli.data import add_data_argument
from balancing_vae.cli.data import add_run_argument
from balancing_vae.cli.data import check_run
from balancing_vae.cli.data import open_split
from balancing_vae.config import LARGEST_SEED

EXAMPLE = """
balancing-vae reconstruct runs/digits --out reconstructions.npy
balancing-vae reconstruct runs/cifar10 --data data/cifar10 --normalize --out reconstructions/
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers, "reconstruct", "Reconstruct test images with a trained model.", EXAMPLE
    )
    add_run_argument(parser)
    add_data_argument(parser)
    parser.add_argument(
        "--normalize",
        action="store_true",
        help="rescale the reconstructions to the variance of the data, if the run's mode of "
        "normalisation does so",
    )
    parser.add_argument(
        "--seed",
        type=whole_number(0, LARGEST_SEED),
        default=0,
        help="seed of the noise in the posterior's samples (default: %(default)s)",
    )
    add_images_out(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Reconstruct, write and print the error."""
    from balancing_vae.files.images import check_images_path
    from balancing_vae.files.images import write_images

    sources = [options.run_folder, options.data]
    check_images_path(options.out, options.overwrite, sources)
    x = open_split(options.data, check_run(options.run_folder).preset, "test")

    from balancing_vae.checks import as_float
    from balancing_vae.moments import mse
    from balancing_vae.pipeline import TwoStageVAE

    vae = TwoStageVAE.load(options.run_folder)
    images = vae.reconstruct(x, normalize=options.normalize, seed=options.seed, keep_padding=True)
    error = mse(as_float(x), images)
    write_images(options.out, vae.without_padding(images), options.overwrite)
    print(f"{len(images)} images in {options.out}, mse {error:.6f}")
