"""`balancing-vae generate`: write generated images to files."""

import argparse

from balancing_vae.cli.arguments import MOST_IMAGES
from balancing_vae.cli.arguments import add_command
from balancing_vae.cli.arguments import add_images_out
from balancing_vae.cli.arguments import whole_number
from balancing_vae.cli.data import add_run_argument
from balancing_vae.cli.data import check_run
from balancing_vae.config import LARGEST_SEED

EXAMPLE = """
balancing-vae generate runs/digits -n 10000 --seed 0 --out samples.npy
balancing-vae generate runs/digits -n 100 --plain --out samples/
balancing-vae generate runs/digits -n 100 --sampler mixture --out samples/
balancing-vae generate runs/digits --unfinished --stage 1 --out samples/
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = add_command(subparsers, "generate", "Generate images with a trained model.", EXAMPLE)
    add_run_argument(parser)
    parser.add_argument(
        "-n", type=whole_number(1, MOST_IMAGES), default=100, help="number of images (default: 100)"
    )
    drawn_from = parser.add_mutually_exclusive_group()
    drawn_from.add_argument(
        "--stage",
        type=int,
        choices=(1, 2),
        default=2,
        help="1: decode samples of the prior (GEN-1); 2: decode samples of the second stage "
        "(GEN-2) (default: 2). If the run's config names other samplers for GEN-1 or GEN-2, those "
        "are used",
    )
    drawn_from.add_argument(
        "--sampler",
        metavar="NAME",
        help="source of the latents, instead of --stage: prior, second_stage, or a sampler that "
        "`fit-sampler` fitted (gaussian, mixture, flow)",
    )
    parser.add_argument(
        "--plain",
        action="store_true",
        help="omit the run's normalisation, which rescales latents or images to their expected "
        "variance (in the mode gated, only if the second stage has lost enough variance)",
    )
    parser.add_argument(
        "--unfinished",
        action="store_true",
        help="use an unfinished run, with the weights of its last completed epoch and without "
        "normalisation",
    )
    parser.add_argument(
        "--seed",
        type=whole_number(0, LARGEST_SEED),
        help="seed of the noise (default: a new one, which is printed)",
    )
    add_images_out(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Generate and write."""
    from balancing_vae.files.images import check_images_path
    from balancing_vae.files.images import write_images

    check_images_path(options.out, options.overwrite, sources=[options.run_folder])
    if not options.unfinished:
        check_run(options.run_folder)

    from balancing_vae.pipeline import TwoStageVAE

    vae = TwoStageVAE.load(options.run_folder, options.unfinished)
    images = vae.generate(
        options.n,
        stage=options.stage,
        normalize=not (options.plain or options.unfinished),
        seed=options.seed,
        sampler=options.sampler,
    )
    write_images(options.out, images, options.overwrite)
    print(f"{len(images)} images, seed {vae.last_seed}, in {options.out}")
