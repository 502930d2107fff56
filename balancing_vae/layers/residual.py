"""Residual blocks of the `resnet` networks, as functions over Keras tensors."""

from keras import layers

from balancing_vae.layers.batch_normalization import ZeroDebiasedBatchNormalization


def residual_block(x, width: int, kernel_size: int, depth: int, name: str):
    """Apply a pre-activation convolutional residual block.

    The main path repeats batch normalisation, relu and convolution `depth` times. The shortcut
    is always a convolution and is never normalised. Source: the original program.

    Args:
        x: Keras tensor [B, H, W, C].
        width: Channels of the output, at least 1.
        kernel_size: Side of every kernel, at least 1.
        depth: Convolutions on the main path, at least 1.
        name: Prefix of the layers' names.

    Returns:
        Keras tensor [B, H, W, width].

    Example:
        ```python
        y = residual_block(keras.Input((8, 8, 16)), 32, kernel_size=3, depth=2, name="block0")
        ```
    """
    y = x
    for i in range(depth):
        y = ZeroDebiasedBatchNormalization(name=f"{name}_bn{i}")(y)
        y = layers.ReLU(name=f"{name}_relu{i}")(y)
        y = layers.Conv2D(width, kernel_size, padding="same", name=f"{name}_layer{i}")(y)
    shortcut = layers.Conv2D(width, kernel_size, padding="same", name=f"{name}_shortcut")(x)
    return layers.Add(name=f"{name}_sum")([y, shortcut])


def dense_residual_block(x, width: int, depth: int, name: str):
    """Apply a residual block of dense layers, without normalisation.

    The main path repeats relu and a dense layer `depth` times. The shortcut is a dense layer.
    Source: the original program.

    Args:
        x: Keras tensor [B, C].
        width: Units of the output, at least 1.
        depth: Dense layers on the main path, at least 1.
        name: Prefix of the layers' names.

    Returns:
        Keras tensor [B, width].

    Example:
        ```python
        y = dense_residual_block(keras.Input((64,)), 512, depth=2, name="fc_block0")
        ```
    """
    y = x
    for i in range(depth):
        y = layers.ReLU(name=f"{name}_relu{i}")(y)
        y = layers.Dense(width, name=f"{name}_layer{i}")(y)
    shortcut = layers.Dense(width, name=f"{name}_shortcut")(x)
    return layers.Add(name=f"{name}_sum")([y, shortcut])
