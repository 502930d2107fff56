"""The command line's parsers and their arguments; argparse has no public access to them."""

import argparse
from collections.abc import Iterator

from balancing_vae.cli import build_parser


def all_parsers(
    parser: argparse.ArgumentParser | None = None, words: tuple[str, ...] = ()
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield each parser after its words: the program's first, then those of its subcommands."""
    parser = parser or build_parser()
    yield " ".join(words), parser
    for name, inner in _subparsers(parser).items():
        yield from all_parsers(inner, (*words, name))


def commands() -> dict[str, argparse.ArgumentParser]:
    """Return the parsers that have no subcommands, by their words."""
    return {words: parser for words, parser in all_parsers() if not _subparsers(parser)}


def arguments_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the arguments of a parser, including `--help`."""
    return parser._actions


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    inner = [a for a in arguments_of(parser) if isinstance(a, argparse._SubParsersAction)]
    return {name: sub for action in inner for name, sub in action.choices.items()}
