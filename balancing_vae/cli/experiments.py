"""Parsers and output folder that all of `balancing-vae reproduce` share."""

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
    """Add an experiment, with the folder that it writes into."""
    parser = add_command(subparsers, name, summary, example)
    parser.add_argument(
        "--out",
        type=Path,
        help=out_help or f"folder for the rows measured and the picture (runs/{name})",
    )
    return parser


def add_seed(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the option for the seed of what is drawn."""
    parser.add_argument(
        "--seed", type=whole_number(0, LARGEST_SEED), default=0, help=f"of {what} (0)"
    )


def add_run(parser: argparse.ArgumentParser, without: str) -> None:
    """Add the argument for a run, which may be left out."""
    parser.add_argument(
        "run_folder",
        type=Path,
        nargs="?",
        metavar="RUN",
        help=f"a saved folder; left out, {without}",
    )


def figures_folder(
    options: argparse.Namespace, *pictures: str, default: Path | None = None
) -> Path:
    """Return the folder to write into.

    It must not be a run, which holds its own files, nor have other people's pictures of the
    names that are written.
    """
    from balancing_vae.files.formats import SAVED
    from balancing_vae.files.formats import is_own_figure
    from balancing_vae.files.targets import output_file

    out = options.out or default or Path("runs") / options.experiment
    if SAVED.describes(out):
        raise InputError(f"{out} is a run; give --out another folder, such as {out / 'figures'}.")
    # Where no picture is written, any name shows whether the folder can be written to.
    for path in (out / name for name in pictures or ("any.png",)):
        output_file(path)
        if path.exists() and not is_own_figure(path):
            raise ExistingFileError(
                f"{path} already exists, and this program did not write it; rename it, or give "
                "--out another folder."
            )
    return out


def save_picture(path: Path, figure) -> None:
    """Write a picture and say so."""
    from balancing_vae.figures.style import save_figure

    save_figure(path, figure)
    print(f"wrote {path}")
