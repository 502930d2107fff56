"""Where files are kept that can be fetched or computed again, and their hashes."""

import hashlib
import os
from pathlib import Path


def cache_folder() -> Path:
    """Return `$XDG_CACHE_HOME/balancing_vae`, by default `~/.cache/balancing_vae`.

    Everything in it may be deleted at any time.

    Returns:
        The path; the folder need not exist.

    Example:
        ```python
        cache_folder() / "statistics"
        ```
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "balancing_vae"


def sha256_of_folder(folder: str | os.PathLike) -> str:
    """Return one hash over the names and contents of all files in a folder.

    Args:
        folder: The folder; its own name does not count.

    Returns:
        64 hexadecimal digits.

    Example:
        ```python
        sha256_of_folder("saved_model")
        ```
    """
    total = hashlib.sha256()
    for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{digest}  {path.relative_to(folder).as_posix()}\n".encode())
    return total.hexdigest()
