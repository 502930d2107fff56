"""Spectrally normalised layers, as in the program of Ghosh et al."""

import keras
from keras import ops

from balancing_vae.layers.singular_vector import StoresSingularVector
from balancing_vae.layers.transposed_convolution import Conv2DTranspose


def unit(a):
    """Divide a tensor by its Euclidean length plus 1e-12, as in that program.

    Args:
        a: Float tensor.

    Returns:
        A tensor with the same shape and dtype.

    Example:
        ```python
        unit(keras.ops.array([3.0, 4.0]))  # [0.6, 0.8]
        ```
    """
    return a / (ops.sqrt(ops.sum(ops.square(a))) + 1e-12)


def right_spectrally_normalize(kernel, u):
    """Divide a kernel by its spectral norm, estimated by one more power iteration.

    With W the kernel as a matrix [rows, last] and n(a) = a / (|a| + 1e-12):

        v = n(u W');  u <- n(v W);  norm = v W u'

    The result is kernel / norm. Unlike `spectrally_normalize`, this function stores the right
    vector, adds the constant outside the root, and passes gradients through u and v, too.
    Source: the program of Ghosh et al. 2020 (arXiv 1903.12436), RAE-SN.

    Args:
        kernel: Float tensor [..., last]. The last axis is the output's in a convolution or
            dense layer, and the input's in a transposed convolution.
        u: Float32 variable [1, last], the estimate of W's first right singular vector;
            each call updates it.

    Returns:
        A tensor with the kernel's shape and dtype.

    Example:
        ```python
        y = ops.matmul(x, right_spectrally_normalize(layer.kernel, layer.u))
        ```
    """
    matrix = ops.reshape(ops.cast(kernel, "float32"), (-1, kernel.shape[-1]))
    # The gradient needs the old u, which PyTorch would overwrite in place.
    v = unit(ops.matmul(ops.copy(u), ops.transpose(matrix)))
    new_u = unit(ops.matmul(v, matrix))
    u.assign(ops.stop_gradient(new_u))
    norm = ops.matmul(ops.matmul(v, matrix), ops.transpose(new_u))
    return ops.cast(ops.reshape(matrix / norm, kernel.shape), kernel.dtype)


class _StoresRightVector(StoresSingularVector):
    normalize = staticmethod(right_spectrally_normalize)

    @staticmethod
    def vector_shape(kernel_shape):
        """Return [1, last]."""
        return (1, kernel_shape[-1])


@keras.saving.register_keras_serializable("balancing_vae")
class RightSpectralNormConv2D(_StoresRightVector, keras.layers.Conv2D):
    """A convolution whose kernel is divided by its spectral norm before the bias is added.

    Every forward pass updates the estimate of the norm, in inference too. See
    `right_spectrally_normalize`.

    Args:
        *args: Arguments of `keras.layers.Conv2D`.
        **kwargs: Arguments of `keras.layers.Conv2D`.

    Example:
        ```python
        y = RightSpectralNormConv2D(128, 4, strides=2, padding="same")(images)
        ```
    """

    def convolution_op(self, inputs, kernel):
        """Convolve with the normalised kernel."""
        return super().convolution_op(inputs, self.normalize(kernel, self.u))


@keras.saving.register_keras_serializable("balancing_vae")
class RightSpectralNormConv2DTranspose(_StoresRightVector, Conv2DTranspose):
    """A transposed convolution whose kernel is divided by its spectral norm.

    See `RightSpectralNormConv2D`.

    Args:
        *args: Arguments of `keras.layers.Conv2DTranspose`.
        **kwargs: Arguments of `keras.layers.Conv2DTranspose`.

    Example:
        ```python
        y = RightSpectralNormConv2DTranspose(256, 4, strides=2, padding="same")(x)
        ```
    """

    def applied_kernel(self):
        """Return the normalised kernel."""
        return self.normalize(self.kernel, self.u)


@keras.saving.register_keras_serializable("balancing_vae")
class RightSpectralNormDense(_StoresRightVector, keras.layers.Dense):
    """A dense layer whose kernel is divided by its spectral norm before the bias is added.

    See `RightSpectralNormConv2D`.

    Args:
        *args: Arguments of `keras.layers.Dense`.
        **kwargs: Arguments of `keras.layers.Dense`.

    Example:
        ```python
        y = RightSpectralNormDense(16)(x)
        ```
    """

    def call(self, inputs, training=None):
        """Multiply by the normalised kernel."""
        y = ops.matmul(inputs, self.normalize(self.kernel, self.u))
        if self.use_bias:
            y = y + self.bias
        return self.activation(y)
