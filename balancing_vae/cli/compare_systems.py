"""`balancing-vae compare-systems`: train several systems under one budget and tabulate them."""

import argparse
from pathlib import Path

from balancing_vae.cli.arguments import MOST_IMAGES
from balancing_vae.cli.arguments import MOST_SEEDS
from balancing_vae.cli.arguments import add_command
from balancing_vae.cli.arguments import whole_number
from balancing_vae.cli.data import add_data_argument
from balancing_vae.cli.data import find_split
from balancing_vae.cli.data import open_split
from balancing_vae.cli.data import preparation_changes
from balancing_vae.cli.fid import add_measuring_arguments
from balancing_vae.errors import InputError

EXAMPLE = """
balancing-vae compare-systems digits --budget smoke --features pixels --out runs/systems
balancing-vae compare-systems mnist --data data/mnist --budget 60 --trainings 3 \\
    --systems mnist dai2019-mnist --features classifier:data/mnist --out runs/systems
balancing-vae compare-systems cifar10 --data data/cifar10 --budget full --out runs/systems
"""

SMOKE_MINUTES = 8


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "compare-systems",
        "Train several systems on one dataset with the same time for each, and compare the "
        "Fréchet distances of their samples.",
        EXAMPLE,
    )
    parser.add_argument("dataset", help="dataset by name: digits, mnist, cifar10, ...")
    add_data_argument(parser)
    parser.add_argument(
        "--systems", nargs="+", metavar="PRESET", help="presets (default: all for the dataset)"
    )
    parser.add_argument(
        "--budget",
        type=_minutes,
        default="smoke",
        metavar="smoke|full|MINUTES",
        help=f"smoke ({SMOKE_MINUTES} minutes) or MINUTES: time for all trainings together, shared "
        "equally; full: no time limit, each preset is trained for all of its epochs "
        "(default: smoke)",
    )
    parser.add_argument(
        "--trainings",
        type=whole_number(1, MOST_SEEDS),
        default=2,
        metavar="N",
        help="trainings of each system (default: %(default)s)",
    )
    parser.add_argument(
        "--train-images",
        type=whole_number(1, MOST_IMAGES),
        metavar="N",
        help="train on N of the images (default: all)",
    )
    parser.add_argument(
        "--test-images",
        type=whole_number(2, MOST_IMAGES),
        default=10_000,
        metavar="N",
        help="number of test images to compare with (default: %(default)s, or all if the data have "
        "fewer)",
    )
    add_measuring_arguments(parser)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the runs, the table and the samples"
    )
    parser.add_argument(
        "--resume", action="store_true", help="continue an interrupted comparison in --out"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Plan, train and measure; print the table, and write it with the sample sheet."""
    from balancing_vae.files.formats import SAVED
    from balancing_vae.files.targets import output_folder

    if not options.resume:
        output_folder(options.out, SAVED, overwrite=False, sources=[options.data])
    presets = _presets(options)
    x, x_test = (open_split(options.data, presets[0], s) for s in ("train", "test"))
    x_val = find_split(options.data, presets[0], "val")

    from balancing_vae.evaluation.columns import choose_images
    from balancing_vae.experiments.systems import measure_systems
    from balancing_vae.experiments.systems import systems_sheet
    from balancing_vae.experiments.systems import systems_table
    from balancing_vae.experiments.systems import train_systems
    from balancing_vae.fid.scoring import load_network
    from balancing_vae.figures.images import draw_images
    from balancing_vae.figures.style import save_figure
    from balancing_vae.files.atomic import atomic_file
    from balancing_vae.training.sources import drawn_images

    x = drawn_images(x, options.train_images)
    chosen = choose_images(x_test, 2 * options.test_images)
    real, more_real = chosen[: options.test_images], chosen[options.test_images :]
    # The features are loaded first, so that nothing is trained if they are missing.
    network = load_network(options.features, options.inception, options.trusted_saved_model)
    about = {
        "systems_compared": presets,
        "data": None if options.data is None else str(options.data),
        "train_images": len(x),
        "test_images": len(real),
        "features": network.name,
        "protocol": options.protocol,
        "budget": options.budget,
        "trainings": options.trainings,
    }
    plan = _plan(options, about, x, x_val)
    command = options.command_line
    runs = train_systems(options.out, plan, options.trainings, x, x_val, command=command)
    data = None if options.data is None else str(options.data)
    what = (options.dataset, data, command)
    measured = measure_systems(runs, real, network, options.protocol, *what, more_real)
    table = f"{systems_table(measured).markdown()}\n\n{_recipes(plan)}\n\n`{command}`"
    with atomic_file(options.out / "table.md") as temporary:
        temporary.write_text(table + "\n", "utf-8", "backslashreplace")
    sheet = draw_images(systems_sheet(runs, real))
    save_figure(options.out / "samples.png", sheet)
    print(f"\n{table}\n\nwritten to {options.out}: table.md, samples.png")
    return 0


def _minutes(text: str) -> float | None:
    if text in ("smoke", "full"):
        return SMOKE_MINUTES if text == "smoke" else None
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0
    if not 0 < minutes < float("inf"):
        raise argparse.ArgumentTypeError(f"must be smoke, full or minutes above 0, not {text!r}")
    return minutes


def _presets(options: argparse.Namespace) -> list[str]:
    """Return the presets to compare, which must all be for the dataset."""
    from balancing_vae.presets import load_preset
    from balancing_vae.presets import preset_names

    datasets = {name: load_preset(name)["dataset"]["name"] for name in preset_names()}
    fitting = [name for name, dataset in datasets.items() if dataset == options.dataset]
    if not fitting:
        raise InputError(
            f"There is no preset for the dataset {options.dataset!r}; there are presets for "
            f"{', '.join(sorted(set(datasets.values())))}."
        )
    chosen = fitting if options.systems is None else list(dict.fromkeys(options.systems))
    for name in chosen:
        load_preset(name)
        if name not in fitting:
            raise InputError(
                f"The preset {name} is for {datasets[name]}, not for {options.dataset}; choose "
                f"from {', '.join(fitting)}."
            )
    return chosen


def _plan(options: argparse.Namespace, about: dict, x, x_val) -> dict:
    """Return the plan of the trainings: the plan of an interrupted comparison, or a new one."""
    from balancing_vae.experiments.systems_plan import plan_trainings
    from balancing_vae.experiments.systems_plan import read_plan
    from balancing_vae.experiments.systems_plan import write_plan
    from balancing_vae.pipeline import TwoStageVAE
    from balancing_vae.presets import preset_config

    if options.resume:
        return read_plan(options.out, about)
    configs = {
        name: preset_config(name, **preparation_changes(options.data, name))
        for name in about["systems_compared"]
    }
    for config in configs.values():
        TwoStageVAE(config).check_training_data(x, x_val)
    plan = plan_trainings(configs, x, x_val, options.trainings, options.budget)
    write_plan(options.out, plan, about)
    return plan


def _recipes(plan: dict) -> str:
    """Return how many of each recipe's epochs the budget allowed."""
    from balancing_vae.presets import preset_config

    whole = {name: preset_config(name) for name in plan}
    return "Epochs trained (of the recipe's): " + "; ".join(
        f"{name} {config.epochs} + {config.epochs2} ({whole[name].epochs} + {whole[name].epochs2})"
        for name, config in plan.items()
    )
