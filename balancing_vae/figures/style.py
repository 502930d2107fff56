"""The project's figure style, and writing figures to files."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources

import matplotlib
import matplotlib.figure

from balancing_vae.files.atomic import atomic_file
from balancing_vae.files.formats import SOFTWARE
from balancing_vae.files.targets import PICTURE_ENDINGS
from balancing_vae.files.targets import output_file

_STYLE = resources.files("balancing_vae.figures") / "figures.mplstyle"


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


def save_figure(path: str | os.PathLike, figure: matplotlib.figure.Figure) -> None:
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
