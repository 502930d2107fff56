"""TensorBoard logs of a training: its losses, the KL of each latent, samples."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from balancing_vae.backend.batches import map_batches
from balancing_vae.checks import as_uint8
from balancing_vae.errors import InputError
from balancing_vae.errors import MissingPackageError
from balancing_vae.models.objectives import kl_divergence

SHEET_COLUMNS = 8
SHEET_IMAGES = 64
HISTOGRAM_BINS = 30


class TensorBoardLog(keras.callbacks.Callback):
    """Writes each epoch's logs, and every few epochs the KL per latent and a sheet of samples.

    The logs, which include gamma, are scalars. The KL per latent is a histogram. The samples of
    the stage in training are an image; they are not normalised and use the same draws each
    time. A deterministic autoencoder has no KL, and no samples before its sampler is fitted.
    Each stage has its own folder. If a CSV file is enough, use `history.csv` in a run's folder
    or `keras.callbacks.CSVLogger`.

    Args:
        folder: The folder to write; `tensorboard --logdir FOLDER` shows it.
        vae: The `TwoStageVAE` in training.
        images: Images whose posterior is measured, uint8 or float [N, D, D, C]; a few
            hundred are enough.
        every: Epochs between two sheets, at least 1.

    Raises:
        ImportError: TensorFlow is not installed.
        ValueError: `every` is below 1.

    Example:
        ```python
        vae.fit(x_train, callbacks=[TensorBoardLog("runs/a/tensorboard", vae, x_val)])
        ```
    """

    def __init__(self, folder: str | Path, vae, images: np.ndarray, every: int = 10):
        super().__init__()
        if every < 1:
            raise InputError(f"every must be at least 1, got {every}.")
        try:
            import tensorflow as tf
        except ImportError as error:
            raise MissingPackageError(
                "Logs for TensorBoard are written by TensorFlow, which is not installed: run "
                "`pip install tensorflow`, or read history.csv instead."
            ) from error
        self._tf = tf
        self._writer: Any = None  # TensorFlow has no types
        self.folder = Path(folder)
        self.vae = vae
        self.images = images
        self.every = every

    def on_train_begin(self, logs=None):
        """Open the stage's file."""
        self._writer = self._tf.summary.create_file_writer(str(self.folder / self.model.name))

    def on_epoch_end(self, epoch, logs=None):
        """Write the epoch's logs, and every few epochs the KL and the samples."""
        values = [{"tag": name, "simple_value": float(value)} for name, value in logs.items()]
        if (epoch + 1) % self.every == 0:
            values += self._kl_and_samples(1 if self.model is self.vae.stage1 else 2)
        # The protocol's own messages: `tf.summary.scalar` needs TensorBoard installed here.
        summary = self._tf.compat.v1.Summary
        message = summary(value=[summary.Value(**value) for value in values])
        with self._writer.as_default():
            raw = message.SerializeToString()
            self._tf.summary.experimental.write_raw_pb(raw, step=epoch + 1)
        self._writer.flush()

    def on_train_end(self, logs=None):
        """Close the file."""
        self._writer.close()

    def _kl_and_samples(self, stage: int) -> list[dict]:
        """Return the KL and the samples; a deterministic model has neither during training."""
        values = []
        if self.model.has_prior:
            kl = self._histogram(self._kl_per_latent(stage))
            values.append({"tag": "kl per latent", "histo": kl})
        sampler = self.vae.config.samplers[stage - 1]
        if sampler in self.vae.samplers:
            samples = self.vae.generate(SHEET_IMAGES, stage=stage, normalize=False, seed=0)
            values.append({"tag": "samples", "image": self._image(sheet(as_uint8(samples)))})
        return values

    def _kl_per_latent(self, stage: int) -> np.ndarray:
        mu, sigma = self.vae.encode(self.images)
        log_sigma = np.log(sigma)
        if stage == 2:
            encode = self.vae.stage2.encoder.predict_on_batch
            mu, log_sigma = map_batches(encode, self.vae.config.batch_size, mu)
        # One latent at a time, so that the sum over the last axis has one term.
        return np.mean(ops.convert_to_numpy(kl_divergence(mu[..., None], log_sigma[..., None])), 0)

    def _histogram(self, values: np.ndarray):
        counts, edges = np.histogram(values, bins=HISTOGRAM_BINS)
        return self._tf.compat.v1.HistogramProto(
            min=values.min(),
            max=values.max(),
            num=len(values),
            sum=values.sum(),
            sum_squares=np.square(values).sum(),
            bucket_limit=edges[1:],
            bucket=counts,
        )

    def _image(self, image: np.ndarray):
        height, width, channels = image.shape
        return self._tf.compat.v1.Summary.Image(
            height=height,
            width=width,
            colorspace=channels,
            encoded_image_string=self._tf.io.encode_png(image).numpy(),
        )


def sheet(images: np.ndarray, columns: int = SHEET_COLUMNS) -> np.ndarray:
    """Lay images out in a grid.

    Args:
        images: Float or uint8 [N, D, D, C].
        columns: Images in a row; an incomplete last row is left out.

    Returns:
        One image [N // columns * D, columns * D, C].

    Example:
        ```python
        sheet(vae.generate(64)).shape
        ```
    """
    rows = len(images) // columns
    _, height, width, channels = images.shape
    grid = images[: rows * columns].reshape(rows, columns, height, width, channels)
    return grid.swapaxes(1, 2).reshape(rows * height, columns * width, channels)
