"""Find a set of weights by name."""

import os
from pathlib import Path

from balancing_vae.files.checksums import CHECKSUMS
from balancing_vae.files.checksums import check_checksums
from balancing_vae.pretrained.cache import cached_folder
from balancing_vae.pretrained.cache import download
from balancing_vae.pretrained.hub import PREFIX
from balancing_vae.pretrained.registry import pretrained_set
from balancing_vae.storage.folder import DESCRIPTION

PACKAGE = Path(__file__).parents[1]


def places(name: str) -> dict[str, Path]:
    """Return the folders on this machine in which a set may be, in the order of the search.

    Args:
        name: The set's name.

    Returns:
        Folders, which may not exist, by their place: "package", "checkout", "cache".
    """
    return {
        "package": PACKAGE / "weights" / name,
        "checkout": PACKAGE.parent / "weights" / name,
        "cache": cached_folder(name),
    }


def find(name: str | os.PathLike, base_url: str | None = None) -> Path:
    """Return the folder of a set of weights after checking its files.

    `hf://owner/name` is on the Hugging Face Hub (see `download`). Any other name is looked up in
    this order: as a path; in the installed package, which has a copy of the folder `weights/`;
    in that folder itself, if the package runs from a checkout; in the user's cache; and as a
    download (see `download`).

    Args:
        name: A set's name, `hf://owner/name`, or the path of any saved folder. A saved folder
            without `SHA256SUMS` is not checked.
        base_url: The server for downloads, see `download`.

    Returns:
        A saved folder.

    Raises:
        ValueError: The name is unknown, the set is not published, or a file has another sha256.
        FileNotFoundError: It is not on this machine, and no server is configured.
        OSError: The download fails.

    Example:
        ```python
        TwoStageVAE.load(find("digits"))
        ```
    """
    if isinstance(name, str) and name.startswith(PREFIX):
        return download(name)
    if not isinstance(name, str) or _is_path(name):
        folder = Path(name)
        if (folder / CHECKSUMS).is_file():
            check_checksums(folder)
        return folder
    pretrained_set(name)
    for place, folder in places(name).items():
        if place != "cache" and (folder / DESCRIPTION).is_file():
            check_checksums(folder)
            return folder
    return download(name, base_url)


def _is_path(name: str) -> bool:
    return Path(name).name != name or (Path(name) / DESCRIPTION).is_file()
