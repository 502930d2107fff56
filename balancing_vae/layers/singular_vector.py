"""The state of a power iteration, kept beside a layer's kernel."""

import keras


class StoresSingularVector:
    """A layer with a kernel that keeps `u`, an estimate of a singular vector of it.

    Stands before the Keras layer's class. A subclass says which shape `u` has, and how the
    kernel is normalised with it.
    """

    @staticmethod
    def normalize(kernel, u):
        """Return the kernel divided by its spectral norm, and move the variable `u`."""
        raise NotImplementedError("A subclass normalises the kernel.")

    @staticmethod
    def vector_shape(kernel_shape: tuple[int, ...]) -> tuple[int, int]:
        """Return the shape of `u` for a kernel."""
        raise NotImplementedError("A subclass gives the vector's shape.")

    def build(self, input_shape):
        """Make kernel, bias and the singular vector, drawn from N(0, 1)."""
        super().build(input_shape)
        self.u = self.add_weight(
            shape=self.vector_shape(tuple(self.kernel.shape)),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            trainable=False,
            dtype="float32",
            autocast=False,
            name="u",
        )

    # Keras's Conv2D and Dense save their kernel and bias only.
    def save_own_variables(self, store):
        """Save kernel, bias and the singular vector."""
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store):
        """Load kernel, bias and the singular vector."""
        keras.layers.Layer.load_own_variables(self, store)
