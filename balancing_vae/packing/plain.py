"""Networks for users who have Keras but not this package."""

import keras
from keras import ops

from balancing_vae.errors import InputError
from balancing_vae.layers.batch_normalization import BatchNormalization
from balancing_vae.layers.singular_vector import StoresSingularVector
from balancing_vae.layers.transposed_convolution import Conv2DTranspose
from balancing_vae.networks.image_encoder import ImageEncoder


def plain_copy(network: keras.Model) -> keras.Model:
    """Copy a trained network into Keras's own layers, for inference in float32.

    Batch normalisation becomes Keras's, with the moving statistics. Spectrally normalised layers
    become ordinary ones, whose kernels are divided by the norm of the next forward pass.

    Args:
        network: A functional model of Keras's layers and of this package's, in any
            precision.

    Returns:
        A functional model with the same outputs, up to rounding, which
        `keras.saving.load_model` reads without this package.

    Raises:
        ValueError: A layer belongs neither to Keras nor to this package.

    Example:
        ```python
        plain_copy(vae.stage1.decoder).save("decoder.keras")
        ```
    """
    if isinstance(network, ImageEncoder):
        network = keras.Model(network.input, network.output, name=network.name)
    copies = []

    def copy(layer):
        copied = _plain_layer(layer)
        copies.append((layer, copied))
        return copied

    clone = keras.models.clone_model(network, clone_function=copy, recursive=True)
    for layer, copied in copies:
        if isinstance(layer, keras.layers.Layer):
            copied.set_weights(_plain_weights(layer))
    return clone


def _plain_layer(layer):
    if isinstance(layer, BatchNormalization):
        return keras.layers.BatchNormalization(
            epsilon=layer.epsilon, name=layer.name, dtype="float32"
        )
    plain = type(layer)
    if isinstance(layer, StoresSingularVector) or type(layer) is Conv2DTranspose:
        plain = next(c for c in plain.__mro__ if c.__module__.startswith("keras."))
    elif plain.__module__.split(".")[0] != "keras":
        raise InputError(
            f"The layer {layer.name!r} is a {plain.__name__}, which belongs neither to Keras nor "
            "to this package; use layers of these, so that the network loads without other code."
        )
    config = layer.get_config()
    if isinstance(layer, keras.layers.Layer):  # but not an operation of keras.ops
        config["dtype"] = "float32"
    return plain.from_config(config)


def _plain_weights(layer) -> list:
    if isinstance(layer, BatchNormalization):
        weights = [layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance]
    elif isinstance(layer, StoresSingularVector):
        # Use a copy of u, because each call updates it.
        u = keras.Variable(layer.u, dtype="float32", trainable=False)
        weights = [layer.normalize(layer.kernel, u)]
        if layer.use_bias:
            weights.append(layer.bias)
    else:
        return layer.get_weights()
    return [ops.convert_to_numpy(weight) for weight in weights]
