"""Keras metrics."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("balancing_vae")
class Latest(keras.metrics.Metric):
    """A metric that reports the last value it was given, such as gamma.

    Example:
        ```python
        gamma = Latest(name="gamma")
        gamma.update_state(0.5)
        gamma.result()     # 0.5
        ```
    """

    def __init__(self, name: str, **kwargs):
        super().__init__(name=name, **kwargs)
        # All replicas hold the same value, so they are averaged, not summed as by default.
        self.value = self.add_variable(
            shape=(), initializer="zeros", aggregation="mean", name="value"
        )

    def update_state(self, value, sample_weight=None):
        """Store `value`, a scalar."""
        self.value.assign(value)

    def result(self):
        """Return the last value, or 0 before the first."""
        # A copy, because TensorFlow would return the variable itself, and `fit` reads it only
        # after the validation has overwritten it.
        return 1.0 * ops.convert_to_tensor(self.value)
