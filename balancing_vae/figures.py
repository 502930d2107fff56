"""Make figures in the project's style and write them."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import matplotlib
import matplotlib.figure
import numpy as np

from balancing_vae.storage.atomic import atomic_file
from balancing_vae.storage.formats import SOFTWARE
from balancing_vae.storage.targets import PICTURE_ENDINGS
from balancing_vae.storage.targets import output_file

_STYLE = resources.files("balancing_vae") / "figures.mplstyle"


class Figure(matplotlib.figure.Figure):
    """A figure that a notebook shows where it is a cell's last value."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        with style():
            self.savefig(file, format="png")
        return file.getvalue()


@contextmanager
def style() -> Iterator[None]:
    """Draw in the project's style what is drawn inside.

    Example:
        ```python
        with style():
            figure = Figure(figsize=(6, 4))
        ```
    """
    with resources.as_file(_STYLE) as path, matplotlib.rc_context(fname=path):
        yield


def colors() -> list[str]:
    """Return the style's colours; matplotlib's "C0" would be the reader's own once drawn.

    Example:
        ```python
        blue, red, *_ = colors()
        ```
    """
    with style():
        return matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]


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


def save_figure(path: str | Path, figure: matplotlib.figure.Figure) -> None:
    """Write a figure, in the project's style.

    Args:
        path: A name that ends in .png, .pdf or .svg, which decides the format. A file that
            is there is replaced.
        figure: The figure.

    Raises:
        ValueError: The name has another ending.
        OSError: The file cannot be written.
    """
    target = output_file(path, endings=PICTURE_ENDINGS)
    # So that it is known again, and may be replaced by the next of its name.
    metadata = {"Software": SOFTWARE} if target.suffix.lower() == ".png" else None
    with style(), atomic_file(path) as temporary:
        figure.savefig(temporary, metadata=metadata)


def _side_by_side(images: np.ndarray, columns: int) -> np.ndarray:
    """Put images [N, D, D, C] into one strip, with a gap of white between and after them."""
    missing = ((0, columns - len(images)), (0, 0), (0, 0), (0, 0))
    images = np.pad(images, missing, constant_values=1.0)
    gap = max(1, images.shape[1] // 16)
    framed = np.pad(images, ((0, 0), (0, 0), (0, gap), (0, 0)), constant_values=1.0)
    strip = np.concatenate(list(framed), axis=1)[:, :-gap]
    return strip[..., 0] if strip.shape[-1] == 1 else strip
