"""Spectrally normalised layers, as in the program of Dai and Wipf."""

import math

import keras
from keras import ops

from balancing_vae.layers.singular_vector import StoresSingularVector


def spectrally_normalize(kernel, u):
    """Divide a kernel by its spectral norm, estimated by one more power iteration.

    With W the kernel as a matrix [rows, out] and n(a) = a / sqrt(max(sum a^2, 1e-12)):

        v = n(W' u);  u <- n(W v);  norm = u' W v

    The result is kernel / norm. A gradient passes through W only, not through u and v.
    Source: Miyato et al. 2018 (arXiv 1802.05957) and the program of Dai and Wipf.

    Args:
        kernel: Float tensor [..., out].
        u: Float32 variable [rows, 1], the estimate of W's first left singular vector;
            each call updates it.

    Returns:
        A tensor with the kernel's shape and dtype.

    Example:
        ```python
        y = ops.matmul(x, spectrally_normalize(layer.kernel, layer.u))
        ```
    """
    matrix = ops.reshape(ops.cast(kernel, "float32"), (-1, kernel.shape[-1]))
    fixed = ops.stop_gradient(matrix)
    v = _unit(ops.matmul(ops.transpose(fixed), ops.convert_to_tensor(u)))
    new_u = _unit(ops.matmul(fixed, v))
    u.assign(new_u)
    norm = ops.matmul(ops.matmul(ops.transpose(new_u), matrix), v)
    return ops.cast(ops.reshape(matrix / norm, kernel.shape), kernel.dtype)


class _StoresLeftVector(StoresSingularVector):
    normalize = staticmethod(spectrally_normalize)

    @staticmethod
    def vector_shape(kernel_shape):
        """Return [rows, 1]."""
        return (math.prod(kernel_shape[:-1]), 1)


@keras.saving.register_keras_serializable("balancing_vae")
class SpectralNormConv2D(_StoresLeftVector, keras.layers.Conv2D):
    """A convolution whose kernel is divided by its spectral norm before the bias is added.

    This differs from `keras.layers.SpectralNormalization`, which stores the right singular
    vector and updates it only in training. This layer stores the left one and updates it in
    every forward pass, in inference too. See `spectrally_normalize`.

    Args:
        *args: Arguments of `keras.layers.Conv2D`.
        **kwargs: Arguments of `keras.layers.Conv2D`.

    Example:
        ```python
        y = SpectralNormConv2D(64, 4, strides=2, padding="same")(images)
        ```
    """

    def convolution_op(self, inputs, kernel):
        """Convolve with the normalised kernel."""
        return super().convolution_op(inputs, self.normalize(kernel, self.u))


@keras.saving.register_keras_serializable("balancing_vae")
class SpectralNormDense(_StoresLeftVector, keras.layers.Dense):
    """A dense layer whose kernel is divided by its spectral norm before the bias is added.

    See `SpectralNormConv2D`.

    Args:
        *args: Arguments of `keras.layers.Dense`.
        **kwargs: Arguments of `keras.layers.Dense`.

    Example:
        ```python
        y = SpectralNormDense(1024)(x)
        ```
    """

    def call(self, inputs, training=None):
        """Multiply by the normalised kernel."""
        y = ops.matmul(inputs, self.normalize(self.kernel, self.u))
        if self.use_bias:
            y = y + self.bias
        return self.activation(y)


def _unit(a):
    return a / ops.sqrt(ops.maximum(ops.sum(ops.square(a)), 1e-12))
