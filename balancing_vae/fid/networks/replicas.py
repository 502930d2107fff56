"""Run a TensorFlow network on all devices, in batches that fit."""

import queue
from abc import abstractmethod
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager

import numpy as np

from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.fid.protocols import Protocol

# A copy of the network: it returns features of images that are either raw, as `preprocess`
# returns them, or already resized and scaled.
Replica = Callable[[np.ndarray, bool], np.ndarray]


class ReplicatedNetwork(FeatureNetwork):
    """A network with a copy on each device; a batch goes to any free copy.

    Batches that do not fit into a device's memory are halved until they do.

    Args:
        devices: TensorFlow device names. None uses all GPUs or, if there are none, the CPU.
    """

    def __init__(self, devices: Sequence[str] | None = None):
        import tensorflow as tf

        self._tf = tf
        gpus = [f"/gpu:{index}" for index, _ in enumerate(tf.config.list_physical_devices("GPU"))]
        self.devices = list(devices or gpus or ["/cpu:0"])
        self.batch_size = 256 if gpus else 64
        # While the devices are busy, one more thread prepares the next batch.
        self.workers = len(self.devices) + 1
        self._free: queue.SimpleQueue[Replica] = queue.SimpleQueue()

    @abstractmethod
    def input_of(self, images: np.ndarray, protocol: Protocol) -> tuple[np.ndarray, bool]:
        """Return the input of a replica, and whether it is raw.

        Args:
            images: float32 array [n, h, w, 3] in 0..255.
            protocol: Defines how images are resized and scaled.
        """

    def __call__(self, images: np.ndarray, protocol: Protocol) -> np.ndarray:
        """Return float32 [n, d]; see `FeatureNetwork`."""
        images, raw = self.input_of(images, protocol)
        replica = self._free.get()
        try:
            return self._run(replica, images, raw)
        finally:
            self._free.put(replica)

    def _run(self, replica: Replica, images: np.ndarray, raw: bool) -> np.ndarray:
        """Run one batch, or its halves if the device has too little memory for all of it."""
        half = (len(images) + 1) // 2
        try:
            if len(images) <= self.batch_size:
                return replica(images, raw).reshape(len(images), -1)
        except self._tf.errors.ResourceExhaustedError:
            if len(images) == 1:
                raise
            self.batch_size = min(self.batch_size, half)
        parts = [self._run(replica, part, raw) for part in (images[:half], images[half:])]
        return np.concatenate(parts)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Switch TensorFloat-32 off, because its 10-bit products would affect the features."""
        experimental = self._tf.config.experimental
        before = experimental.tensor_float_32_execution_enabled()
        experimental.enable_tensor_float_32_execution(False)
        try:
            yield
        finally:
            experimental.enable_tensor_float_32_execution(before)
