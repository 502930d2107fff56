"""The exceptions that this package raises, and the stack level of its warnings.

Each is a subclass of a built-in exception, so that callers can catch `ValueError` or
`FileNotFoundError` as with any other library. Any other exception is a bug of this package; the
command line asks the user to report it.
"""

import sys


class BalancingVAEError(Exception):
    """Base of all exceptions that say what was wrong, what was expected and how to fix it.

    Args:
        message: The whole sentence. If `fix` is given: only what was wrong, without the full
            stop.
        fix: How to fix it in Python, without the full stop.
        cli_fix: How to fix it on the command line, for example by which option.

    Attributes:
        cli_message: The sentence with the fix for the command line.

    Example:
        ```python
        raise InputError("The latents are not normalised", "pass normalize=False", "give --plain")
        ```
    """

    def __init__(self, message: str, fix: str | None = None, cli_fix: str | None = None):
        super().__init__(f"{message}; {fix}." if fix else message)
        self.cli_message = f"{message}; {cli_fix}." if cli_fix else str(self)


class InputError(BalancingVAEError, ValueError):
    """An argument, an option or the content of a file is not valid."""


class MissingFileError(BalancingVAEError, FileNotFoundError):
    """A file or folder does not exist."""


class ExistingFileError(BalancingVAEError, FileExistsError):
    """A file or folder already exists and may not be replaced."""


class ResourceError(BalancingVAEError, OSError):
    """A disk, a server or another process prevented the work."""


class MissingPackageError(BalancingVAEError, ImportError):
    """An optional package is not installed."""


class NonFiniteLossError(BalancingVAEError, FloatingPointError):
    """A loss became NaN or infinite."""


def find_stack_level() -> int:
    """Return the `stacklevel` with which a warning points to the caller outside this package.

    Example:
        ```python
        warnings.warn("The latents are not rescaled.", stacklevel=find_stack_level())
        ```
    """
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] == __package__:
        level, frame = level + 1, frame.f_back
    return level
