"""What several subcommands' parsers share."""

import argparse


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


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines())
