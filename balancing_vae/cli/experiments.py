"""Arguments and the output folder that all `balancing-vae reproduce` commands share."""

import argparse
from pathlib import Path

from balancing_vae.cli.arguments import add_command
from balancing_vae.cli.arguments import whole_number
from balancing_vae.config import LARGEST_SEED
from balancing_vae.errors import ExistingFileError
from balancing_vae.errors import InputError


def add_experiment(
    subparsers, name: str, summary: str, example: str, out_help: str | None = None
) -> argparse.ArgumentParser:
    """Add an experiment with its output folder."""
    parser = add_command(subparsers, name, summary, example)
    parser.add_argument(
        "--out",
        type=Path,
        help=out_help or f"folder for the measured numbers and the picture (default: runs/{name})",
    )
    return parser


def add_seed(parser: argparse.ArgumentParser, what: str) -> None:
    """Add `--seed`, the seed of `what`."""
    parser.add_argument(
        "--seed", type=whole_number(0, LARGEST_SEED), default=0, help=f"seed of {what} (default: 0)"
    )


def figures_folder(
    options: argparse.Namespace, *pictures: str, default: Path | None = None
) -> Path:
    """Return the output folder.

    The folder must not be a run. If it has pictures of these names, this program must have written
    them, because they are overwritten.
    """
    from balancing_vae.files.formats import SAVED
    from balancing_vae.files.formats import is_own_figure
    from balancing_vae.files.targets import output_file

    out = options.out or default or Path("runs") / options.experiment
    if SAVED.describes(out):
        raise InputError(f"{out} is a run; give --out another folder, such as {out / 'figures'}.")
    # If no picture is written, any name can be used to check that the folder is writable.
    for path in (out / name for name in pictures or ("any.png",)):
        output_file(path)
        if path.exists() and not is_own_figure(path):
            raise ExistingFileError(
                f"{path} already exists, and this program did not write it; rename it, or give "
                "--out another folder."
            )
    return out


def save_picture(path: Path, figure) -> None:
    """Write a picture and print its path."""
    from balancing_vae.figures.style import save_figure

    save_figure(path, figure)
    print(f"wrote {path}")
