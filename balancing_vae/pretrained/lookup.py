"""Find the weights of a name."""

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
    """Return where on this machine a set may be, in the order of the search.

    Args:
        name: The set's name.

    Returns:
        Folders, there or not, by the word for their place: "package", "checkout", "cache".
    """
    return {
        "package": PACKAGE / "weights" / name,
        "checkout": PACKAGE.parent / "weights" / name,
        "cache": cached_folder(name),
    }


def find(name: str | os.PathLike, base_url: str | None = None) -> Path:
    """Return the folder of a set of weights, its files checked.

    `hf://owner/name` is on the Hugging Face Hub (see `download`). Any other name is
    looked for, one place after the other: a path; the installed package, which has a copy of the
    folder `weights/`; that folder itself, where the package runs from a checkout; the user's
    cache; a download (see `download`).

    Args:
        name: A set's name, `hf://owner/name`, or the path of any saved folder. Where a saved
            folder has no `SHA256SUMS`, nothing is checked.
        base_url: Where to download from.

    Returns:
        A saved folder.

    Raises:
        ValueError: There is no such set, it is not published, or a file has another
            sha256.
        FileNotFoundError: It is not on this machine, and no server is known.
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
