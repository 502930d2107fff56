"""Download sets of weights from a server to the user's cache."""

import os
from pathlib import Path

from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.errors import ResourceError
from balancing_vae.files.atomic import atomic_folder
from balancing_vae.files.checksums import CHECKSUMS
from balancing_vae.files.checksums import check_checksums
from balancing_vae.files.checksums import read_checksums
from balancing_vae.files.checksums import sha256
from balancing_vae.files.download import WrongContentError
from balancing_vae.files.download import download_file
from balancing_vae.files.formats import CACHED_WEIGHTS
from balancing_vae.pretrained.hub import PREFIX
from balancing_vae.pretrained.hub import download_from_hub
from balancing_vae.pretrained.registry import PretrainedSet
from balancing_vae.pretrained.registry import pretrained_set

BASE_URL = "BALANCING_VAE_WEIGHTS_URL"


def cached_folder(name: str) -> Path:
    """Return the folder of a set in the user's cache, which may not exist yet."""
    import pooch

    return Path(pooch.os_cache("balancing_vae")) / "pretrained" / name


def download(name: str, base_url: str | None = None) -> Path:
    """Download a set to the user's cache, or find it there.

    Every file is checked against the set's `SHA256SUMS`, and that file against the sha256 in
    this package, so the server need not be trusted. The folder appears in the cache only when it
    is complete.

    Args:
        name: The set's name; or `hf://owner/name` or `hf://owner/name@revision` on the Hugging
            Face Hub, whose files are checked against their own `SHA256SUMS`.
        base_url: The URL before `/NAME/FILE` of any server with a copy of the folder
            `weights/`; or `hf://owner`, if the set is `owner/NAME` on the Hugging Face Hub. By
            default the value of the environment variable `BALANCING_VAE_WEIGHTS_URL`.

    Returns:
        The folder in this package's cache or the Hub's.

    Raises:
        ValueError: The name is unknown, the set is not published, a downloaded file has another
            sha256, or the files are larger than published.
        FileNotFoundError: It is not in the cache, and no server is configured.
        OSError: The server does not answer or is too slow, or the cache is not writable.

    Example:
        ```python
        download("mnist", "https://example.org/weights")
        ```
    """
    if name.startswith(PREFIX):
        return download_from_hub(name)
    entry = pretrained_set(name)
    folder = cached_folder(name)
    if entry.sha256 is None or entry.size is None:
        raise InputError(
            f"The weights {name!r} cannot be downloaded. {entry.note} To train them: "
            f"{' && '.join(entry.training_commands)}"
        )
    found = folder.is_dir()
    if found and _is_as_published(folder, entry):
        return folder
    base_url = base_url or os.environ.get(BASE_URL)
    if not base_url:
        raise MissingFileError(
            f"The weights {name!r} in {folder} are {'not as published' if found else 'missing'}, "
            f"and no server is configured; set {BASE_URL} (or base_url, on the command line "
            "--base-url) to the address of a copy of the folder weights/, or give the path of a "
            "weights folder."
        )
    if base_url.startswith(PREFIX):
        return _download_from_hub(f"{base_url.rstrip('/')}/{name}", entry)
    if not base_url.startswith(("http://", "https://")):
        raise InputError(f"The base URL {base_url!r} must start with http://, https:// or hf://.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(folder, CACHED_WEIGHTS, overwrite=True) as temporary:
            address = f"{base_url.rstrip('/')}/{name}/"
            _download_all(address, entry.sha256, entry.size, temporary)
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise ResourceError(
            f"The cache {folder.parent} is not writable ({error.strerror or error}); change its "
            "permissions, or set XDG_CACHE_HOME to another folder."
        ) from error
    return folder


def _download_from_hub(address: str, entry: PretrainedSet) -> Path:
    folder = download_from_hub(address)
    if sha256(folder / CHECKSUMS) != entry.sha256:
        raise InputError(
            f"{address} is not the published set {entry.name}: its {CHECKSUMS} has another "
            f"sha256. To use it anyway, load it by the name {address!r}."
        )
    return folder


def _is_as_published(folder: Path, entry: PretrainedSet) -> bool:
    try:
        check_checksums(folder)
    except (ValueError, FileNotFoundError):
        return False
    return sha256(folder / CHECKSUMS) == entry.sha256


def _download_all(address: str, checksum: str, size: int, folder: Path) -> None:
    """Download all files of a set, at most as many bytes as the set has."""
    left = size - _download(address, CHECKSUMS, checksum, folder, size)
    for name, expected in read_checksums(folder).items():
        left -= _download(address, name, expected, folder, left)


def _download(address: str, name: str, expected: str, folder: Path, size: int) -> int:
    """Download one file of at most `size` bytes, and return its size."""
    try:
        download_file(address + name, folder / name, size, expected)
        return (folder / name).stat().st_size
    except OSError as error:
        raise ResourceError(
            f"{address}{name} could not be downloaded ({error}); nothing was kept. Check the "
            "address, the network and the free space on the disk, and try again."
        ) from error
    except WrongContentError as error:
        raise InputError(
            f"{error}; nothing was kept. The server has other weights, or the download was cut "
            "off: try again, or use another server."
        ) from error
