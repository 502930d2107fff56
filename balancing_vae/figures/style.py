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
    """A figure that a notebook shows if it is the last value of a cell."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        with style():
            self.savefig(file, format="png")
        return file.getvalue()


@contextmanager
def style() -> Iterator[None]:
    """Use the project's style for figures drawn in this context.

    Example:
        ```python
        with style():
            figure = Figure(figsize=(6, 4))
        ```
    """
    with resources.as_file(_STYLE) as path, matplotlib.rc_context(fname=path):
        yield


def colors() -> list[str]:
    """Return the style's colours; matplotlib would resolve "C0" in the user's style.

    Example:
        ```python
        blue, red, *_ = colors()
        ```
    """
    with style():
        # The cycle repeats them for dashed lines.
        return list(dict.fromkeys(matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]))


def save_figure(path: str | os.PathLike, figure: matplotlib.figure.Figure) -> None:
    """Write a figure, in the project's style.

    Args:
        path: A path that ends in .png, .pdf or .svg, which sets the format. An existing file
            is replaced.
        figure: The figure.

    Raises:
        ValueError: The name has another ending.
        OSError: The file cannot be written.
    """
    target = output_file(path, endings=PICTURE_ENDINGS)
    # Marks the file as this program's, so that a later figure may replace it.
    metadata = {"Software": SOFTWARE} if target.suffix.lower() == ".png" else None
    with style(), atomic_file(path) as temporary:
        figure.savefig(temporary, metadata=metadata)
