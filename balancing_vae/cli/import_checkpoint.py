"""Turn a TensorFlow 1 checkpoint of the original programs into a saved folder."""

import argparse
from pathlib import Path

from balancing_vae.cli.arguments import add_command
from balancing_vae.cli.data import add_data_argument
from balancing_vae.cli.data import open_images_to_fit
from balancing_vae.cli.data import open_split

EXAMPLE = """
balancing-vae import-checkpoint model/stage2 --out runs/imported --data data/cifar10
balancing-vae import-checkpoint model/stage2 --out runs/imported --reference golden.npz
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "import-checkpoint",
        "import a checkpoint of BalancingVAE or TwoStageVAE",
        EXAMPLE,
    )
    parser.add_argument("prefix", metavar="PREFIX", help="what stands before .index, or an .npz")
    parser.add_argument("--out", type=Path, required=True, help="folder to save in")
    add_data_argument(parser)
    parser.add_argument(
        "--reference",
        type=Path,
        help="an .npz with `images` (uint8), `x` (what the original's network was fed, float), "
        "`mu` and `sigma` it gave: the deviation is printed",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a saved folder")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Read sizes and weights, measure gamma where there are images, save."""
    from balancing_vae.storage.formats import SAVED
    from balancing_vae.storage.targets import output_folder

    output_folder(options.out, SAVED, options.overwrite, sources=[options.data])

    from balancing_vae.config import Config
    from balancing_vae.pipeline import TwoStageVAE
    from balancing_vae.storage.checkpoint import read_variables
    from balancing_vae.storage.original import assign_variables
    from balancing_vae.storage.original import infer_sizes
    from balancing_vae.storage.reference import forward_deviations

    variables = read_variables(options.prefix)
    vae = TwoStageVAE(Config(**infer_sizes(variables)))
    report = assign_variables(variables, vae.stage1, vae.stage2)
    report.check()
    print(f"{report.assigned} variables assigned; none missing, none left over")
    if report.debias_missing:
        print("no debias variables in the checkpoint: the moving averages count as settled")
    if options.reference is not None:
        for name, deviation in forward_deviations(vae.encode, options.reference).items():
            print(f"deviation of {name}: {deviation:.2e}")
    if options.data is not None:
        x = open_split(options.data, None, "train")
        gammas = vae.measure_gamma(x)
        vae.fit_normalization(open_images_to_fit(options.data, None, vae.config.held_out))
        print("gamma measured: stage 1 {:.5g}, stage 2 {:.5g}".format(*gammas))
    elif vae.config.balancing["name"] == "computed":
        print("gamma is not in the checkpoint and stays at 1; give --data to measure it")
    vae.save(options.out, options.overwrite)
    print(vae)
    print(f"saved in {options.out}")
