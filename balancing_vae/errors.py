"""The exceptions that this package raises, and the source line that a warning names.

Each is also the built-in exception it stands for, so that callers catch `ValueError` or
`FileNotFoundError` as they would of any library. What is not among them is a fault of the
package: the command line asks for a report of it.
"""

import sys


class BalancingVAEError(Exception):
    """Base of all exceptions that say what was wrong, what was expected and how to fix it.

    Args:
        message: The whole sentence; or, where `fix` is given, what was wrong, without the
            full stop.
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
    """An argument, an option or the content of a file is not what it must be."""


class MissingFileError(BalancingVAEError, FileNotFoundError):
    """A file or folder that was named is not there."""


class ExistingFileError(BalancingVAEError, FileExistsError):
    """A file or folder is there already and may not be replaced."""


class ResourceError(BalancingVAEError, OSError):
    """A disk, a server or another process stood in the way."""


class MissingPackageError(BalancingVAEError, ImportError):
    """An optional package is not installed."""


class NonFiniteLossError(BalancingVAEError, FloatingPointError):
    """A loss became NaN or infinite."""


def find_stack_level() -> int:
    """Return the `stacklevel` by which a warning names the user's line, outside this package.

    Example:
        ```python
        warnings.warn("The latents are not rescaled.", stacklevel=find_stack_level())
        ```
    """
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] == __package__:
        level, frame = level + 1, frame.f_back
    return level
