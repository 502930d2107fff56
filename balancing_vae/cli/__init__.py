"""The command `balancing-vae`: one module a subcommand, each parses, calls and prints.

A subcommand's module has `add_parser(subparsers)`, which sets `run` as the parser's
default; heavy imports stay inside `run`, so that `--help` is quick.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from balancing_vae.checks import check_backend

COMMANDS: tuple[str, ...] = (
    "demo",
    "train",
    "fit_sampler",
    "generate",
    "reconstruct",
    "import_checkpoint",
    "datasets",
    "fid",
    "evaluate",
    "compare",
    "compare_systems",
    "pretrained",
    "reproduce",
)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="balancing-vae",
        description="Two-stage variational autoencoders with computed gamma.",
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        importlib.import_module(f"balancing_vae.cli.{command}").add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand.

    Args:
        arguments: The words after `balancing-vae`; those of the process by default.

    Returns:
        The exit code: 0, or 2 where the input was wrong (one sentence on stderr says what).
    """
    options = build_parser().parse_args(arguments)
    # TensorFlow's C++ side would log a page before the first line of ours.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        check_backend()
        return options.run(options) or 0
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        print(f"balancing-vae {options.command}: {error}", file=sys.stderr)
        return 2
