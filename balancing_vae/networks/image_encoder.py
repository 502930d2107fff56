"""An encoder that takes uint8 or float images, as the model around it does."""

import keras
from keras import tree

from balancing_vae.networks.inputs import as_intensities
from balancing_vae.networks.inputs import check_intensities
from balancing_vae.networks.inputs import is_numpy
from balancing_vae.networks.inputs import look_at


@keras.saving.register_keras_serializable("balancing_vae")
class ImageEncoder(keras.Model):
    """A functional encoder that also takes images as integers in 0..255.

    Keras casts a functional model's inputs to float32, so uint8 images would reach the network
    255 times too large. This class divides integers by 255 first, and `predict` refuses floats
    outside [0, 1].

    Args:
        *args: The Keras tensors of the inputs (images, and the noise if the encoder takes it)
            and of the outputs.
        **kwargs: Arguments of `keras.Model`.

    Example:
        ```python
        mu, log_sigma = ImageEncoder.of(encoder).predict(images)    # uint8
        ```
    """

    @classmethod
    def of(cls, encoder: keras.Model) -> keras.Model:
        """Return an encoder with the same layers that takes integers and floats.

        Args:
            encoder: A functional or Sequential model. A model of any other class is returned
                unchanged.

        Returns:
            The encoder; it shares its layers with the given one.
        """
        if type(encoder).__module__.split(".")[0] != "keras":
            return encoder
        wrapped = cls(*map(_alone, (encoder.inputs, encoder.outputs)), name=encoder.name)
        wrapped.dtype_policy = encoder.dtype_policy
        return wrapped

    def __call__(self, inputs, *args, **kwargs):
        """Encode one batch; NumPy arrays are checked first, tensors are not.

        Raises:
            ValueError: The images have the wrong shape or dtype, or are floats outside [0, 1].
        """
        if is_numpy(inputs):
            self._check(inputs)
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs, training=None, mask=None, **kwargs):
        """Scale the images and encode them."""
        # Not in `__call__`, because JAX's `predict` runs only `call`. Keras passes `training` to
        # a `call` that has such an argument.
        images = tree.map_structure(as_intensities, inputs)
        return super().call(images, training=training, mask=mask, **kwargs)

    def predict(self, x, *args, **kwargs):
        """Encode a data set; arguments and result are those of `keras.Model.predict`.

        Raises:
            ValueError: The images have the wrong shape or dtype, or are floats outside [0, 1].
        """
        inputs, _, _, x = look_at(x)
        self._check(inputs)
        return super().predict(x, *args, **kwargs)

    def predict_on_batch(self, x):
        """Encode one batch; arguments and result are those of `keras.Model.predict_on_batch`.

        Raises:
            ValueError: The images have the wrong shape or dtype, or are floats outside [0, 1].
        """
        self._check(look_at(x)[0])
        return super().predict_on_batch(x)

    def _check(self, inputs) -> None:
        images = inputs[0] if isinstance(inputs, (list, tuple)) else inputs
        check_intensities(images, self.inputs[0].shape[1:])


def _alone(tensors: list):
    return tensors[0] if len(tensors) == 1 else tensors
