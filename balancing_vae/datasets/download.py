"""Download sources if the host allows it, and check each file's published sha256."""

import hashlib
from pathlib import Path

from balancing_vae.datasets.published import sources
from balancing_vae.errors import InputError
from balancing_vae.errors import ResourceError
from balancing_vae.files.download import WrongContentError
from balancing_vae.files.download import download_file


def download_source(name: str, published: dict | None = None) -> Path:
    """Download a dataset's files to the user's cache, or find them there.

    Each file is downloaded under a temporary name. It is moved into place only after its sha256
    has been checked.

    Args:
        name: `cifar10`, `mnist` or `fashion_mnist`.
        published: `base` (the URL before each name) and `files` (by name, `sha256` and `size`
            in bytes); by default the package's own data for `name`.

    Returns:
        The folder that holds the files.

    Raises:
        ValueError: A file is larger than the published one, or has another sha256.
        OSError: The host does not answer, or is too slow.

    Example:
        ```python
        prepare("mnist", download_source("mnist"), "data/mnist")
        ```
    """
    import pooch

    published = published or sources()[name]
    folder = Path(pooch.os_cache("balancing_vae")) / name
    for file, about in published["files"].items():
        if _is_there(folder / file, **about):
            continue
        address = published["base"] + file
        remedy = f"download {', '.join(published['files'])} by other means and give --source"
        try:
            download_file(address, folder / file, **about)
        except WrongContentError as error:
            raise InputError(
                f"{error}, and was discarded; try again later, or {remedy}."
            ) from error
        except OSError as error:
            raise ResourceError(
                f"{address} could not be downloaded ({error}); {remedy}."
            ) from error
    return folder


def _is_there(path: Path, size: int, sha256: str) -> bool:
    if not path.is_file() or path.stat().st_size != size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256
