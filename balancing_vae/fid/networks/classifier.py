"""Features of a classifier: any Keras model file, or a small classifier trained here."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from balancing_vae.datasets import open_prepared
from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.fid.cache import cache_folder
from balancing_vae.fid.cache import content_sha256
from balancing_vae.fid.cache import keeping
from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.fid.protocols import Protocol
from balancing_vae.files.atomic import atomic_file
from balancing_vae.files.hdf5 import check_model_archive


class Classifier(FeatureNetwork):
    """Penultimate features of a Keras model: the input of its last layer with weights.

    A distance in them is called `FD(classifier:<file name>)`. The model gets images in [0, 1] at
    their own size. The protocol's quantisation, stretch and batch remainder apply; its resize
    and scale do not.

    Args:
        path: A `.keras` file of a functional or sequential model. It is loaded in Keras's
            safe mode: nothing in it is executed.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a Keras model, or its layers are not accessible.

    Example:
        ```python
        measure(images, Classifier("mnist.keras"), "asperti2020")
        ```
    """

    batch_size = 256

    def __init__(self, path: str | os.PathLike):
        import keras

        from balancing_vae.backend.compilation import jit_compile_pays

        path = Path(path)
        if not path.is_file():
            raise MissingFileError(
                f"There is no file {path}; expected a Keras model, as `model.save` or "
                "`train_classifier` writes."
            )
        self.name = f"classifier:{path.stem}"
        self.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        try:
            check_model_archive(path)
            model = keras.saving.load_model(path, compile=False)
            head = [layer for layer in model.layers if layer.weights][-1]
            self._model = keras.Model(model.inputs, head.input)
            self._model.jit_compile = jit_compile_pays(convolutional=True)
        # Keras, zipfile and h5py raise many kinds of errors for a file that is not such a model.
        except Exception as error:
            raise InputError(
                f"{path} is not a functional or sequential Keras model with weights ({error}): "
                "save one with `model.save`."
            ) from error
        self._shape = model.input_shape[1:]

    def __call__(self, images: np.ndarray, protocol: Protocol) -> np.ndarray:
        """Return float32 [n, d]; see `FeatureNetwork`."""
        if self._shape[-1] == 1:
            if not np.array_equal(images[..., :1], images[..., 1:2]):
                raise InputError(
                    f"{self.name} takes grey images, these have colours: give a classifier of "
                    "colour images."
                )
            images = images[..., :1]
        if any(
            ours != theirs
            for ours, theirs in zip(images.shape[1:], self._shape, strict=True)
            if theirs
        ):
            raise InputError(
                f"{self.name} takes images of shape {self._shape}, these have "
                f"{images.shape[1:]}: give a classifier of such images."
            )
        features = self._model.predict_on_batch(images / np.float32(255))
        return np.asarray(features).reshape(len(images), -1)


def dataset_classifier(folder: str | os.PathLike) -> Classifier:
    """Return the classifier of a labelled dataset; it is trained once and kept in the cache.

    If the cache cannot be written to, there is a warning, and the classifier is trained each
    time.

    Args:
        folder: A prepared dataset whose training images have labels.

    Returns:
        `classifier:<folder's name>`.

    Raises:
        FileNotFoundError: It is not a prepared dataset.
        ValueError: It has no training images, or no labels.

    Example:
        ```python
        measure(images, dataset_classifier("data/mnist"), "asperti2020")
        ```
    """
    folder = Path(folder).resolve()
    prepared = open_prepared(folder)
    images, labels = prepared.images("train"), prepared.labels("train")
    if labels is None:
        raise InputError(
            f"{folder} has no labels to train a classifier on: give a dataset that has some, or "
            "a Keras model file."
        )
    key = hashlib.sha256(f"{content_sha256(images)}{content_sha256(labels)}".encode()).hexdigest()
    path = cache_folder() / "classifiers" / key / f"{folder.name}.keras"
    if os.path.isfile(path):
        return Classifier(path)
    with tempfile.TemporaryDirectory() as temporary:
        trained = Path(temporary) / path.name
        train_classifier(images, labels, trained)
        with keeping("classifier"), atomic_file(path) as kept:
            shutil.copyfile(trained, kept)
        return Classifier(trained)


def train_classifier(
    images: np.ndarray,
    labels: np.ndarray,
    path: str | os.PathLike,
    epochs: int = 5,
    seed: int = 0,
) -> float:
    """Train a small convolutional classifier and write it as a Keras model file.

    It has three convolutions with stride 2 (32, 64, 128 channels), a dense layer of 64 units,
    whose outputs are the features, and a softmax. Adam trains it at 1e-3 in batches of 100.

    Args:
        images: uint8 array [n, h, w, c], c 1 or 3.
        labels: Integer array [n], 0..classes - 1.
        path: The `.keras` file to write.
        epochs: Passes over the data.
        seed: Seed of the weights and of the images' order.

    Returns:
        The accuracy on the training images in the last epoch, 0..1.

    Raises:
        ValueError: Images and labels do not match.
        OSError: The file cannot be written.

    Example:
        ```python
        train_classifier(x_train, y_train, "mnist.keras")
        ```
    """
    import keras

    from balancing_vae.backend.compilation import jit_compile_pays

    if images.dtype != np.uint8 or images.ndim != 4 or labels.shape != images.shape[:1]:
        raise InputError(
            f"Images {images.dtype} {images.shape} and labels {labels.shape} were given; "
            "expected uint8 [n, h, w, c] and [n]."
        )
    classes = int(labels.max()) + 1
    seeds = iter(np.random.SeedSequence(seed).generate_state(5).tolist())

    def initializer() -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(seed=next(seeds))

    x = inputs = keras.Input(images.shape[1:])
    for channels in (32, 64, 128):
        x = keras.layers.Conv2D(
            channels,
            3,
            strides=2,
            padding="same",
            activation="relu",
            kernel_initializer=initializer(),
        )(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(64, activation="relu", kernel_initializer=initializer())(x)
    outputs = keras.layers.Dense(classes, activation="softmax", kernel_initializer=initializer())(x)
    model = keras.Model(inputs, outputs)
    # The model takes images in [0, 1]. In training, the bytes are scaled first.
    trainer = keras.Sequential(
        [keras.Input(images.shape[1:], dtype="uint8"), keras.layers.Rescaling(1 / 255), model]
    )
    trainer.compile(
        "adam",
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=jit_compile_pays(convolutional=True),
    )
    for epoch in range(epochs):
        order = np.random.default_rng((seed, epoch)).permutation(len(images))
        history = trainer.fit(
            images[order], labels[order], batch_size=100, epochs=1, shuffle=False, verbose=0
        )
    with atomic_file(Path(path)) as temporary:
        model.save(temporary)
    return float(history.history["accuracy"][-1])
