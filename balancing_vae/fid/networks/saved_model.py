"""Features from a SavedModel that the user trusts, such as TF-GAN's copy of Inception."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.fid.networks.replicas import Replica
from balancing_vae.fid.networks.replicas import ReplicatedNetwork
from balancing_vae.fid.preprocessing import network_input
from balancing_vae.fid.protocols import Protocol

# The number of features in Inception's `pool_3`.
FEATURES = 2048


class TrustedSavedModel(ReplicatedNetwork):
    """A SavedModel with the interface of `tensorflow/tfgan/eval/inception/1`.

    A SavedModel is a program that can read and write files of this machine. Run only what you
    trust. It must take images of 299 x 299 in [-1, 1] and return `pool_3`, 2,048 features.
    Since its network cannot be verified, a distance in its features is called
    `FD(saved_model:<folder's name>)`, not FID. `sha256` is the hash of the folder's contents.

    Args:
        folder: The folder with `saved_model.pb` and `variables`.
        devices: TensorFlow device names; a copy of the network runs on each. None uses all
            GPUs or, if there are none, the CPU.

    Raises:
        FileNotFoundError: The folder has no SavedModel.
        ValueError: The model cannot be loaded, or does not return `pool_3` of 2,048 features.

    Example:
        ```python
        network = TrustedSavedModel("c4be6b55dc0338e82546082d22184ebdc77d76cf")
        ```
    """

    def __init__(self, folder: str | os.PathLike, devices: Sequence[str] | None = None):
        if not (Path(folder) / "saved_model.pb").is_file():
            raise MissingFileError(
                f"{folder} holds no saved_model.pb; expected the folder of TF-GAN's SavedModel "
                "tensorflow/tfgan/eval/inception/1."
            )
        super().__init__(devices)
        self.name = f"saved_model:{Path(folder).resolve().name}"
        self.sha256 = _sha256(Path(folder))
        self._folder = folder
        for device in self.devices:
            self._free.put(self._replica(device))

    def input_of(self, images: np.ndarray, protocol: Protocol) -> tuple[np.ndarray, bool]:
        """Return the images resized and scaled, because this network does neither."""
        return network_input(images, protocol), False

    def _replica(self, device: str) -> Replica:
        tf = self._tf
        try:
            with tf.device(device):
                model = tf.saved_model.load(os.fspath(self._folder))
        # TensorFlow raises many kinds of errors for files that are not such a model.
        except Exception as error:
            raise InputError(
                f"The SavedModel in {self._folder} cannot be loaded ({error}): download it again."
            ) from error

        def run(images: np.ndarray, raw: bool) -> np.ndarray:
            with tf.device(device):
                outputs = model(tf.constant(images))
            if "pool_3" not in outputs:
                raise InputError(
                    f"The SavedModel in {self._folder} gives {', '.join(outputs)}; expected "
                    "pool_3: it is not tensorflow/tfgan/eval/inception/1."
                )
            features = outputs["pool_3"].numpy().reshape(len(images), -1)
            if features.shape[1] != FEATURES:
                raise InputError(
                    f"The SavedModel in {self._folder} gives {features.shape[1]} features; "
                    f"expected Inception's {FEATURES:,}."
                )
            return features

        return run


def _sha256(folder: Path) -> str:
    """Return one hash over the names and contents of all files in a folder."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{digest}  {path.relative_to(folder).as_posix()}\n".encode())
    return total.hexdigest()
