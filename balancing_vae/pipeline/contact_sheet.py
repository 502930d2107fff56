"""A contact sheet: originals, reconstructions, samples plain beside normalised."""

from typing import TYPE_CHECKING

import numpy as np

from balancing_vae.checks import as_float
from balancing_vae.datasets import unpad

if TYPE_CHECKING:
    from balancing_vae.figures import Figure

COLUMNS = 16


def contact_sheet(
    vae, x: np.ndarray, columns: int = COLUMNS, seed: int = 0
) -> dict[str, np.ndarray]:
    """Return the rows of a contact sheet.

    Args:
        vae: A `TwoStageVAE` whose normalisation is fitted.
        x: Real images, uint8 or float in [0, 1], at least `columns` of them.
        columns: Images in a row.
        seed: Seed of the noise; plain and normalised samples come from the same draws.

    Returns:
        Images, float [columns, D, D, C] in [0, 1], by the title of their row. Normalised
        samples are rescaled within a whole batch and then cut to `columns`.

    Example:
        ```python
        draw_contact_sheet(contact_sheet(vae, x_test)).savefig("sheet.png")
        ```
    """
    rows = {
        "data": unpad(as_float(x[:columns]), vae.config.padding),
        "reconstruction": vae.reconstruct(x[:columns], seed=seed),
        "stage 1, plain": vae.generate(columns, stage=1, normalize=False, seed=seed),
        "stage 1, normalised": vae.generate(columns, stage=1, normalize=True, seed=seed),
    }
    # More than a row of stage 2, since that is what the whole is for.
    plain = vae.generate(3 * columns, stage=2, normalize=False, seed=seed)
    normalized = vae.generate(3 * columns, stage=2, normalize=True, seed=seed)
    for i in range(3):
        rows[f"stage 2, plain ({i + 1})"] = plain[i * columns : (i + 1) * columns]
        rows[f"stage 2, normalised ({i + 1})"] = normalized[i * columns : (i + 1) * columns]
    return rows


def draw_contact_sheet(rows: dict[str, np.ndarray]) -> "Figure":
    """Draw rows of images.

    Args:
        rows: What `contact_sheet` returned, or other images [N, D, D, C] by the title of
            their row; a row may be shorter than others.

    Returns:
        The figure.
    """
    from balancing_vae.figures import Figure
    from balancing_vae.figures import style

    columns = max(len(images) for images in rows.values())
    with style():
        figure = Figure(figsize=(1.9 + 0.55 * columns, 0.6 * len(rows) + 0.2))
        axes = figure.subplots(len(rows), 1)
        for axis, (title, images) in zip(np.atleast_1d(axes), rows.items(), strict=True):
            axis.imshow(_side_by_side(images, columns), cmap="gray", vmin=0, vmax=1, aspect="equal")
            axis.set_ylabel(title, rotation=0, ha="right", va="center")
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set_visible(False)
            axis.grid(False)
    return figure


def _side_by_side(images: np.ndarray, columns: int) -> np.ndarray:
    """Put images [N, D, D, C] into one strip, with a gap of white between and after them."""
    missing = ((0, columns - len(images)), (0, 0), (0, 0), (0, 0))
    images = np.pad(images, missing, constant_values=1.0)
    gap = max(1, images.shape[1] // 16)
    framed = np.pad(images, ((0, 0), (0, 0), (0, gap), (0, 0)), constant_values=1.0)
    strip = np.concatenate(list(framed), axis=1)[:, :-gap]
    return strip[..., 0] if strip.shape[-1] == 1 else strip
