"""What several subcommands' parsers share."""

import argparse
import json
import platform
from pathlib import Path


class Parser(argparse.ArgumentParser):
    """A parser that takes `--traceback`, as do those of its subcommands."""

    def __init__(self, **options):
        super().__init__(**options)
        # Without a default: a subcommand's would undo what was given before its name.
        self.add_argument(
            "--traceback",
            action="store_true",
            default=argparse.SUPPRESS,
            help="show where in the program an error arose, and TensorFlow's start-up lines",
        )


class Version(argparse.Action):
    """Prints the versions of whatever decides a measured number, read when asked for."""

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
        "--out",
        type=Path,
        required=True,
        help="a .npy (uint8 [n, D, D, C]), a .npz (that array as `images`), or a folder of PNGs",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace what is there; of a folder, pictures only"
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
