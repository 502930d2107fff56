"""Draw rows of images."""

import numpy as np

from balancing_vae.figures.style import Figure
from balancing_vae.figures.style import style


def draw_images(rows: dict[str, np.ndarray]) -> Figure:
    """Draw rows of images.

    Args:
        rows: Images, float [N, D, D, C] in [0, 1], by the title of their row; a row may be
            shorter than others.

    Returns:
        The figure.

    Example:
        ```python
        draw_images({"data": x_test[:8] / 255, "decoded": vae.decode(z[:8])})
        ```
    """
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
    """Join images [N, D, D, C] to a strip, with a white gap after each."""
    missing = ((0, columns - len(images)), (0, 0), (0, 0), (0, 0))
    images = np.pad(images, missing, constant_values=1.0)
    gap = max(1, images.shape[1] // 16)
    framed = np.pad(images, ((0, 0), (0, 0), (0, gap), (0, 0)), constant_values=1.0)
    strip = np.concatenate(list(framed), axis=1)[:, :-gap]
    return strip[..., 0] if strip.shape[-1] == 1 else strip
