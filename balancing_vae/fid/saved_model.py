"""TF-GAN's copy of the Inception network, a SavedModel, from a local folder."""

import hashlib
import os
from pathlib import Path

import numpy as np

from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.fid.preprocessing import network_input
from balancing_vae.fid.protocols import Protocol


class SavedModelInception(FeatureNetwork):
    """The SavedModel `tensorflow/tfgan/eval/inception/1`, without TensorFlow Hub.

    It takes images of 299 x 299 in [-1, 1] and gives `pool_3` and `logits`. It has no
    published hash; `sha256` is that of the folder's contents, and its statistics are not
    set against those of the frozen graph.

    Args:
        folder: The folder with `saved_model.pb` and `variables`.

    Raises:
        FileNotFoundError: The folder is no SavedModel.
        ValueError: The model has no output `pool_3`.

    Example:
        ```python
        network = SavedModelInception("c4be6b55dc0338e82546082d22184ebdc77d76cf")
        ```
    """

    name = "inception"
    workers = 2

    def __init__(self, folder: str | os.PathLike):
        import tensorflow as tf

        if not (Path(folder) / "saved_model.pb").is_file():
            raise FileNotFoundError(
                f"{folder} holds no saved_model.pb; expected the folder of TF-GAN's SavedModel "
                "tensorflow/tfgan/eval/inception/1, or give a graph's .pb or .tgz."
            )
        self.sha256 = _sha256(Path(folder))
        self._folder = folder
        self._model = tf.saved_model.load(os.fspath(folder))
        self._tensor = tf.constant

    def __call__(self, images: np.ndarray, protocol: Protocol) -> np.ndarray:
        """Return float32 [n, 2048]; see `FeatureNetwork`."""
        outputs = self._model(self._tensor(network_input(images, protocol)))
        if "pool_3" not in outputs:
            raise ValueError(
                f"The SavedModel in {self._folder} gives {', '.join(outputs)}; expected pool_3: "
                "it is not tensorflow/tfgan/eval/inception/1."
            )
        return outputs["pool_3"].numpy().reshape(len(images), -1)


def _sha256(folder: Path) -> str:
    """Return one hash over the names and contents of all files in a folder."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{digest}  {path.relative_to(folder).as_posix()}\n".encode())
    return total.hexdigest()
