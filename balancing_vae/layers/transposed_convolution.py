"""A transposed convolution that trains fast on every backend."""

from collections.abc import Callable
from functools import partial

import keras
from keras import ops


@keras.saving.register_keras_serializable("balancing_vae")
class Conv2DTranspose(keras.layers.Conv2DTranspose):
    """Keras's transposed convolution, with another way to the kernel's gradient on JAX.

    Outputs and gradients are those of Keras's layer, up to rounding. On JAX, Keras's layer
    computes the kernel's gradient as a convolution of an image with inserted zeros by a kernel as
    large as the image, which is slow (see `docs/performance.md`). If this layer is called with
    `training=True`, it computes the kernel gradient of the strided convolution to which it is
    adjoint. Such a call has no forward-mode derivative (`jax.jvp`).

    Args:
        *args: Arguments of `keras.layers.Conv2DTranspose`.
        **kwargs: Arguments of `keras.layers.Conv2DTranspose`.

    Example:
        ```python
        y = Conv2DTranspose(256, 3, strides=2, padding="same")(x)    # [B, 2 H, 2 W, 256]
        ```
    """

    def call(self, inputs, training: bool = False):
        """Apply the adjoint of a strided convolution, then bias and activation."""
        transpose: Callable = partial(
            ops.conv_transpose,
            strides=self.strides,
            padding=self.padding,
            output_padding=self.output_padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        # Not in inference, which may need the forward-mode derivative.
        if training and keras.backend.backend() == "jax":
            transpose = _with_adjoint_gradient(transpose)
        y = transpose(inputs, self.applied_kernel())
        if self.use_bias:
            channels_last = self.data_format == "channels_last"
            y = y + (self.bias if channels_last else ops.reshape(self.bias, (-1, 1, 1)))
        return y if self.activation is None else self.activation(y)

    def applied_kernel(self):
        """Return the kernel of this pass; inside a call, in the layer's compute dtype."""
        return ops.convert_to_tensor(self.kernel)


def _with_adjoint_gradient(transpose: Callable) -> Callable:
    """Return a transposed convolution whose kernel gradient JAX computes fast.

    A transposed convolution T(x, k) is the adjoint of a strided convolution C(g, k): for all x
    and g, <T(x, k), g> = <x, C(g, k)>. Both sides are linear in k, so the gradient of the left
    side by k, which backpropagation needs, is that of the right side: the kernel gradient of an
    ordinary convolution. `transpose` is bilinear and made of JAX's operations.
    """
    import jax

    def forward(x, kernel):
        return transpose(x, kernel), (x, kernel)

    def backward(kept, g):
        x, kernel = kept

        def convolution(kernel):
            _, pull = jax.vjp(lambda x: transpose(x, kernel), x)
            return pull(g)[0]

        x_gradient, pull = jax.vjp(convolution, kernel)
        return x_gradient, *pull(x)

    function = jax.custom_vjp(transpose)
    function.defvjp(forward, backward)
    return function
