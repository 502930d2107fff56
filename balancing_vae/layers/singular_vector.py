"""The state of a power iteration, stored next to a layer's kernel."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras


class StoresSingularVector(keras.layers.Layer):
    """A mixin for layers with a kernel that stores `u`, an estimate of its singular vector.

    List it before the Keras layer's class. A subclass defines the shape of `u`, and how the
    kernel is normalised with it.
    """

    @staticmethod
    def normalize(kernel, u):
        """Return the kernel divided by its spectral norm, and update the variable `u`."""
        raise NotImplementedError("A subclass must define normalize.")

    @staticmethod
    def vector_shape(kernel_shape: tuple[int, ...]) -> tuple[int, int]:
        """Return the shape of `u` for a kernel."""
        raise NotImplementedError("A subclass must define vector_shape.")

    def build(self, input_shape):
        """Create kernel, bias and the singular vector, which is drawn from N(0, 1)."""
        super().build(input_shape)
        self.u = self.add_weight(
            shape=self.vector_shape(tuple(self.kernel.shape)),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            trainable=False,
            dtype="float32",
            autocast=False,
            name="u",
        )

    # Keras's Conv2D and Dense save only their kernel and bias.
    def save_own_variables(self, store):
        """Save kernel, bias and the singular vector."""
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store):
        """Load kernel, bias and the singular vector."""
        keras.layers.Layer.load_own_variables(self, store)


@contextmanager
def vectors_kept(*networks: keras.Model) -> Iterator[None]:
    """Restore the singular vectors of networks after forward passes, which update them.

    Args:
        *networks: Built networks, with or without such layers.

    Example:
        ```python
        with vectors_kept(vae.stage1.encoder, vae.stage1.decoder):
            mu, sigma = vae.encode(x)
        ```
    """
    layers = [layer for network in networks for layer in network.layers]
    layers = [layer for layer in layers if isinstance(layer, StoresSingularVector)]
    vectors = [keras.ops.convert_to_numpy(layer.u).copy() for layer in layers]
    try:
        yield
    finally:
        for layer, vector in zip(layers, vectors, strict=True):
            layer.u.assign(vector)
