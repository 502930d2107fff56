"""The exceptions that this package raises on purpose.

Each is also the built-in exception it stands for, so that callers catch `ValueError` or
`FileNotFoundError` as they would of any library. What is not among them is a fault of the
package: the command line asks for a report of it.
"""


class BalancingVAEError(Exception):
    """Base of all exceptions that say what was wrong, what was expected and how to fix it."""


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
