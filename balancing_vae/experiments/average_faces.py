"""Sheets of generated images, the same draws without and with latent normalisation."""

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.figures.style import Figure
from balancing_vae.figures.style import style

COLUMNS = 8


def faces(vae, count: int = 64, seed: int = 0) -> dict[str, np.ndarray]:
    """Generate images from stage 2, each without and with latent normalisation.

    The paper shows faces (figure 6), but any trained pipeline works. Only the latents are
    rescaled; image normalisation is not applied.

    Args:
        vae: A `TwoStageVAE` whose normalisation is fitted.
        count: Number of images, at least 1. Whole batches are rescaled and then cut to `count`.
        seed: Seed of the draws.

    Returns:
        `plain` and `normalised`, float [count, D, D, C] in [0, 1], without padding.

    Raises:
        ValueError: The normalisation is not fitted.

    Example:
        ```python
        sheets = faces(vae)
        draw_faces({"samples": sheets["normalised"]}).savefig("samples.png")
        draw_faces(sheets).savefig("figure6.png")
        ```
    """
    if vae.latent_normalization is None:
        raise InputError("The normalisation is not fitted; call vae.fit_normalization(x) first.")
    return {
        name: vae.decode(vae.sample_latents(count, stage=2, normalize=normalize, seed=seed))
        for name, normalize in (("plain", False), ("normalised", True))
    }


def draw_faces(sheets: dict[str, np.ndarray], columns: int = COLUMNS) -> Figure:
    """Draw sheets of images side by side; image i is at the same place in each sheet.

    Args:
        sheets: Images, float [N, D, D, C] in [0, 1], by the title of their sheet.
        columns: Images in a row of a sheet.

    Returns:
        The figure.
    """
    rows = -(-max(len(images) for images in sheets.values()) // columns)
    with style():
        figure = Figure(figsize=((0.55 * columns + 0.3) * len(sheets), 0.55 * rows + 0.4))
        figure.set_layout_engine("constrained", w_pad=0.12)
        axes = np.atleast_1d(figure.subplots(1, len(sheets)))
        for axis, (title, images) in zip(axes, sheets.items(), strict=True):
            axis.imshow(_grid(images, columns), cmap="gray", vmin=0, vmax=1)
            axis.set_title(title)
            axis.set_axis_off()
    return figure


def _grid(images: np.ndarray, columns: int) -> np.ndarray:
    """Arrange images [N, D, D, C] in rows, with white gaps between them."""
    gap = max(1, images.shape[1] // 16)
    empty = -len(images) % columns
    images = np.pad(images, ((0, empty), (0, gap), (0, gap), (0, 0)), constant_values=1.0)
    _, height, width, channels = images.shape
    grid = images.reshape(-1, columns, height, width, channels).swapaxes(1, 2)
    grid = grid.reshape(-1, columns * width, channels)[:-gap, :-gap]
    return grid[..., 0] if channels == 1 else grid
