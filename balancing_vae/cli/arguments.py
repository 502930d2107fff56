"""What several subcommands' parsers share."""

import argparse
import json
from pathlib import Path


def add_command(
    subparsers: argparse._SubParsersAction, name: str, summary: str, example: str
) -> argparse.ArgumentParser:
    """Add a subcommand whose `--help` ends with an example.

    Args:
        subparsers: The action that `build_parser` hands out.
        name: The subcommand's name.
        summary: One sentence for both helps.
        example: A command line, or several, that a reader can copy.

    Returns:
        The parser to add arguments to.
    """
    return subparsers.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"example:\n{_indent(example)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_images_out(parser: argparse.ArgumentParser) -> None:
    """Add `--out` and `--overwrite` of a subcommand that writes images.

    Args:
        parser: The subcommand's parser.
    """
    parser.add_argument(
        "--out", type=Path, required=True, help="a .npy (uint8 [n, D, D, C]), or a folder of PNGs"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")


def add_set_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--set`, which changes any hyperparameter of a preset.

    Args:
        parser: The subcommand's parser.
    """
    parser.add_argument(
        "--set",
        type=_parse_change,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set any field of Config, the value as JSON; may be repeated",
    )


def _parse_change(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE, such as latent_dim=32")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value  # a word, such as bernoulli


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines())
