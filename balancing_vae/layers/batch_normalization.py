"""Batch normalisation with zero-debiased moving averages, as in the original program."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("balancing_vae")
class ZeroDebiasedBatchNormalization(keras.layers.Layer):
    """Batch normalisation whose moving statistics are right from the first step on.

    Statistics run over all axes but the last. Each training step does

        biased += (batch - biased) * (1 - decay);  step += 1
        moving  = biased / (1 - decay ** step)

    so that after one step the moving value is the batch's own. Keras's
    `BatchNormalization` starts from 0 and 1 instead and is off by a factor of a thousand
    there. Variances are population variances. Source: the original program (TensorFlow
    1's zero-debiased moving averages).

    Args:
        decay: Decay of the moving averages, in [0, 1).
        epsilon: Added to the variance before the root, positive.
        **kwargs: What every Keras layer takes.

    Example:
        ```python
        layer = ZeroDebiasedBatchNormalization()
        y = layer(x, training=True)     # batch statistics; y has the shape of x
        y = layer(x)                    # moving statistics
        ```
    """

    def __init__(self, decay: float = 0.999, epsilon: float = 1e-5, **kwargs):
        super().__init__(**kwargs)
        self.decay = decay
        self.epsilon = epsilon

    def build(self, input_shape):
        """Make scale, shift and statistics, one of each per channel."""
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(shape=shape, initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=shape, initializer="zeros", name="beta")

        # Statistics stay in float32 whatever the precision of the activations.
        def statistic(name, initializer, shape=shape):
            return self.add_weight(
                shape=shape,
                initializer=initializer,
                trainable=False,
                dtype="float32",
                autocast=False,
                name=name,
            )

        self.moving_mean = statistic("moving_mean", "zeros")
        self.moving_variance = statistic("moving_variance", "ones")
        self.biased_mean = statistic("biased_mean", "zeros")
        self.biased_variance = statistic("biased_variance", "zeros")
        self.step = statistic("step", "zeros", shape=())

    def call(self, x, training: bool = False):
        """Normalise `x` by its own statistics in training, by the moving ones otherwise."""
        axes = list(range(len(x.shape) - 1))
        x = ops.cast(x, "float32")
        if training:
            mean, variance = moments(x, axes)
            self._update_moving_statistics(mean, variance)
        else:
            mean, variance = self.moving_mean, self.moving_variance
        inverse = ops.rsqrt(variance + self.epsilon) * ops.cast(self.gamma, "float32")
        # Not x * inverse + (beta - mean * inverse): that cancels where the mean is large.
        y = (x - mean) * inverse + ops.cast(self.beta, "float32")
        return ops.cast(y, self.compute_dtype)

    def _update_moving_statistics(self, mean, variance):
        # Written like TensorFlow 1 computes it: in float32, 1 - (1 - 0.999) is not 0.999.
        rate = ops.convert_to_tensor(1.0 - self.decay, dtype="float32")
        self.step.assign_add(1.0)
        debias = 1.0 - ops.power(1.0 - rate, self.step)
        for batch, biased, moving in (
            (mean, self.biased_mean, self.moving_mean),
            (variance, self.biased_variance, self.moving_variance),
        ):
            batch = ops.stop_gradient(batch)
            biased.assign(biased + (batch - biased) * rate)
            moving.assign(biased / debias)

    def get_config(self):
        """Return the arguments that make this layer again."""
        return {**super().get_config(), "decay": self.decay, "epsilon": self.epsilon}


def moments(x, axes: list[int]):
    """Return mean and population variance over some axes.

    In two passes: Keras's own `ops.moments` takes E[x^2] - E[x]^2 on JAX and PyTorch,
    which loses digits enough to part from the original within fifty steps.

    Args:
        x: Float tensor.
        axes: The axes to reduce.

    Returns:
        Mean and variance, without those axes.

    Example:
        ```python
        mean, variance = moments(images, [0, 1, 2])    # [C] each
        ```
    """
    mean = ops.mean(x, axis=axes, keepdims=True)
    # The mean minimises the sum of squares: no gradient passes through it.
    variance = ops.mean(ops.square(x - ops.stop_gradient(mean)), axis=axes)
    return ops.squeeze(mean, axis=axes), variance
