"""What every balancing strategy has: gamma, KL's part, and an update after each step."""

import keras


class BalancingStrategy(keras.layers.Layer):
    """Decides gamma, the decoder's standard deviation, and KL's weight in each training step.

    A strategy is a layer, so that its state consists of weights: what a compiled step
    reads and writes, and what is saved with the model. A subclass gives `gamma` or what
    weighs KL, and `update` if they change from step to step.

    Attributes:
        kl_weight: Weight of KL, positive, where the strategy decides it; None leaves it
            to the model.

    Example:
        ```python
        class FixedGamma(BalancingStrategy):
            @property
            def gamma(self):
                return ops.convert_to_tensor(0.1, "float32")
        ```
    """

    kl_weight: float | None = None

    @property
    def gamma(self):
        """Float32 scalar tensor, positive: the gamma that the next step uses."""
        raise NotImplementedError(f"{type(self).__name__} must define the property gamma.")

    @property
    def kl_factor(self):
        """Scalar in [0, 1]: how much of KL's weight counts in the next step."""
        return 1.0

    def update(self, mse) -> None:
        """Take note of a training step.

        Args:
            mse: Mean squared error of the step, float32 scalar tensor without gradient,
                over every element of the batch.
        """

    def restore_rate(self) -> None:
        """Take back what `GammaBalancing` changed for one `fit`, if anything."""
