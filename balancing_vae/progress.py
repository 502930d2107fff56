"""Progress bars: on a terminal and in notebooks, nowhere else."""

import sys

from tqdm import tqdm


def shows_bars() -> bool:
    """Tell whether somebody can watch stderr: not where it is a file, a pipe or closed."""
    if sys.stderr is None:
        return False
    in_notebook = type(sys.stderr).__module__.partition(".")[0] == "ipykernel"
    return in_notebook or sys.stderr.isatty()


def progress_bar(wanted: bool = True, **options) -> tqdm:
    """Return a bar on stderr that hides itself where nobody can watch it.

    Args:
        wanted: Whether a bar is shown at all.
        **options: As for `tqdm`.

    Returns:
        The bar, a context manager.

    Example:
        ```python
        with progress_bar(total=len(images), unit="image") as bar:
            bar.update(100)
        ```
    """
    return tqdm(disable=not (wanted and shows_bars()), file=sys.stderr, **options)


def write_line(text: str) -> None:
    """Write a line to stderr, above the bars that are shown; nothing where it is closed."""
    if sys.stderr is not None:
        tqdm.write(text, file=sys.stderr)
