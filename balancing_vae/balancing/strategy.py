"""What every balancing strategy has: a gamma, and an update after each training step."""

import keras


class BalancingStrategy(keras.layers.Layer):
    """Decides gamma, the decoder's standard deviation, in each training step.

    A strategy is a layer, so that its state consists of weights: what a compiled step
    reads and writes, and what is saved with the model. A subclass gives `gamma`, and
    `update` if gamma changes from step to step.

    Example:
        ```python
        class FixedGamma(BalancingStrategy):
            @property
            def gamma(self):
                return ops.convert_to_tensor(0.1, "float32")
        ```
    """

    @property
    def gamma(self):
        """Float32 scalar tensor, positive: the gamma that the next step uses."""
        raise NotImplementedError(f"{type(self).__name__} must define the property gamma.")

    def update(self, mse) -> None:
        """Take note of a training step's mean squared error.

        Args:
            mse: Float32 scalar tensor without gradient, over every element of the batch.
        """

    def restore_rate(self) -> None:
        """Take back what `GammaBalancing` changed for one `fit`, if anything."""
