"""Batch normalisation with zero-debiased moving averages, as in the original program."""

import keras
from keras import ops

from balancing_vae.backend.distribution import mean_over_replicas
from balancing_vae.backend.distribution import replica_count


class BatchNormalization(keras.layers.Layer):
    """Base of batch normalisation over all axes but the last; a subclass updates the statistics.

    Args:
        epsilon: Added to the variance before the root, positive.
        synchronized: Whether TensorFlow's replicas use the statistics of the whole batch, as
            JAX's devices always do. If false, each replica uses those of its own rows.
        **kwargs: Arguments of every Keras layer.

    Example:
        ```python
        class Cumulative(BatchNormalization):
            def update(self, mean, variance, count): ...
        ```
    """

    def __init__(self, epsilon: float, synchronized: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.synchronized = synchronized

    def build(self, input_shape):
        """Create scale, shift and statistics, one of each per channel."""
        shape = (input_shape[-1],)
        self.gamma = self.add_float32_weight("gamma", "ones", shape, trainable=True)
        self.beta = self.add_float32_weight("beta", "zeros", shape, trainable=True)
        self.moving_mean = self.add_float32_weight("moving_mean", "zeros", shape)
        self.moving_variance = self.add_float32_weight("moving_variance", "ones", shape)

    def add_float32_weight(
        self, name: str, initializer: str, shape: tuple[int, ...], trainable: bool = False
    ):
        """Add a weight that is float32 in every precision of the activations."""
        return self.add_weight(
            shape=shape,
            initializer=initializer,
            trainable=trainable,
            dtype="float32",
            autocast=False,
            name=name,
        )

    def call(self, x, training: bool = False):
        """Normalise `x` by its own statistics in training, otherwise by the moving ones."""
        gamma, beta = (ops.convert_to_tensor(weight) for weight in (self.gamma, self.beta))
        if not training:
            return normalize(x, self.moving_mean, self.moving_variance, gamma, beta, self.epsilon)
        y, mean, variance = normalize_batch(x, gamma, beta, self.epsilon, self.synchronized)
        count = ops.cast(ops.size(x), "float32") / x.shape[-1]
        if self.synchronized:
            count = count * replica_count()
        self.update(ops.stop_gradient(mean), ops.stop_gradient(variance), count)
        return y

    def update(self, mean, variance, count):
        """Update the moving statistics after a training step.

        Args:
            mean: Mean of the batch, float32 [C].
            variance: Population variance of the batch, float32 [C].
            count: Number of elements per channel in the batch, float32 scalar.
        """
        raise NotImplementedError(f"{type(self).__name__} must define update.")

    def get_config(self):
        """Return the arguments from which the layer can be rebuilt."""
        return {
            **super().get_config(),
            "epsilon": self.epsilon,
            "synchronized": self.synchronized,
        }


@keras.saving.register_keras_serializable("balancing_vae")
class ZeroDebiasedBatchNormalization(BatchNormalization):
    """Batch normalisation whose moving statistics are unbiased from the first step.

    Statistics run over all axes but the last. Each training step does

        biased += (batch - biased) * (1 - decay);  step += 1
        moving  = biased / (1 - decay ** step)

    so that after one step the moving value equals that of the batch. Keras's
    `BatchNormalization` starts from 0 and 1 instead; after one step its mean is a thousand
    times too small. Variances are population variances. Source: the original program
    (TensorFlow 1's zero-debiased moving averages).

    Args:
        decay: Decay of the moving averages, in [0, 1).
        epsilon: Added to the variance before the root, positive.
        **kwargs: Arguments of `BatchNormalization`.

    Example:
        ```python
        layer = ZeroDebiasedBatchNormalization()
        y = layer(x, training=True)     # batch statistics; y has the shape of x
        y = layer(x)                    # moving statistics
        ```
    """

    def __init__(self, decay: float = 0.999, epsilon: float = 1e-5, **kwargs):
        super().__init__(epsilon, **kwargs)
        self.decay = decay

    def build(self, input_shape):
        """Create scale, shift, moving and biased statistics, and the step count."""
        super().build(input_shape)
        shape = (input_shape[-1],)
        self.biased_mean = self.add_float32_weight("biased_mean", "zeros", shape)
        self.biased_variance = self.add_float32_weight("biased_variance", "zeros", shape)
        self.step = self.add_float32_weight("step", "zeros", ())

    def update(self, mean, variance, count):
        """Update the zero-debiased averages."""
        # As TensorFlow 1 computes it: in float32, 1 - (1 - 0.999) is not exactly 0.999.
        rate = ops.convert_to_tensor(1.0 - self.decay, dtype="float32")
        self.step.assign_add(1.0)
        debias = 1.0 - ops.power(1.0 - rate, self.step)
        for batch, biased, moving in (
            (mean, self.biased_mean, self.moving_mean),
            (variance, self.biased_variance, self.moving_variance),
        ):
            biased.assign(biased + (batch - biased) * rate)
            moving.assign(biased / debias)

    def get_config(self):
        """Return the arguments from which the layer can be rebuilt."""
        return {**super().get_config(), "decay": self.decay}


def synchronize_statistics(network: keras.Model) -> None:
    """Make a network's batch normalisation use the statistics of all replicas' rows.

    Args:
        network: A model that has not been compiled or called yet.

    Example:
        ```python
        synchronize_statistics(vae.stage1.decoder)
        ```
    """
    for layer in network.layers:
        if isinstance(layer, BatchNormalization):
            layer.synchronized = True


def normalize_batch(x, gamma, beta, epsilon: float, synchronized: bool = False):
    """Normalise a batch by its own statistics.

    For images, TensorFlow has a single operation for this, and another for its gradient. They
    are several times faster than the dozens of elementwise passes of the formula.

    Args:
        x: Float tensor [..., C].
        gamma: Scale, float32 [C].
        beta: Shift, float32 [C].
        epsilon: Added to the variance before the root.
        synchronized: Whether to use the statistics of all TensorFlow replicas together.

    Returns:
        The normalised batch in the dtype of `x`, and its mean and population variance, float32
        [C].

    Example:
        ```python
        y, mean, variance = normalize_batch(images, ops.ones(3), ops.zeros(3), 1e-5)
        ```
    """
    synchronized = synchronized and replica_count() > 1
    if keras.backend.backend() == "tensorflow" and len(x.shape) == 4 and not synchronized:
        import tensorflow as tf

        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x, scale=gamma, offset=beta, mean=[], variance=[], epsilon=epsilon
        )
        # The operation returns the sample variance, divided by count - 1.
        count = tf.cast(tf.size(x) // tf.size(mean), "float32")
        return y, mean, variance * ((count - 1.0) / count)
    axes = list(range(len(x.shape) - 1))
    mean, variance = moments(ops.cast(x, "float32"), axes, synchronized)
    return normalize(x, mean, variance, gamma, beta, epsilon), mean, variance


def normalize(x, mean, variance, gamma, beta, epsilon: float):
    """Return (x - mean) / sqrt(variance + epsilon) * gamma + beta, computed in float32.

    Args:
        x: Float tensor [..., C].
        mean: Float32 [C].
        variance: Float32 [C].
        gamma: Scale, float32 [C].
        beta: Shift, float32 [C].
        epsilon: Added to the variance before the root.

    Returns:
        A tensor with the shape and dtype of `x`.

    Example:
        ```python
        y = normalize(images, *moments(images, [0, 1, 2]), ops.ones(3), ops.zeros(3), 1e-5)
        ```
    """
    inverse = ops.rsqrt(variance + epsilon) * gamma
    # Not x * inverse + (beta - mean * inverse), which loses precision if the mean is large.
    return ops.cast((ops.cast(x, "float32") - mean) * inverse + beta, x.dtype)


def moments(x, axes: list[int], synchronized: bool = False):
    """Return mean and population variance over the given axes.

    They are computed in two passes. Keras's own `ops.moments` uses E[x^2] - E[x]^2 on JAX and
    PyTorch, which loses enough precision to diverge from the original within fifty steps.

    Args:
        x: Float tensor.
        axes: The axes to reduce.
        synchronized: Whether to reduce over all TensorFlow replicas, which must be equal in
            size.

    Returns:
        Mean and variance, without those axes.

    Example:
        ```python
        mean, variance = moments(images, [0, 1, 2])    # [C] each
        ```
    """
    mean = ops.mean(x, axis=axes, keepdims=True)
    mean = mean_over_replicas(mean) if synchronized else mean
    # The mean minimises the sum of squares, so its gradient is 0.
    variance = ops.mean(ops.square(x - ops.stop_gradient(mean)), axis=axes)
    variance = mean_over_replicas(variance) if synchronized else variance
    return ops.squeeze(mean, axis=axes), variance
