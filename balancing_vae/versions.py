"""Versions of installed packages, recorded with everything that is written."""

import importlib.metadata


def installed_version(package: str) -> str | None:
    """Return the version of an installed package.

    Args:
        package: Its name, such as "keras".

    Returns:
        The version; None if the package is not installed (or runs from a checkout).

    Example:
        ```python
        installed_version("numpy")
        ```
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def measurement_versions() -> dict[str, str]:
    """Return the versions of the packages that affect measured numbers, by package."""
    packages = ("balancing_vae", "keras", "tensorflow", "numpy", "scipy")
    return {package: installed_version(package) or "not installed" for package in packages}
