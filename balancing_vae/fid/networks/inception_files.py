"""The Inception network's file: given, cached or downloaded, and always verified."""

import hashlib
import os
import tempfile
from pathlib import Path

from balancing_vae.datasets.bounded import read_file
from balancing_vae.datasets.bounded import read_tar
from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.errors import ResourceError
from balancing_vae.fid.cache import cache_folder
from balancing_vae.fid.cache import keeping
from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.fid.networks.inception import FrozenInception
from balancing_vae.files.atomic import atomic_file
from balancing_vae.files.download import WrongContentError
from balancing_vae.files.download import download_file

GRAPH_NAME = "classify_image_graph_def.pb"
GRAPH_SHA256 = "009d6814d1bc560d4e7b236e170e9b2d5ca6f4b57bd8037f6db05776204415c6"
GRAPH_SIZE = 95_673_916
ARCHIVE_SIZE = 88_931_400
UNPACKED_SIZE = GRAPH_SIZE + 2_000_000  # the archive also has label maps, a picture and a licence
ARCHIVE_URL = "http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz"
OFFLINE_RECIPE = (
    f"On a machine with internet access, download {ARCHIVE_URL} and copy it here; then pass "
    f"`--inception inception-2015-12-05.tgz`, or unpack it and put {GRAPH_NAME} into "
    "{folder}."
)


def load_inception(path: str | os.PathLike | None = None) -> FeatureNetwork:
    """Return the Inception network from a file, from the cache, or by download.

    Args:
        path: `classify_image_graph_def.pb`, or the `.tgz` that contains it. None uses the file
            in the cache, which is downloaded if it is missing.

    Returns:
        A network called `inception`.

    Raises:
        FileNotFoundError: `path` does not exist.
        ValueError: The graph's sha256 is not that of 2015-12-05.
        OSError: It cannot be downloaded; the message says how to get it offline.

    Example:
        ```python
        network = load_inception("inception-2015-12-05.tgz")
        ```
    """
    cached = graph_folder() / GRAPH_NAME
    if path is None and not os.path.isfile(cached):
        return FrozenInception(download_graph())
    return FrozenInception(read_graph(cached if path is None else path))


def read_graph(path: str | os.PathLike) -> bytes:
    """Return the graph in a file after verifying its sha256.

    Args:
        path: `classify_image_graph_def.pb`, or `inception-2015-12-05.tgz`.

    Returns:
        The serialised GraphDef.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is a folder, has no graph, or the graph has another sha256.

    Example:
        ```python
        len(read_graph("inception-2015-12-05.tgz"))  # 95673916
        ```
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(
            f"{path} is a folder; expected {GRAPH_NAME} or inception-2015-12-05.tgz. A SavedModel "
            "is a program, and a distance with it is not an FID. To run one that you trust, use "
            "`--trusted-saved-model FOLDER`."
        )
    if not path.is_file():
        raise MissingFileError(
            f"There is no file {path}; expected {GRAPH_NAME} or inception-2015-12-05.tgz. "
            + OFFLINE_RECIPE.format(folder=graph_folder())
        )
    archived = path.suffix in (".tgz", ".gz")
    try:
        graph = _from_archive(path) if archived else read_file(path, GRAPH_SIZE)
    except InputError as error:
        raise InputError(
            f"{error} Expected {GRAPH_NAME} or inception-2015-12-05.tgz. "
            + OFFLINE_RECIPE.format(folder=graph_folder())
        ) from error
    found = hashlib.sha256(graph).hexdigest()
    if found != GRAPH_SHA256:
        raise InputError(
            f"{path} is not the Inception graph of 2015-12-05: its sha256 is {found}, expected "
            f"{GRAPH_SHA256}. An FID with it would not be comparable with any other. "
            + OFFLINE_RECIPE.format(folder=graph_folder())
        )
    return graph


def download_graph() -> bytes:
    """Download the graph, verify its sha256 and keep it in the cache.

    If the cache cannot be written to, there is a warning, and the next call downloads again.

    Returns:
        The serialised GraphDef.

    Raises:
        OSError: There is no internet access, it is too slow, or the file is not there any more;
            the message says how to get it offline.
        ValueError: The downloaded file is not the graph's archive, or is larger than it.

    Example:
        ```python
        FrozenInception(download_graph())
        ```
    """
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "inception-2015-12-05.tgz"
        try:
            download_file(ARCHIVE_URL, archive, ARCHIVE_SIZE)
        except WrongContentError as error:
            raise InputError(
                f"{error}, so it is not the Inception graph. "
                + OFFLINE_RECIPE.format(folder=graph_folder())
            ) from error
        except OSError as error:
            raise ResourceError(
                f"The Inception graph cannot be downloaded ({error}). "
                + OFFLINE_RECIPE.format(folder=graph_folder())
            ) from error
        graph = read_graph(archive)
    with keeping("Inception graph"), atomic_file(graph_folder() / GRAPH_NAME) as temporary:
        temporary.write_bytes(graph)
    return graph


def graph_folder() -> Path:
    """Return the graph's folder in the cache."""
    return cache_folder() / "inception-2015-12-05"


def _from_archive(path: Path) -> bytes:
    """Return the graph's bytes from the archive, without unpacking the archive."""
    members = read_tar(path, (GRAPH_NAME,), UNPACKED_SIZE)
    if GRAPH_NAME in members:
        return members[GRAPH_NAME]
    raise InputError(f"{path} holds no {GRAPH_NAME}.")
