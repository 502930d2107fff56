"""Print each warning as one line, without source code."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def warnings_as_lines(title: str) -> Iterator[None]:
    """Print each warning as `<title>: warning: ...` on stderr.

    Args:
        title: The text before the warning, for example "balancing-vae train".
    """

    def show(message, *_, **__):
        from balancing_vae.progress import write_line

        write_line(f"{title}: warning: {message}")

    with warnings.catch_warnings():
        warnings.filterwarnings("default", category=UserWarning, module="balancing_vae")
        warnings.showwarning = show
        yield
