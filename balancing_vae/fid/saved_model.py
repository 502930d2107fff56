"""TF-GAN's copy of the Inception network, a SavedModel, from a local folder."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.fid.preprocessing import network_input
from balancing_vae.fid.protocols import Protocol
from balancing_vae.fid.replicas import Replica
from balancing_vae.fid.replicas import ReplicatedNetwork


class SavedModelInception(ReplicatedNetwork):
    """The SavedModel `tensorflow/tfgan/eval/inception/1`, without TensorFlow Hub.

    It takes images of 299 x 299 in [-1, 1] and gives `pool_3` and `logits`. It has no
    published hash; `sha256` is that of the folder's contents, and its statistics are not
    set against those of the frozen graph.

    Args:
        folder: The folder with `saved_model.pb` and `variables`.
        devices: TensorFlow device names; a copy of the network runs on each. By default
            all GPUs, or the CPU where there is none.

    Raises:
        FileNotFoundError: The folder is no SavedModel.
        ValueError: The model has no output `pool_3`.

    Example:
        ```python
        network = SavedModelInception("c4be6b55dc0338e82546082d22184ebdc77d76cf")
        ```
    """

    name = "inception"

    def __init__(self, folder: str | os.PathLike, devices: Sequence[str] | None = None):
        if not (Path(folder) / "saved_model.pb").is_file():
            raise MissingFileError(
                f"{folder} holds no saved_model.pb; expected the folder of TF-GAN's SavedModel "
                "tensorflow/tfgan/eval/inception/1, or give a graph's .pb or .tgz."
            )
        super().__init__(devices)
        self.sha256 = _sha256(Path(folder))
        self._folder = folder
        for device in self.devices:
            self._free.put(self._replica(device))

    def input_of(self, images: np.ndarray, protocol: Protocol) -> tuple[np.ndarray, bool]:
        """Return the images resized and scaled: this network does neither."""
        return network_input(images, protocol), False

    def _replica(self, device: str) -> Replica:
        tf = self._tf
        with tf.device(device):
            model = tf.saved_model.load(os.fspath(self._folder))

        def run(images: np.ndarray, raw: bool) -> np.ndarray:
            with tf.device(device):
                outputs = model(tf.constant(images))
            if "pool_3" not in outputs:
                raise InputError(
                    f"The SavedModel in {self._folder} gives {', '.join(outputs)}; expected "
                    "pool_3: it is not tensorflow/tfgan/eval/inception/1."
                )
            return outputs["pool_3"].numpy()

        return run


def _sha256(folder: Path) -> str:
    """Return one hash over the names and contents of all files in a folder."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{digest}  {path.relative_to(folder).as_posix()}\n".encode())
    return total.hexdigest()
