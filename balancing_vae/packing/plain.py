"""Networks for users who have Keras but not this package."""

import keras
from keras import ops

from balancing_vae.errors import InputError
from balancing_vae.layers.batch_normalization import BatchNormalization
from balancing_vae.layers.singular_vector import StoresSingularVector
from balancing_vae.networks.image_encoder import ImageEncoder


def plain_copy(network: keras.Model) -> keras.Model:
    """Copy a trained network into Keras's own layers, for inference in float32.

    Batch normalisation becomes Keras's, with the moving statistics; spectrally normalised
    layers become ordinary ones, their kernels divided by the norm as the next forward pass
    would.

    Args:
        network: A functional model of Keras's layers and of this package's, in any
            precision.

    Returns:
        A functional model that gives the same up to rounding and that `keras.saving.load_model`
        reads without this package.

    Raises:
        ValueError: A layer is neither Keras's nor this package's.

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
    if isinstance(layer, StoresSingularVector):
        plain = next(c for c in plain.__mro__ if c.__module__.startswith("keras."))
    elif plain.__module__.split(".")[0] != "keras":
        raise InputError(
            f"The layer {layer.name!r} is a {plain.__name__}, which neither Keras nor this package "
            "has; loading the network would need its code."
        )
    config = layer.get_config()
    if isinstance(layer, keras.layers.Layer):  # and no operation of keras.ops
        config["dtype"] = "float32"
    return plain.from_config(config)


def _plain_weights(layer) -> list:
    if isinstance(layer, BatchNormalization):
        weights = [layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance]
    elif isinstance(layer, StoresSingularVector):
        # A copy of u: it moves at each call.
        u = keras.Variable(layer.u, dtype="float32", trainable=False)
        weights = [layer.normalize(layer.kernel, u)]
        if layer.use_bias:
            weights.append(layer.bias)
    else:
        return layer.get_weights()
    return [ops.convert_to_numpy(weight) for weight in weights]
