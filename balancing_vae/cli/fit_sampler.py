"""`balancing-vae fit-sampler`: fit a sampler to the latents of a run's training images."""

import argparse

from balancing_vae.cli.arguments import add_command
from balancing_vae.cli.arguments import whole_number
from balancing_vae.cli.data import add_data_argument
from balancing_vae.cli.data import add_run_argument
from balancing_vae.cli.data import check_run
from balancing_vae.cli.data import open_split
from balancing_vae.config import LARGEST_SEED

EXAMPLE = """
balancing-vae fit-sampler runs/digits gaussian
balancing-vae fit-sampler runs/cifar10 mixture --data data/cifar10 --components 20
balancing-vae fit-sampler runs/cifar10 flow --data data/cifar10
"""
OPTIONS = (
    "components",
    "bayesian",
    "zero_mean",
    "width",
    "training_steps",
    "solver",
    "solver_steps",
)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "fit-sampler",
        "Fit a sampler, a density of latents, to a trained run, and save it in the run's folder.",
        EXAMPLE,
    )
    add_run_argument(parser)
    parser.add_argument(
        "sampler",
        metavar="SAMPLER",
        help="gaussian (full covariance), mixture (of Gaussians), or flow (a network trained by "
        "flow matching)",
    )
    add_data_argument(parser)
    parser.add_argument(
        "--components",
        type=whole_number(1, 10_000),
        help="mixture: number of Gaussians (default: 10)",
    )
    parser.add_argument(
        "--bayesian",
        action="store_true",
        default=None,
        help="mixture: fit with a prior over the weights of the Gaussians, so that unneeded ones "
        "get small weights",
    )
    parser.add_argument(
        "--zero-mean", action="store_true", default=None, help="gaussian: force the mean to 0"
    )
    size = whole_number(1, 1_000_000)
    parser.add_argument(
        "--width", type=size, help="flow: units in each hidden layer (default: 512)"
    )
    parser.add_argument("--training-steps", type=size, help="flow: training steps (default: 8000)")
    parser.add_argument(
        "--solver", help="flow: ODE solver: euler, midpoint or rk4 (default: midpoint)"
    )
    parser.add_argument(
        "--solver-steps", type=size, help="flow: solver steps from noise to latents (default: 10)"
    )
    parser.add_argument(
        "--seed", type=whole_number(0, LARGEST_SEED), default=0, help="seed of the fit (default: 0)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Fit and save."""
    from balancing_vae.samplers import check_options

    given = {name: getattr(options, name) for name in OPTIONS}
    given = {name: value for name, value in given.items() if value is not None}
    check_options(options.sampler, **given)
    x = open_split(options.data, check_run(options.run_folder).preset, "train")

    from balancing_vae.pipeline import TwoStageVAE
    from balancing_vae.pipeline.saving import write_sampler
    from balancing_vae.storage.samplers import resumable_fit

    given |= resumable_fit(options.run_folder, options.sampler)
    vae = TwoStageVAE.load(options.run_folder)
    vae.fit_sampler(options.sampler, x, options.seed, **given)
    write_sampler(vae, options.sampler, options.run_folder, options.command_line)
    print(
        f"fitted {options.sampler} to the latents of {len(x):,} images, saved in "
        f"{options.run_folder}"
    )
    print(
        f"next: balancing-vae generate {options.run_folder} --sampler {options.sampler} --out ..."
    )
