"""`balancing-vae presets`: list and describe sets of hyperparameters."""

import argparse
import json

from balancing_vae.cli.arguments import add_command

_EXAMPLE = """
balancing-vae presets list
balancing-vae presets info cifar10
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand `presets`."""
    parser = add_command(
        subparsers,
        "presets",
        "List and describe presets: networks and hyperparameters by name.",
        _EXAMPLE,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    listing = add_command(
        actions, "list", "List all presets by name.", "balancing-vae presets list"
    )
    listing.set_defaults(run=_list)

    info = add_command(
        actions,
        "info",
        "Show the purpose, the source and the hyperparameters of a preset.",
        "balancing-vae presets info cifar10",
    )
    info.add_argument("name", metavar="NAME", help="a preset's name; see `presets list`")
    info.set_defaults(run=_info)


def _list(options: argparse.Namespace) -> None:
    from balancing_vae.presets import load_preset
    from balancing_vae.presets import preset_names

    for name in preset_names():
        print(f"{name:24} {load_preset(name)['description']}")


def _info(options: argparse.Namespace) -> None:
    from balancing_vae.presets import load_preset
    from balancing_vae.presets import preset_config
    from balancing_vae.pretrained.registry import data_words

    preset = load_preset(options.name)
    dataset = dict(preset["dataset"])
    print(f"{options.name}: {preset['description']}")
    print(f"source: {preset['source']}")
    print(f"data: {dataset.pop('name')}{''.join(f', {k}={v}' for k, v in dataset.items())}")
    for name, value in preset_config(options.name).to_dict().items():
        # Fields that a preset does not set have Config's defaults.
        print(f"  {name:24} {json.dumps(value)}")
    words = ["--preset", options.name, *data_words(options.name), "--out", f"runs/{options.name}"]
    print(f"next: balancing-vae train {' '.join(words)}")
