"""Shared base of the KL schedules: a saved step count."""

from keras import ops

from balancing_vae.balancing.beta import FixedBeta
from balancing_vae.errors import InputError


class ScheduledBeta(FixedBeta):
    """A weight of KL that changes with the number of training steps; gamma is 1.

    The count of steps is a weight: it is saved, and a resumed training continues from it.
    A subclass computes its weight from `progress`.

    Args:
        beta: The final weight, positive.
        steps: Training steps (batches) of the schedule, at least 1.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: `beta` is not positive, or `steps` is below 1.

    Example:
        ```python
        class QuadraticWarmUp(ScheduledBeta):
            @property
            def kl_factor(self):
                return ops.square(self.progress)
        ```
    """

    def __init__(self, beta: float = 1.0, steps: int = 10_000, **kwargs):
        super().__init__(beta, **kwargs)
        if steps < 1:
            raise InputError(f"steps must be at least 1, got {steps}.")
        self.steps = steps
        self.step = self.add_weight(
            shape=(), initializer="zeros", trainable=False, dtype="float32", name="step"
        )

    @property
    def progress(self):
        """Float32 scalar tensor in [0, 1]: the completed fraction of the schedule."""
        return ops.minimum(ops.convert_to_tensor(self.step) / self.steps, 1.0)

    def update(self, mse) -> None:
        """Count the step."""
        self.step.assign_add(1.0)

    def get_config(self):
        """Return the arguments from which the strategy can be rebuilt."""
        return {**super().get_config(), "steps": self.steps}
