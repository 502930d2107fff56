"""A training step of the second stage in JAX alone, without Keras: how long XLA's work takes.

Weights are random; sizes, operations, noise, optimizer and the gamma rule are those of the package.
"""

import time

import jax
from jax import numpy as jnp

LEARNING_RATE, BETA_1, BETA_2, EPSILON = 1e-4, 0.9, 0.999, 1e-8
LAST_AVERAGE = 0.99


class SecondStage:
    """The weights and Adam's slots of a second stage, with compiled training steps.

    Args:
        latent_dim: Number of latents.
        width: Units of each hidden layer.
        depth: Number of hidden layers of each network.
    """

    def __init__(self, latent_dim, width, depth):
        keys = iter(jax.random.split(jax.random.PRNGKey(0), 2 * depth + 3))

        def dense(inputs, units):
            return 0.05 * jax.random.normal(next(keys), (inputs, units)), jnp.zeros(units)

        def network(heads):
            sizes = [latent_dim, *[width] * depth]
            hidden = [dense(*pair) for pair in zip(sizes, sizes[1:], strict=False)]
            return hidden, [dense(latent_dim + width, latent_dim) for _ in range(heads)]

        weights = [network(2), network(1)]
        slots = [jax.tree.map(jnp.zeros_like, weights) for _ in range(2)]
        running_mse, steps = jnp.ones(()), jnp.zeros((), "int32")
        self.state = weights, *slots, running_mse, steps
        self.step = jax.jit(train_step, donate_argnums=0)
        self.steps = jax.jit(lambda *given: jax.lax.scan(train_step, *given), donate_argnums=0)

    def count_parameters(self):
        return sum(weight.size for weight in jax.tree.leaves(self.state[0]))

    def seconds_per_step(self, batch, steps, in_one_call):
        """Return the seconds per step, measured over `steps` calls or over one call that loops.

        Args:
            batch: mu and sigma, float [B, L] each.
            steps: Number of steps.
            in_one_call: Whether one compiled call runs all steps.
        """
        batches = jax.tree.map(lambda array: jnp.stack([array] * steps), batch)
        start = time.perf_counter()
        if in_one_call:
            self.state, _ = self.steps(self.state, batches)
        else:
            for _ in range(steps):
                self.state, _ = self.step(self.state, batch)
        jax.block_until_ready(self.state)
        return (time.perf_counter() - start) / steps


def train_step(state, batch):
    """Return the state after a step of Adam, and the loss."""
    weights, m, v, running_mse, steps = state
    noises = jax.random.normal(jax.random.PRNGKey(steps), (2, *batch[0].shape))
    losses = jax.value_and_grad(loss_and_mse, has_aux=True)
    (loss, mse), gradients = losses(weights, batch, noises, running_mse)
    steps += 1
    m = jax.tree.map(lambda m, g: m + (1 - BETA_1) * (g - m), m, gradients)
    v = jax.tree.map(lambda v, g: v + (1 - BETA_2) * (g**2 - v), v, gradients)
    rate = LEARNING_RATE * jnp.sqrt(1 - BETA_2**steps) / (1 - BETA_1**steps)
    weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + EPSILON), weights, m, v)
    averaged = LAST_AVERAGE * running_mse + (1 - LAST_AVERAGE) * mse
    return (weights, m, v, jnp.minimum(running_mse, averaged), steps), loss


def loss_and_mse(weights, batch, noises, running_mse):
    """Return the loss of draws from posteriors, and the mean squared error of reconstructions."""
    encoder, decoder = weights
    mu, sigma = batch
    z = mu + sigma * noises[0]
    u_mu, u_log_sigma = apply(encoder, z)
    u_sigma = jnp.exp(u_log_sigma)
    (z_hat,) = apply(decoder, u_mu + u_sigma * noises[1])
    mse = jnp.mean((z - z_hat) ** 2)
    kl = jnp.mean(jnp.sum(u_mu**2 + u_sigma**2 - 2 * u_log_sigma - 1, axis=1)) / 2
    reconstruction = mse / running_mse / 2 + jnp.log(running_mse) / 2 + 0.91893
    return kl + z.shape[1] * reconstruction, mse


def apply(network, x):
    """Return the outputs of a network's heads."""
    hidden, heads = network
    y = x
    for kernel, bias in hidden:
        y = jax.nn.relu(y @ kernel + bias)
    y = jnp.concatenate([x, y], axis=1)
    return [y @ kernel + bias for kernel, bias in heads]
