"""`balancing-vae compare`: runs next to the published numbers."""

import argparse
import sys

from balancing_vae.cli.arguments import add_command

_EXAMPLE = """
balancing-vae compare runs/cifar10
balancing-vae compare runs/a runs/b --dataset cifar10 --format csv
balancing-vae compare runs/celeba --plot comparison.png
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand `compare`."""
    parser = add_command(
        subparsers,
        "compare",
        "Compare the numbers of evaluated runs with published numbers.",
        _EXAMPLE,
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run with numbers from `evaluate`")
    parser.add_argument("--dataset", help="cifar10, celeba, mnist, ... (default: that of the runs)")
    parser.add_argument(
        "--format",
        choices=("markdown", "text", "html", "csv", "json"),
        default="markdown",
        help="format of the table; csv and json have one line per number (default: %(default)s)",
    )
    parser.add_argument(
        "--plot", metavar="FILE", help="also draw a bar plot to FILE (.png, .pdf, .svg)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing FILE")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the table, and draw it if a file is given.

    The formats csv and json are for programs and have one line per number.
    """
    from balancing_vae.files.targets import PICTURE_ENDINGS
    from balancing_vae.files.targets import output_file

    if options.plot:
        output_file(options.plot, options.overwrite, PICTURE_ENDINGS)

    from balancing_vae.evaluation.comparison import compare
    from balancing_vae.evaluation.comparison_plot import plot_comparison

    comparison = compare(options.runs, options.dataset)
    if options.format == "markdown":
        print(comparison)
    else:
        is_data = options.format in ("csv", "json")
        table = comparison.numbers() if is_data else comparison.table()
        print(getattr(table, options.format)())
    if options.format == "csv":  # which cannot contain notes
        for line in comparison.left_out:
            print(f"omitted: {line}", file=sys.stderr)
    if options.plot:
        plot_comparison(comparison, options.plot)
    return 0
