"""Draw docs/images/samples.png, README's first picture, from three sets of weights.

    python tools/readme_picture.py --mnist data/mnist --cifar10 data/cifar10

The rows are data, reconstructions, samples of the first stage, and samples of the second stage
without and with normalisation of the latents, from the same draws.
"""

import argparse
from pathlib import Path

import numpy as np

from balancing_vae import TwoStageVAE
from balancing_vae.cli.data import open_in_turns
from balancing_vae.figures.style import Figure
from balancing_vae.figures.style import save_figure
from balancing_vae.figures.style import style

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "samples.png"
COLUMNS = 8
# As in the paper's text, the latents of each batch are divided by their mean standard deviation.
MODE = "latents"
# A whole batch is generated and rescaled; a row shows the first images of it.
SAMPLES = 100


def rows_of(name: str, data: Path | None) -> dict[str, np.ndarray]:
    """Return a set's rows of images, float [COLUMNS, D, D, C], by title."""
    vae = TwoStageVAE.from_pretrained(name)
    preset = vae.config.preset
    x = open_in_turns(data, preset, "test")[:COLUMNS]
    # The mode's target is always 1, so the choice of images does not matter.
    vae.fit_normalization(x, MODE)
    rows = {"data": vae.without_padding(x / np.float32(255)), "REC": vae.reconstruct(x, seed=0)}
    for title, stage, normalize in (
        ("GEN-1", 1, False),
        ("GEN-2", 2, False),
        ("GEN-2, normalised", 2, True),
    ):
        z = vae.sample_latents(SAMPLES, stage=stage, normalize=normalize, seed=0)
        rows[title] = vae.decode(z[:COLUMNS])
    return rows


def draw(blocks: dict[str, dict[str, np.ndarray]]) -> Figure:
    """Draw the sets side by side, one kind of images per row."""
    titles = list(next(iter(blocks.values())))
    with style():
        figure = Figure(figsize=(12, 2.7))
        axes = figure.subplots(len(titles), len(blocks))
        for column, (name, rows) in zip(axes.T, blocks.items(), strict=True):
            column[0].set_title(name)
            for axis, images in zip(column, rows.values(), strict=True):
                axis.imshow(strip(images), cmap="gray", vmin=0, vmax=1)
                axis.set_axis_off()
        for axis, title in zip(axes[:, 0], titles, strict=True):
            axis.text(-0.02, 0.5, title, transform=axis.transAxes, ha="right", va="center")
        figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.015, hspace=0, wspace=0)
    return figure


def strip(images: np.ndarray) -> np.ndarray:
    """Put images side by side, with a white gap between them."""
    gap = max(1, images.shape[1] // 16)
    framed = np.pad(images, ((0, 0), (0, 0), (0, gap), (0, 0)), constant_values=1.0)
    joined = np.concatenate(list(framed), axis=1)[:, :-gap]
    return joined[..., 0] if joined.shape[-1] == 1 else joined


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", type=Path, required=True, help="prepared folder of MNIST")
    parser.add_argument(
        "--cifar10", type=Path, required=True, help="prepared folder of CIFAR-10, with --jpeg"
    )
    options = parser.parse_args()
    save_figure(
        PICTURE,
        draw(
            {
                "digits, 8x8": rows_of("digits", None),
                "MNIST, 28x28": rows_of("mnist", options.mnist),
                "CIFAR-10, 32x32": rows_of("cifar10", options.cifar10),
            }
        ),
    )
