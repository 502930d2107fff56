"""Which versions of what are installed: recorded beside everything that is written."""

import importlib.metadata


def installed_version(package: str) -> str | None:
    """Return the version of an installed package.

    Args:
        package: Its name, such as "keras".

    Returns:
        The version; None where the package is not installed (or runs from a checkout).

    Example:
        ```python
        installed_version("numpy")
        ```
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
