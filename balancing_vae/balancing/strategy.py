"""Base class of the balancing strategies: gamma, the KL term, and an update after each step."""

import keras


class BalancingStrategy(keras.layers.Layer):
    """Sets gamma, the decoder's standard deviation, and the weight of KL in each training step.

    A strategy is a layer, so that its state consists of weights. A compiled step can read and
    write them, and they are saved with the model. A subclass defines `gamma` or `kl_factor`, and
    `update` if they change from step to step. A strategy that depends on the batch itself
    overrides `gamma_of` or `weigh_kl`.

    Attributes:
        kl_weight: Weight of KL, positive, if the strategy sets it; None leaves it to the
            model.

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
        """Scalar in [0, 1] by which the weight of KL is multiplied in the next step."""
        return 1.0

    def gamma_of(self, mse, x, x_hat):
        """Return the gamma that the loss of a batch uses; `gamma` by default.

        Args:
            mse: Mean squared error of the batch over every element on all devices, weighted by
                the images' sample weights; float32 scalar tensor with gradient.
            x: Targets, float [B, ...].
            x_hat: Reconstructions, float of the same shape.

        Returns:
            Float32 tensor, positive: a scalar, or one gamma for each image, [B].
        """
        return self.gamma

    def weigh_kl(self, kl):
        """Return the KL term of a batch's loss; `kl_factor * kl` by default.

        Args:
            kl: KL divergence, float32 scalar tensor, the mean over the images.

        Returns:
            The term without the factor `kl_weight`, and its derivative with respect to `kl`:
            float32 scalars.
        """
        factor = self.kl_factor
        return factor * kl, factor

    def update(self, mse) -> None:
        """Update the state after a training step.

        Args:
            mse: Mean squared error of the step, float32 scalar tensor without gradient,
                over every element of the batch.
        """

    def restore_rate(self) -> None:
        """Undo the changes of `GammaBalancing` for one `fit`, if there are any."""
