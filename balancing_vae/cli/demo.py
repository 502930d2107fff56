"""`balancing-vae demo`: the whole pipeline on scikit-learn's digits, in a few minutes."""

import argparse
import tempfile
from pathlib import Path

from balancing_vae.cli.arguments import add_command
from balancing_vae.cli.data import open_in_turns

EXAMPLE = "balancing-vae demo --out runs/demo"

# With the preset's weight 1, half of the latents are inactive and the others are close to the
# prior, so a second stage cannot improve much. With a smaller weight every latent carries
# information, and their distribution differs from the prior, whose samples do not look like digits.
KL_WEIGHT = 0.1

LEGEND = """
REC           reconstructions: held-out images, encoded and decoded
GEN-1         images decoded from samples of the prior N(0, 1); needs the first stage only
GEN-2         images decoded from samples of the second stage, which has learned how the latents are
              distributed
plain         without normalisation
normalised    the same samples, rescaled to the expected standard deviation: the latents of GEN-1
              and GEN-2, and the images of REC (mode "gated", as in the original program)
variance law  mean over latents of Var(mu) + E[sigma^2], where mu and sigma are the mean and the
              standard deviation of the posterior. The KL divergence pulls it towards 1; here the KL
              divergence has only a tenth of its usual weight
inactive      said of a latent that carries no information about the image: its sigma stays near 1
"""
MOMENTS = """
{count} held-out images, and as many samples. "mean std" is the standard deviation of the images,
averaged over pixels. The variance loss is the variance of the data minus that of the images. Plain
GEN-2 has lost much variance, and normalisation restores most of it.
"""
IMPROVEMENTS = """
Distances between samples and held-out images, in the features of a small classifier of digits (FD:
Fréchet distance, KD: kernel distance; smaller is better). In each column, the second stage should
improve on the first, and normalisation should improve on the second stage.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "demo",
        "Train on scikit-learn's digits, then show and measure the samples.",
        EXAMPLE,
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/demo"),
        help="folder for pictures, config and weights; an earlier run there is replaced (default: "
        "%(default)s)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Train, measure, draw and save, and print where."""
    from balancing_vae.files.formats import SAVED
    from balancing_vae.files.targets import output_folder

    output_folder(options.out, SAVED, overwrite=True)

    import numpy as np

    from balancing_vae import datasets
    from balancing_vae.experiments import improvements_table
    from balancing_vae.experiments import measure_improvements
    from balancing_vae.figures.contact_sheet import contact_sheet
    from balancing_vae.figures.images import draw_images
    from balancing_vae.figures.style import save_figure
    from balancing_vae.files.atomic import atomic_folder
    from balancing_vae.pipeline import TwoStageVAE
    from balancing_vae.storage.folder import TRAINING

    x_train, x_val, x_test = (datasets.load("digits", s) for s in ("train", "val", "test"))
    held_out = np.concatenate([x_val, x_test])
    vae = TwoStageVAE.untrained("digits", kl_weight=KL_WEIGHT)
    print(f"{len(x_train)} images of digits for training, {len(held_out)} held out")
    print(vae)
    vae.fit(x_train, validation_data=x_val)
    # Fit on training images, so that all held-out images can be used for measuring.
    vae.fit_normalization(x_train)
    print(LEGEND)
    print(MOMENTS.format(count=len(held_out)).strip(), vae.evaluate(held_out), sep="\n\n")
    measured = measure_improvements(vae, held_out, _classifier(), "asperti2020")
    print(IMPROVEMENTS, improvements_table(measured), sep="\n", end="\n\n")
    x_sheet = open_in_turns(None, "digits", "test")
    with atomic_folder(options.out, SAVED, overwrite=True) as folder:
        vae.write_into(folder, {TRAINING: [options.command_line]})
        save_figure(folder / "samples.png", draw_images(contact_sheet(vae, x_sheet)))
        save_figure(folder / "curves.png", vae.history.plot())
    for file in ("samples.png", "curves.png", "config.json", "stage1.weights.h5"):
        print(f"wrote {options.out / file}")
    print(f"next: balancing-vae generate {options.out} -n 100 --out samples/")


def _classifier():
    """Return the small classifier of digits whose features are used for distances."""
    from balancing_vae import datasets
    from balancing_vae.fid.networks.classifier import dataset_classifier

    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "digits"
        datasets.prepare("digits", None, prepared)
        return dataset_classifier(prepared)
