"""Arguments and types that several subcommands share."""

import argparse
import json
import math
import platform
import re
import textwrap
from collections.abc import Callable
from pathlib import Path

from balancing_vae.errors import InputError

# More than any protocol needs.
MOST_IMAGES = 10_000_000
MOST_SEEDS = 1_000


class Parser(argparse.ArgumentParser):
    """A parser that takes `--traceback` and raises errors; its subcommands' parsers do the same."""

    def __init__(self, **options):
        super().__init__(**options)
        # No default: a subcommand's default would override an option given before its name.
        self.add_argument(
            "--traceback",
            action="store_true",
            default=argparse.SUPPRESS,
            help="show the traceback of an error, and TensorFlow's start-up messages",
        )

    def error(self, message: str):
        """Raise an error, which is printed in one line like every other error."""
        raise InputError(f"{message}; see `{self.prog} --help`.")


class Version(argparse.Action):
    """Prints the versions of the packages that affect measured numbers."""

    def __init__(self, option_strings, dest, help=None):
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser, namespace, values, option_string=None):
        """Print and exit."""
        from balancing_vae.versions import measurement_versions

        versions = measurement_versions()
        own = versions.pop("balancing_vae")
        others = {"Python": platform.python_version()} | versions
        listed = ", ".join(f"{name} {version}" for name, version in others.items())
        print(f"balancing-vae {own} ({listed})")
        parser.exit()


def add_command(
    subparsers: argparse._SubParsersAction, name: str, summary: str, example: str
) -> argparse.ArgumentParser:
    """Add a subcommand whose `--help` ends with an example.

    Args:
        subparsers: The action from `build_parser`.
        name: The subcommand's name.
        summary: One sentence for both helps.
        example: One or several command lines to copy.

    Returns:
        The parser to add arguments to.
    """
    return subparsers.add_parser(
        name,
        help=summary,
        description=textwrap.fill(summary, 100),
        epilog=f"example:\n{_indent(example)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def mode(word: str) -> str:
    """Check a mode of normalisation, the `type` of an argument."""
    from balancing_vae.normalization import MODE

    try:
        MODE.present(word)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None
    return word  # A former name is replaced by the command, which can print a warning.


def whole_number(least: int | None, most: int) -> Callable[[str], int]:
    """Return the `type` of an argument that is a whole number within bounds.

    Args:
        least: The smallest; None if another check refuses numbers that are too small.
        most: The largest.
    """

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"invalid int value: {text[:40]!r}") from None
        if least is not None and number < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, got {text[:40]}")
        if number > most:
            raise argparse.ArgumentTypeError(f"must be at most {most}, got {text[:40]}")
        return number

    return parse


def seconds(text: str) -> float:
    """Parse a time of at least 0, the `type` of an argument."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"must be seconds, at least 0, got {text[:40]!r}")
    return number


def duration(text: str) -> float:
    """Parse a length of time, the `type` of an argument: 90, 90s, 9m, 1h30m; in seconds."""
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", text.strip())
    hours, minutes, rest = (float(part or 0) for part in match.groups()) if match else (0, 0, 0)
    number = 3600 * hours + 60 * minutes + rest
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(
            f"must be a time such as 90s, 9m or 1h30m, got {text[:40]!r}"
        )
    return number


def add_images_out(parser: argparse.ArgumentParser) -> None:
    """Add `--out` and `--overwrite` of a subcommand that writes images.

    Args:
        parser: The subcommand's parser.
    """
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="a .npy file (uint8 [images, height, width, channels]), a .npz file (that array as "
        "`images`), or a folder for PNG files",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace an existing file, or the pictures in an existing folder",
    )


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
        help="set a hyperparameter, for example latent_dim=32; VALUE is JSON or a plain word; can "
        "be repeated. `balancing-vae presets info NAME` shows all names",
    )


def _parse_change(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE, such as latent_dim=32")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value  # a plain word, such as bernoulli


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines())
