"""The main job on scikit-learn's digits, in a few minutes."""

import argparse
from pathlib import Path

from balancing_vae.cli.arguments import add_command

EXAMPLE = "balancing-vae demo --out runs/demo"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers, "demo", "train on scikit-learn's digits and show what comes out", EXAMPLE
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/demo"),
        help="folder for pictures, config and weights; a saved folder there is replaced "
        "(runs/demo)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Train, measure, draw, save, and say where."""
    from balancing_vae.files.formats import SAVED
    from balancing_vae.files.targets import output_folder

    output_folder(options.out, SAVED, overwrite=True)

    from balancing_vae import datasets
    from balancing_vae.figures.contact_sheet import contact_sheet
    from balancing_vae.figures.images import draw_images
    from balancing_vae.figures.style import save_figure
    from balancing_vae.files.atomic import atomic_folder
    from balancing_vae.pipeline import TwoStageVAE

    x_train, x_val, x_test = (datasets.load("digits", s) for s in ("train", "val", "test"))
    vae = TwoStageVAE.untrained("digits")
    print(f"{len(x_train)} digits to train on, {len(x_val)} held out, {len(x_test)} to test")
    print(vae)
    vae.fit(x_train, validation_data=x_val)
    print(f"\n{len(x_test)} test images, as many samples:\n{vae.evaluate(x_test)}\n")
    with atomic_folder(options.out, SAVED, overwrite=True) as folder:
        vae.write_into(folder)
        save_figure(folder / "samples.png", draw_images(contact_sheet(vae, x_test)))
        save_figure(folder / "curves.png", vae.history.plot())
    for file in ("samples.png", "curves.png", "config.json", "stage1.weights.h5"):
        print(f"wrote {options.out / file}")
    print(f"next: balancing-vae generate {options.out} -n 100 --out samples/")
