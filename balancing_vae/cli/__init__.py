"""The command `balancing-vae`; each subcommand is one module that parses, calls and prints.

A subcommand's module has `add_parser(subparsers)`, which sets `run` as the parser's default.
Heavy imports stay inside `run`, so that `--help` is fast. `run` raises exceptions, and `main`
prints each as one line.
"""

import argparse
import importlib
import shlex
import signal
import sys
import traceback
from collections.abc import Sequence

from balancing_vae.cli.arguments import Parser
from balancing_vae.cli.arguments import Version
from balancing_vae.cli.failures import explain
from balancing_vae.cli.interrupts import forget_interrupt
from balancing_vae.cli.interrupts import interrupts_again
from balancing_vae.cli.keras_start import watch_keras_start
from balancing_vae.cli.streams import drop_unwritable_output
from balancing_vae.cli.streams import make_streams_usable
from balancing_vae.cli.warning_lines import warnings_as_lines

COMMANDS: tuple[str, ...] = (
    "demo",
    "train",
    "fit_sampler",
    "generate",
    "reconstruct",
    "import_checkpoint",
    "datasets",
    "presets",
    "fid",
    "evaluate",
    "compare",
    "compare_systems",
    "pretrained",
    "reproduce",
)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog="balancing-vae",
        description="Train, sample and evaluate two-stage variational autoencoders.",
        epilog="`balancing-vae COMMAND --help` explains a command and shows examples. Try "
        "`balancing-vae demo` first.",
    )
    parser.add_argument(
        "--version",
        action=Version,
        help="show the version of this package and of its libraries, and exit",
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        importlib.import_module(f"balancing_vae.cli.{command}").add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand.

    Args:
        arguments: The words after `balancing-vae`; by default those of the process.

    Returns:
        The exit code: 0 for success; 2 if the input or the machine caused an error; 1 for a bug
        in this package; 130 after Ctrl-C; 141 if the reader of the output has closed it. One
        sentence on stderr says what was wrong.

    Raises:
        SystemExit: After printing help or the version.
    """
    options = argparse.Namespace(command=None, traceback=False)
    try:
        make_streams_usable()
        try:
            code = _run(arguments, options)
        finally:
            sys.stdout.flush()
        return code
    except Exception as error:
        return _report(error, options)
    except KeyboardInterrupt as error:
        forget_interrupt()
        return _report(error, options)
    finally:
        drop_unwritable_output()
        if arguments is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            # The work is done. While Python ends, a handler for Ctrl-C could fail.
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def _run(arguments: Sequence[str] | None, options: argparse.Namespace) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    # Recorded with the numbers that a command measures.
    options.command_line = shlex.join(["balancing-vae", *words])
    build_parser().parse_args(words, options)
    title = f"balancing-vae {options.command}"
    with (
        interrupts_again(),
        watch_keras_start(show_all=options.traceback),
        warnings_as_lines(title),
    ):
        return options.run(options) or 0


def _report(error: BaseException, options: argparse.Namespace) -> int:
    """Print what went wrong to stderr, and return the exit code."""
    code, sentence = explain(error)
    if options.traceback:
        traceback.print_exception(error)
    if sentence:
        command = f" {options.command}" if options.command else ""
        print(f"balancing-vae{command}: {sentence}", file=sys.stderr)
    return code
