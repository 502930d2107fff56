"""The gamma rule in a plain Keras model: a small VAE on scikit-learn's digits.

    python examples/gamma_rule_keras.py

Only the rule itself is used from this package. The square of gamma is a non-trainable weight, so
that the compiled step can read and update it.
"""

import keras
import numpy as np
from keras import ops
from sklearn.datasets import load_digits

from balancing_vae import update_running_mse

PIXELS, LATENTS = 64, 8


class DigitsVAE(keras.Model):
    """A dense VAE that computes its gamma."""

    def __init__(self):
        super().__init__()
        self.encoder = keras.Sequential(
            [keras.layers.Dense(256, "relu"), keras.layers.Dense(2 * LATENTS)]
        )
        self.decoder = keras.Sequential(
            [keras.layers.Dense(256, "relu"), keras.layers.Dense(PIXELS, "sigmoid")]
        )
        self.noise = keras.random.SeedGenerator(0)
        self.running_mse = self.add_weight(shape=(), initializer="ones", trainable=False)
        self.gamma = keras.metrics.Mean("gamma")
        self.mse = keras.metrics.Mean("mse")

    def call(self, x):
        """Encode, sample, decode."""
        mu, log_sigma = ops.split(self.encoder(x), 2, axis=-1)
        z = mu + ops.exp(log_sigma) * keras.random.normal(ops.shape(mu), seed=self.noise)
        return mu, log_sigma, self.decoder(z)

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        """Weight the error by the gamma of the previous steps, then update gamma."""
        mu, log_sigma, x_hat = y_pred
        kl = ops.sum(mu**2 + ops.exp(2 * log_sigma) - 2 * log_sigma - 1, axis=-1) / 2
        mse = ops.mean((x - x_hat) ** 2)
        m = ops.convert_to_tensor(self.running_mse)
        reconstruction = PIXELS * (mse / m + ops.log(m)) / 2
        if training:
            self.running_mse.assign(update_running_mse(m, ops.stop_gradient(mse)))
        self.gamma.update_state(ops.sqrt(m))
        self.mse.update_state(mse)
        return ops.mean(kl) + reconstruction


if __name__ == "__main__":
    images = (load_digits().data / 16).astype(np.float32)
    vae = DigitsVAE()
    vae.compile(keras.optimizers.Adam(1e-3))
    vae.fit(images, batch_size=50, epochs=20, verbose=2)
