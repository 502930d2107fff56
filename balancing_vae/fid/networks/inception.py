"""The frozen Inception graph of 2015-12-05, as published FIDs use it.

Only this graph gives FIDs. `keras.applications.InceptionV3` has other weights, another scale and
another last pooling branch.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.fid.networks.replicas import ReplicatedNetwork
from balancing_vae.fid.preprocessing import network_input
from balancing_vae.fid.protocols import Protocol


class FrozenInception(ReplicatedNetwork):
    """The frozen graph, run by TensorFlow on all GPUs or, if there are none, on the CPU.

    `dai2019` and `ttur` use the graph's own resize and scale (the input `ExpandDims:0` takes
    0..255). For the other protocols, the input is resized and scaled here and given to `Mul:0`.
    The features are the 2,048 values of `pool_3:0`.

    Args:
        graph: A serialised GraphDef from `read_graph`.
        devices: TensorFlow device names; a copy of the network runs on each. None uses all
            GPUs or, if there are none, the CPU.

    Raises:
        ValueError: The graph lacks one of these tensors.

    Example:
        ```python
        network = FrozenInception(read_graph("inception-2015-12-05.tgz"))
        statistics = Statistics.from_batches(extract(images, network, "ttur"))
        ```
    """

    name = "inception"

    def __init__(self, graph: bytes, devices: Sequence[str] | None = None):
        super().__init__(devices)
        tf = self._tf
        self.sha256 = hashlib.sha256(graph).hexdigest()
        definition = tf.compat.v1.GraphDef.FromString(graph)
        with tf.Graph().as_default() as tensorflow_graph:
            copies = [self._import(definition, device) for device in self.devices]
        # The graph has operations that only graphs of its version may have. A session runs
        # them, but a tf.function, which always has the present version, does not.
        cpus = sum("cpu" in device.lower() for device in self.devices)
        options = tf.compat.v1.ConfigProto(
            allow_soft_placement=True, device_count={"CPU": max(cpus, 1)}
        )
        options.gpu_options.allow_growth = True
        self._session = tf.compat.v1.Session(graph=tensorflow_graph, config=options)
        for entries, features in copies:
            self._free.put(self._replica(entries, features))

    def input_of(self, images: np.ndarray, protocol: Protocol) -> tuple[np.ndarray, bool]:
        """Return the images unchanged if the protocol uses the graph's own resize and scale."""
        if (protocol.resize, protocol.center, protocol.scale) == ("tf1_bilinear", 128.0, 128.0):
            return images, True
        return network_input(images, protocol), False

    def _import(self, definition, device: str):
        """Import a copy; return its two entries, by rawness, and its features."""
        tf = self._tf
        with tf.device(device):
            images = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3])
            try:
                scaled, features = tf.import_graph_def(
                    definition,
                    input_map={"ExpandDims:0": images},
                    return_elements=["Mul:0", "pool_3:0"],
                )
            except ValueError as error:
                raise InputError(
                    "This graph lacks ExpandDims:0, Mul:0 or pool_3:0, so it is not the Inception "
                    f"graph of 2015-12-05 ({error}): give classify_image_graph_def.pb."
                ) from error
        return {True: images, False: scaled}, features

    def _replica(self, entries, features):
        return lambda images, raw: self._session.run(features, {entries[raw]: images})
