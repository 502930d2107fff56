"""The Inception network of 2015-12-05, as published FIDs use it: found, verified, run.

Only this very graph gives FIDs. `keras.applications.InceptionV3` has other weights,
another scale, and another last pooling branch.
"""

import hashlib
import os
import queue
import tarfile
import tempfile
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from balancing_vae.fid.cache import cache_folder
from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.fid.preprocessing import network_input
from balancing_vae.fid.protocols import Protocol
from balancing_vae.fid.saved_model import SavedModelInception
from balancing_vae.storage.atomic import atomic_file

GRAPH_NAME = "classify_image_graph_def.pb"
GRAPH_SHA256 = "009d6814d1bc560d4e7b236e170e9b2d5ca6f4b57bd8037f6db05776204415c6"
ARCHIVE_URL = "http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz"
# Where TensorFlow Hub keeps https://tfhub.dev/tensorflow/tfgan/eval/inception/1.
HUB_FOLDER = "c4be6b55dc0338e82546082d22184ebdc77d76cf"
OFFLINE_RECIPE = (
    f"On a machine with a network, fetch {ARCHIVE_URL} and bring the file here; then pass "
    f"`--inception inception-2015-12-05.tgz`, or unpack it and put {GRAPH_NAME} into "
    "{folder}."
)


class FrozenInception(FeatureNetwork):
    """The frozen graph, run by TensorFlow on every GPU there is, else on the CPU.

    `dai2019` and `ttur` use the graph's own resize and scale (0..255 into
    `ExpandDims:0`); the other protocols' input is computed here and enters at `Mul:0`.
    The features are `pool_3:0`, 2,048 of them. Batches that do not fit into memory are
    halved until they do.

    Args:
        graph: A serialised GraphDef, as `read_graph` gives.
        devices: TensorFlow device names; a copy of the network runs on each. By default
            all GPUs, or the CPU where there is none.

    Example:
        ```python
        network = FrozenInception(read_graph("inception-2015-12-05.tgz"))
        statistics = Statistics.from_batches(extract(images, network, "ttur"))
        ```
    """

    name = "inception"

    def __init__(self, graph: bytes, devices: Sequence[str] | None = None):
        import tensorflow as tf

        self._tf = tf
        self.sha256 = hashlib.sha256(graph).hexdigest()
        gpus = [f"/gpu:{index}" for index, _ in enumerate(tf.config.list_physical_devices("GPU"))]
        devices = list(devices or gpus or ["/cpu:0"])
        self.batch_size = 256 if gpus else 64
        # While the devices are busy, one more thread prepares the next batch.
        self.workers = len(devices) + 1
        definition = tf.compat.v1.GraphDef.FromString(graph)
        for node in definition.node:
            # Stored shapes say batch 1; they are inferred anew for any batch.
            node.attr.pop("_output_shapes", None)
        self._free: queue.SimpleQueue = queue.SimpleQueue()
        with tf.Graph().as_default() as tensorflow_graph:
            for index, device in enumerate(devices):
                prefix = f"inception_{index}"
                with tf.device(device):
                    images = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3])
                    try:
                        scaled, features = tf.import_graph_def(
                            definition,
                            input_map={"ExpandDims:0": images},
                            return_elements=["Mul:0", "pool_3:0"],
                            name=prefix,
                        )
                    except ValueError as error:
                        raise ValueError(
                            "This graph lacks ExpandDims:0, Mul:0 or pool_3:0, so it is not the "
                            f"Inception graph of 2015-12-05 ({error}). "
                            + OFFLINE_RECIPE.format(folder=graph_folder())
                        ) from error
                self._free.put((images, scaled, features))
        # The graph holds operations that only graphs of its age may hold. A session runs
        # them; a tf.function, which is always of today's version, refuses.
        cpus = sum("cpu" in device.lower() for device in devices)
        options = tf.compat.v1.ConfigProto(
            allow_soft_placement=True, device_count={"CPU": max(cpus, 1)}
        )
        options.gpu_options.allow_growth = True
        self._session = tf.compat.v1.Session(graph=tensorflow_graph, config=options)

    def __call__(self, images: np.ndarray, protocol: Protocol) -> np.ndarray:
        """Return float32 [n, 2048] from whichever device is free; see `FeatureNetwork`."""
        own_resize = (protocol.resize, protocol.center, protocol.scale) == (
            "tf1_bilinear",
            128.0,
            128.0,
        )
        if not own_resize:
            images = network_input(images, protocol)
        replica = self._free.get()
        try:
            raw, scaled, features = replica
            return self._run(features, raw if own_resize else scaled, images)
        finally:
            self._free.put(replica)

    def _run(self, features, entry, images: np.ndarray) -> np.ndarray:
        """Run one batch, in halves where the device lacks the memory for all of it."""
        try:
            if len(images) <= self.batch_size:
                return self._session.run(features, {entry: images}).reshape(len(images), -1)
        except self._tf.errors.ResourceExhaustedError:
            if len(images) == 1:
                raise
            self.batch_size = min(self.batch_size, (len(images) + 1) // 2)
        half = (len(images) + 1) // 2
        parts = (images[:half], images[half:])
        return np.concatenate([self._run(features, entry, part) for part in parts])

    @contextmanager
    def running(self) -> Iterator[None]:
        """Switch TensorFloat-32 off: its 10-bit products would show in the features."""
        experimental = self._tf.config.experimental
        before = experimental.tensor_float_32_execution_enabled()
        experimental.enable_tensor_float_32_execution(False)
        try:
            yield
        finally:
            experimental.enable_tensor_float_32_execution(before)


def load_inception(path: str | os.PathLike | None = None) -> FeatureNetwork:
    """Return the Inception network from a file, from where it is kept, or by download.

    Args:
        path: `classify_image_graph_def.pb`, the `.tgz` that holds it, or the folder of
            TF-GAN's SavedModel. None: the cache, else TF-GAN's SavedModel under
            `$TFHUB_CACHE_DIR`, else a download into the cache.

    Returns:
        A network called `inception`.

    Raises:
        FileNotFoundError: There is nothing at `path`.
        ValueError: The graph's sha256 is not the one of 2015-12-05.
        OSError: It cannot be downloaded; the message says how to bring it offline.

    Example:
        ```python
        network = load_inception("inception-2015-12-05.tgz")
        ```
    """
    if path is None:
        cached = graph_folder() / GRAPH_NAME
        hub = Path(os.environ.get("TFHUB_CACHE_DIR", "")) / HUB_FOLDER
        if cached.is_file():
            path = cached
        elif os.environ.get("TFHUB_CACHE_DIR") and hub.is_dir():
            path = hub
        else:
            path = download_graph()
    if Path(path).is_dir():
        return SavedModelInception(path)
    return FrozenInception(read_graph(path))


def read_graph(path: str | os.PathLike) -> bytes:
    """Return the graph in a file, its sha256 verified.

    Args:
        path: `classify_image_graph_def.pb`, or `inception-2015-12-05.tgz`.

    Returns:
        The serialised GraphDef.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It holds no graph, or one of another sha256.

    Example:
        ```python
        len(read_graph("inception-2015-12-05.tgz"))  # 95673916
        ```
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no file {path}; expected {GRAPH_NAME} or inception-2015-12-05.tgz. "
            + OFFLINE_RECIPE.format(folder=graph_folder())
        )
    graph = _from_archive(path) if path.suffix in (".tgz", ".gz") else path.read_bytes()
    found = hashlib.sha256(graph).hexdigest()
    if found != GRAPH_SHA256:
        raise ValueError(
            f"{path} is not the Inception graph of 2015-12-05: its sha256 is {found}, expected "
            f"{GRAPH_SHA256}. A FID with it would be comparable with nothing. "
            + OFFLINE_RECIPE.format(folder=graph_folder())
        )
    return graph


def download_graph() -> Path:
    """Download the graph into the cache, with a progress bar, its sha256 verified.

    Returns:
        The file in the cache.

    Raises:
        OSError: There is no network, or no such file any more; the message says how to
            bring it offline.
        ValueError: What came is not the graph.

    Example:
        ```python
        FrozenInception(read_graph(download_graph()))
        ```
    """
    import pooch

    target = graph_folder() / GRAPH_NAME
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "inception-2015-12-05.tgz"
        try:
            pooch.HTTPDownloader(progressbar=True)(ARCHIVE_URL, os.fspath(archive), None)
        except OSError as error:
            raise OSError(
                f"The Inception graph cannot be downloaded ({error}). "
                + OFFLINE_RECIPE.format(folder=graph_folder())
            ) from error
        graph = read_graph(archive)
    with atomic_file(target) as temporary:
        temporary.write_bytes(graph)
    return target


def graph_folder() -> Path:
    """Return the folder in the cache that holds the graph."""
    return cache_folder() / "inception-2015-12-05"


def _from_archive(path: Path) -> bytes:
    """Return the graph's bytes from the archive, without unpacking the archive."""
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and Path(member.name).name == GRAPH_NAME:
                    return archive.extractfile(member).read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(
            f"{path} is no readable archive ({error}); expected inception-2015-12-05.tgz: "
            "fetch it again."
        ) from error
    raise ValueError(
        f"{path} holds no {GRAPH_NAME}; expected inception-2015-12-05.tgz: fetch it again."
    )
