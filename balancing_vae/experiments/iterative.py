"""An iterative encoder and decoder similar to DRAW, without its attention."""

import math

import keras
from keras import layers
from keras import ops

from balancing_vae.errors import InputError


def iterative_networks(
    image_shape: tuple[int, int, int], latent_dim: int, steps: int = 4, width: int = 128
) -> tuple[keras.Model, keras.Model]:
    """Build an encoder and a decoder that refine a canvas over several steps.

    At each step, the recurrent encoder takes the image, the error of the present canvas and the
    recurrent decoder's state, and returns the posterior of this step's latents. The decoder
    takes a draw from it and adds to the canvas:

        h = LSTM(h; x, x - sigmoid(canvas), g),    z_t = mu(h) + sigma(h) * noise_t,
        g = LSTM(g; z_t),                          canvas <- canvas + W g.

    A step's posterior depends on the draws of the previous steps. The encoder therefore takes
    the noise as a second input, which `VAE` provides, and the two networks share the decoder's
    layers. Train them in a `VAE`; a `TwoStageVAE` needs a posterior that depends on the image
    only. The latents of all steps are concatenated, and their KL is the sum over the steps.
    Source: Gregor et al. 2015 (arXiv 1502.04623), equations 3 to 8 without attention.

    Args:
        image_shape: Side, side, channels of the images; any side works.
        latent_dim: Latents of all steps together, a multiple of `steps`.
        steps: Number of refinements, at least 1.
        width: Units of both recurrent networks.

    Returns:
        The encoder and the decoder. The encoder maps images, float [B, D, D, C] in [0, 1], and
        standard normal noise, float [B, latent_dim], to `mu` and `log_sigma`, float
        [B, latent_dim] each. The decoder maps latents, float [B, latent_dim], to images of that
        form.

    Raises:
        ValueError: `latent_dim` is not a multiple of `steps`.

    Example:
        ```python
        vae = VAE(*iterative_networks((8, 8, 1), latent_dim=16, steps=4))
        ```
    """
    if steps < 1 or latent_dim % steps:
        raise InputError(
            f"latent_dim must be a multiple of steps, got {latent_dim} latents in {steps} steps."
        )
    decoder_cell = layers.LSTMCell(width, name="decoder_cell")
    write = layers.Dense(math.prod(image_shape), name="write")
    sizes = (image_shape, latent_dim, steps, width, decoder_cell, write)
    return _encoder(*sizes), _decoder(*sizes)


def _encoder(image_shape, latent_dim, steps, width, decoder_cell, write) -> keras.Model:
    images = keras.Input(image_shape, name="images")
    noise = keras.Input((latent_dim,), name="noise")
    encoder_cell = layers.LSTMCell(width, name="encoder_cell")
    mu_head = layers.Dense(latent_dim // steps, dtype="float32", name="mu")
    log_sigma_head = layers.Dense(latent_dim // steps, dtype="float32", name="log_sigma")
    x = layers.Flatten(name="flatten")(images)
    canvas = ops.zeros_like(x)
    encoder_state, decoder_state = _start(x, width), _start(x, width)
    mus, log_sigmas = [], []
    for noise_now in ops.split(noise, steps, axis=-1):
        seen = ops.concatenate([x, x - ops.sigmoid(canvas), decoder_state[0]], axis=-1)
        h, encoder_state = encoder_cell(seen, encoder_state)
        mus.append(mu_head(h))
        log_sigmas.append(log_sigma_head(h))
        z = mus[-1] + ops.exp(log_sigmas[-1]) * noise_now
        g, decoder_state = decoder_cell(z, decoder_state)
        canvas = canvas + write(g)
    heads = [ops.concatenate(mus, axis=-1), ops.concatenate(log_sigmas, axis=-1)]
    return keras.Model([images, noise], heads, name="iterative_encoder")


def _decoder(image_shape, latent_dim, steps, width, decoder_cell, write) -> keras.Model:
    latents = keras.Input((latent_dim,), name="latents")
    state = _start(latents, width)
    canvas = 0.0
    for z in ops.split(latents, steps, axis=-1):
        g, state = decoder_cell(z, state)
        canvas = canvas + write(g)
    y = layers.Reshape(image_shape, name="reshape")(canvas)
    y = layers.Activation("sigmoid", dtype="float32", name="sigmoid")(y)
    return keras.Model(latents, y, name="iterative_decoder")


def _start(like, width: int) -> list:
    """Return the zero state of an LSTM for the batch of `like`."""
    zeros = ops.tile(ops.zeros_like(like[:, :1]), (1, width))
    return [zeros, zeros]
