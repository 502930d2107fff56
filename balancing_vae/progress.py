"""Progress bars, shown only on a terminal and in notebooks."""

import importlib.util
import re
import sys
from contextlib import AbstractContextManager
from contextlib import nullcontext
from typing import overload

from tqdm import tqdm


def shows_bars() -> bool:
    """Return whether stderr is a terminal or notebook, not a file, a pipe or closed."""
    if sys.stderr is None:
        return False
    return _in_notebook() or sys.stderr.isatty()


@overload
def progress_bar(wanted: bool = True, **options) -> tqdm: ...
@overload
def progress_bar(wanted: tqdm, **options) -> AbstractContextManager[tqdm]: ...
def progress_bar(wanted: bool | tqdm = True, **options) -> AbstractContextManager[tqdm]:
    """Return a progress bar on stderr, hidden if stderr is not a terminal or notebook.

    In a notebook it is a widget if ipywidgets is installed.

    Args:
        wanted: Whether to show a bar. Or an open bar of the enclosing work: it is advanced
            instead, and it stays open.
        **options: As for `tqdm`.

    Returns:
        The bar, a context manager.

    Example:
        ```python
        with progress_bar(total=len(images), unit="image") as bar:
            bar.update(100)
        ```
    """
    if isinstance(wanted, tqdm):
        return nullcontext(wanted)
    disable = not (wanted and shows_bars())
    if not disable and _in_notebook() and importlib.util.find_spec("ipywidgets"):
        from tqdm.notebook import tqdm as widget

        # A widget sets its own width.
        bar_format = options.pop("bar_format", "{l_bar}{bar}{r_bar}")
        return widget(bar_format=re.sub(r"\{bar:\d+\}", "{bar}", bar_format), **options)
    return tqdm(disable=disable, file=sys.stderr, **options)


def write_line(text: str) -> None:
    """Write a line to stderr, above the open bars; do nothing if stderr is closed."""
    if sys.stderr is not None:
        tqdm.write(text, file=sys.stderr)


def _in_notebook() -> bool:
    return type(sys.stderr).__module__.partition(".")[0] == "ipykernel"
