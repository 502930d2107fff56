"""An encoder that takes uint8 or float images, as the model around it does."""

import keras
from keras import tree

from balancing_vae.networks.inputs import as_intensities
from balancing_vae.networks.inputs import check_intensities
from balancing_vae.networks.inputs import look_at


@keras.saving.register_keras_serializable("balancing_vae")
class ImageEncoder(keras.Model):
    """A functional encoder that takes images as integers in 0..255, too.

    Keras casts a functional model's inputs to float32, so that uint8 images would reach the
    network 255 times too large. Here integers are divided by 255 first, and `predict`
    refuses floats outside [0, 1].

    Args:
        *args: The Keras tensors of the inputs (images, and the noise where the encoder takes
            it) and of the outputs.
        **kwargs: What `keras.Model` takes.

    Example:
        ```python
        mu, log_sigma = ImageEncoder.of(encoder).predict(images)    # uint8
        ```
    """

    @classmethod
    def of(cls, encoder: keras.Model) -> keras.Model:
        """Return an encoder of the same layers that takes both forms.

        Args:
            encoder: A functional or Sequential model. One of a class of its own is returned
                as it is.

        Returns:
            The encoder; it shares its layers with the given one.
        """
        if type(encoder).__module__.split(".")[0] != "keras":
            return encoder
        wrapped = cls(*map(_alone, (encoder.inputs, encoder.outputs)), name=encoder.name)
        wrapped.dtype_policy = encoder.dtype_policy
        return wrapped

    def call(self, inputs, training=None, mask=None, **kwargs):
        """Scale the images and encode them."""
        # Not in `__call__`: JAX's `predict` runs `call` alone. Keras hands `training` on to a
        # `call` that names it.
        images = tree.map_structure(as_intensities, inputs)
        return super().call(images, training=training, mask=mask, **kwargs)

    def predict(self, x, *args, **kwargs):
        """Encode a data set; takes and returns what `keras.Model.predict` does.

        Raises:
            ValueError: The images do not fit, or are floats outside [0, 1].
        """
        inputs, _, _, x = look_at(x)
        self._check(inputs)
        return super().predict(x, *args, **kwargs)

    def predict_on_batch(self, x):
        """Encode one batch; takes and returns what `keras.Model.predict_on_batch` does.

        Raises:
            ValueError: The images do not fit, or are floats outside [0, 1].
        """
        self._check(look_at(x)[0])
        return super().predict_on_batch(x)

    def _check(self, inputs) -> None:
        images = inputs[0] if isinstance(inputs, (list, tuple)) else inputs
        check_intensities(images, self.inputs[0].shape[1:])


def _alone(tensors: list):
    return tensors[0] if len(tensors) == 1 else tensors
