"""Reparameterised sampling."""

from keras import ops


def reparameterize(mu, log_sigma, noise):
    """Draw from N(mu, sigma^2), given standard normal noise: mu + exp(log_sigma) * noise.

    Source: Kingma and Welling 2014, section 2.4.

    Args:
        mu: Means, float [B, L].
        log_sigma: Logarithms of the standard deviations, float [B, L].
        noise: Draws from N(0, 1), float [B, L].

    Returns:
        Float [B, L], differentiable in `mu` and `log_sigma`.

    Example:
        ```python
        z = reparameterize(mu, log_sigma, keras.random.normal(ops.shape(mu)))
        ```
    """
    return mu + ops.exp(log_sigma) * ops.cast(noise, mu.dtype)
