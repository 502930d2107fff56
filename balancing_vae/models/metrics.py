"""Keras metrics."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("balancing_vae")
class Latest(keras.metrics.Metric):
    """A metric that reports the last value it was given, such as gamma's.

    Example:
        ```python
        gamma = Latest(name="gamma")
        gamma.update_state(0.5)
        gamma.result()     # 0.5
        ```
    """

    def __init__(self, name: str, **kwargs):
        super().__init__(name=name, **kwargs)
        # Several replicas hold the same value: their mean is it, the default sum is not.
        self.value = self.add_variable(
            shape=(), initializer="zeros", aggregation="mean", name="value"
        )

    def update_state(self, value, sample_weight=None):
        """Keep `value`, a scalar."""
        self.value.assign(value)

    def result(self):
        """Return the last value, 0 before the first."""
        # A copy: TensorFlow would pass on the variable itself, which `fit` reads only after the
        # validation has written into it.
        return 1.0 * ops.convert_to_tensor(self.value)
