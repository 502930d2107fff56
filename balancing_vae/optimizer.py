"""The optimizer of both stages."""

import keras


@keras.saving.register_keras_serializable("balancing_vae")
class Adam(keras.optimizers.Adam):
    """Adam as the original program has it, one operation a weight under TensorFlow.

        m += (1 - beta_1) (g - m);  v += (1 - beta_2) (g^2 - v)
        w -= lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)

    This is Keras's Adam with its slots, and on JAX and PyTorch nothing else. Under
    TensorFlow Keras takes a dozen passes over each weight; TensorFlow's own operation for
    the same formula takes one. Source: Kingma and Ba 2015, section 2, the "epsilon hat"
    form.

    Args:
        learning_rate: Learning rate, positive.
        epsilon: Epsilon hat, positive.
        **kwargs: What `keras.optimizers.Adam` takes.

    Example:
        ```python
        vae.compile(Adam(1e-4))
        ```
    """

    def __init__(self, learning_rate: float = 1e-4, epsilon: float = 1e-8, **kwargs):
        super().__init__(learning_rate, epsilon=epsilon, **kwargs)

    def update_step(self, gradient, variable, learning_rate):
        """Update one weight and its two slots."""
        if keras.backend.backend() != "tensorflow" or self.amsgrad:
            return super().update_step(gradient, variable, learning_rate)
        import tensorflow as tf

        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, variable.dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, variable.dtype), step),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, variable.dtype),
        )
        return None
