"""The gamma rule in JAX with Equinox and Optax: a small VAE on scikit-learn's digits.

    pip install equinox optax
    python examples/gamma_rule_equinox.py

In JAX a step is a function without side effects. It takes and returns the running mse, together
with the networks and the optimizer's state. The same step works with Flax.
"""

import equinox as eqx
import jax
import numpy as np
import optax
from jax import numpy as jnp
from sklearn.datasets import load_digits

from balancing_vae import update_running_mse

PIXELS, LATENTS, BATCH, EPOCHS = 64, 8, 50, 20
OPTIMIZER = optax.adam(1e-3)


def terms(networks, running_mse, x, noise):
    """Return the loss of a batch, which uses the gamma of the previous steps, and its mse."""
    encoder, decoder = networks
    mu, log_sigma = jnp.split(jax.vmap(encoder)(x), 2, axis=-1)
    x_hat = jax.nn.sigmoid(jax.vmap(decoder)(mu + jnp.exp(log_sigma) * noise))
    kl = jnp.sum(mu**2 + jnp.exp(2 * log_sigma) - 2 * log_sigma - 1, axis=-1).mean() / 2
    mse = jnp.mean((x - x_hat) ** 2)
    return kl + PIXELS * (mse / running_mse + jnp.log(running_mse)) / 2, mse


@eqx.filter_jit
def step(networks, state, running_mse, x, noise):
    """Train on a batch; return everything that this changes."""
    # The gradients are those of the networks only. `mse` is returned without a gradient.
    gradient = eqx.filter_value_and_grad(terms, has_aux=True)
    (_, mse), gradients = gradient(networks, running_mse, x, noise)
    updates, state = OPTIMIZER.update(gradients, state)
    networks = eqx.apply_updates(networks, updates)
    return networks, state, update_running_mse(running_mse, mse)


def main() -> None:
    """Train and print gamma."""
    images = (load_digits().data / 16).astype(np.float32)
    keys = jax.random.split(jax.random.key(0), 2)
    networks = (
        eqx.nn.MLP(PIXELS, 2 * LATENTS, 256, 1, key=keys[0]),
        eqx.nn.MLP(LATENTS, PIXELS, 256, 1, key=keys[1]),
    )
    state = OPTIMIZER.init(eqx.filter(networks, eqx.is_array))
    running_mse = jnp.asarray(1.0)
    random = np.random.default_rng(0)
    for epoch in range(1, EPOCHS + 1):
        order = random.permutation(len(images))
        for rows in np.array_split(order, len(images) // BATCH):
            noise = random.standard_normal((len(rows), LATENTS), dtype=np.float32)
            networks, state, running_mse = step(networks, state, running_mse, images[rows], noise)
        print(f"epoch {epoch:2}  gamma: {float(running_mse) ** 0.5:.4f}")


if __name__ == "__main__":
    main()
