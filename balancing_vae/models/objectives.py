"""The terms of the loss as pure functions that sum over each image."""

from keras import ops

# log(2 pi) / 2 with the five digits that the original program uses.
HALF_LOG_TWO_PI = 0.91893
# Probabilities are clipped to this minimum, as in the original, to keep the logarithm finite.
MIN_PROBABILITY = 1e-8


def kl_divergence(mu, log_sigma):
    """Return KL(N(mu, sigma) || N(0, 1)), summed over the latents.

    sum(mu^2 + sigma^2 - 2 log sigma - 1) / 2. Source: Kingma and Welling 2014, appendix B.

    Args:
        mu: Means, float [B, L].
        log_sigma: Logarithms of the standard deviations (not of the variances), float [B, L].

    Returns:
        Float32 [B], in nats, never negative.

    Example:
        ```python
        kl_divergence(ops.zeros((1, 2)), ops.zeros((1, 2)))   # [0.]
        ```
    """
    mu = ops.cast(mu, "float32")
    log_sigma = ops.cast(log_sigma, "float32")
    terms = ops.square(mu) + ops.exp(2.0 * log_sigma) - 2.0 * log_sigma - 1.0
    return ops.sum(terms, axis=-1) / 2.0


def gaussian_nll(x, x_hat, gamma):
    """Return -log N(x; x_hat, gamma^2), summed over all elements of a sample.

    sum(((x - x_hat) / gamma)^2 / 2 + log gamma + 0.91893). The term of an element can be
    negative, if its error is small and gamma is below 0.24, because a density may exceed 1.
    Source: the original program's generation loss.

    Args:
        x: Targets, float [B, ...].
        x_hat: Reconstructions, float of the same shape.
        gamma: The decoder's standard deviation, positive: a scalar, or one value per sample,
            float [B].

    Returns:
        Float32 [B], in nats.

    Example:
        ```python
        gaussian_nll(ops.zeros((1, 2)), ops.ones((1, 2)), 1.0)   # [2.83786]
        ```
    """
    x = ops.cast(x, "float32")
    x_hat = ops.cast(x_hat, "float32")
    if ops.ndim(gamma) == 1:
        gamma = ops.reshape(gamma, (-1,) + (1,) * (len(x.shape) - 1))
    terms = ops.square((x - x_hat) / gamma) / 2.0 + ops.log(gamma) + HALF_LOG_TWO_PI
    return ops.sum(terms, axis=tuple(range(1, len(x.shape))))


def bernoulli_nll(x, x_hat):
    """Return the cross-entropy of pixel intensities, summed over all elements of a sample.

    -sum(x log max(x_hat, 1e-8) + (1 - x) log max(1 - x_hat, 1e-8)). For binary `x` it is the
    negative logarithm of a Bernoulli likelihood; it is also used for grey values. Source: the
    program of Dai and Wipf.

    Args:
        x: Targets, float [B, ...] in [0, 1].
        x_hat: Reconstructions, float of the same shape in [0, 1].

    Returns:
        Float32 [B], in nats, never negative.

    Example:
        ```python
        bernoulli_nll(ops.ones((1, 2)), ops.full((1, 2), 0.5))   # [1.3862944]
        ```
    """
    x = ops.cast(x, "float32")
    x_hat = ops.cast(x_hat, "float32")
    log_one = ops.log(ops.maximum(x_hat, MIN_PROBABILITY))
    log_zero = ops.log(ops.maximum(1.0 - x_hat, MIN_PROBABILITY))
    return -ops.sum(x * log_one + (1.0 - x) * log_zero, axis=tuple(range(1, len(x.shape))))


def mean_squared_error(x, x_hat, sample_weight=None):
    """Return the mean squared error over every element of a batch.

    Args:
        x: Targets, float [B, ...].
        x_hat: Reconstructions, float of the same shape.
        sample_weight: Weights of the images, float [B], or None; see `mean_over_images`.

    Returns:
        Float32 scalar.

    Example:
        ```python
        mean_squared_error(ops.zeros((4, 2)), ops.ones((4, 2)))   # 1.0
        ```
    """
    squares = ops.square(ops.cast(x, "float32") - ops.cast(x_hat, "float32"))
    if sample_weight is None:
        return ops.mean(squares)
    return mean_over_images(
        ops.mean(squares, axis=tuple(range(1, len(squares.shape)))), sample_weight
    )


def mean_over_images(values, sample_weight=None):
    """Return the mean of one value per image, weighted in the same way as Keras losses.

    The result is sum(weight * value) / B. The weights are not normalised: a weight of 2 counts
    an image twice, and a weight of 0 ignores it.

    Args:
        values: Float32 [B].
        sample_weight: Float [B], or None for 1 each.

    Returns:
        Float32 scalar.

    Example:
        ```python
        mean_over_images(ops.array([1.0, 3.0]), ops.array([2.0, 0.0]))   # 1.0
        ```
    """
    if sample_weight is None:
        return ops.mean(values)
    return ops.mean(values * ops.cast(ops.reshape(sample_weight, (-1,)), "float32"))
