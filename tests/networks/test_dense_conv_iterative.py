"""The plain networks and the iterative one."""

import keras
import numpy as np
import pytest

from balancing_vae import VAE
from balancing_vae import FixedGamma
from balancing_vae.experiments.iterative import iterative_networks
from balancing_vae.layers.sampling import reparameterize
from balancing_vae.models.objectives import kl_divergence
from balancing_vae.networks import build_networks
from tests.helpers.backends import numbers


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        ({"name": "dense", "width": 5, "depth": 1}, (3, 3, 2)),
        ({"name": "conv", "base_dim": 2, "num_scale": 2}, (8, 8, 1)),
    ],
)
def test_images_and_latents_pass_through_in_their_shapes(network, shape):
    encoder, decoder = build_networks(network, shape, 3)
    mu, log_sigma = encoder(np.zeros((2, *shape), np.float32))
    assert mu.shape == log_sigma.shape == (2, 3)
    images = numbers(decoder(100 * np.random.default_rng(0).standard_normal((2, 3))))
    assert images.shape == (2, *shape)
    assert 0 <= images.min() and images.max() <= 1


def test_sizes_decide_the_layers():
    encoder, decoder = build_networks({"name": "dense", "width": 7, "depth": 3}, (2, 2, 1), 2)
    assert [encoder.get_layer(f"fc{i}").units for i in range(3)] == [7, 7, 7]
    assert decoder.count_params() == (2 * 7 + 7) + 2 * (7 * 7 + 7) + (7 * 4 + 4)
    encoder, decoder = build_networks({"name": "conv", "base_dim": 3}, (16, 16, 1), 2)
    assert [encoder.get_layer(f"conv{i}").filters for i in range(3)] == [3, 6, 12]
    assert [decoder.get_layer(f"up{i}").filters for i in range(3)] == [6, 3, 1]
    assert decoder.get_layer("fc0").units == 2 * 2 * 12


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((9, 9, 1), "square images of an even side; got 9x9.*--side 8"),
        ((8, 16, 1), "square images of an even side; got 8x16.*--side 8"),
        ((4, 4, 1), "num_scale 3 halves a side of 4 below one pixel; use at most 2"),
    ],
)
def test_conv_refuses_sides_that_cannot_be_halved(shape, message):
    with pytest.raises(ValueError, match=message):
        build_networks({"name": "conv"}, shape, 4)


@pytest.fixture(scope="module")
def iterative():
    return iterative_networks((4, 4, 1), latent_dim=6, steps=3, width=5)


def test_iterative_networks_share_the_decoder(iterative):
    encoder, decoder = iterative
    own = {id(weight) for weight in decoder.weights}
    assert own <= {id(weight) for weight in encoder.weights}
    assert encoder.count_params() > decoder.count_params()


def test_the_posterior_of_a_step_depends_on_the_draws_before_it_only(iterative):
    encoder, _ = iterative
    rng = np.random.default_rng(0)
    x = rng.random((2, 4, 4, 1), np.float32)
    noise = rng.standard_normal((2, 6), np.float32)
    changed = noise.copy()
    changed[:, 2:4] += 1  # the second of three steps
    for first, second in zip(encoder([x, noise]), encoder([x, changed]), strict=True):
        difference = np.abs(numbers(first) - numbers(second)).max(axis=0)
        np.testing.assert_array_equal(difference[:4], 0)
        assert (difference[4:] > 0).all()


def test_an_iterative_vae_decodes_the_latents_that_its_encoder_drew(iterative):
    vae = VAE(*iterative, seed=0)
    assert vae.latent_dim == 6
    assert vae.kl_weight == 1
    rng = np.random.default_rng(0)
    x = rng.random((2, 4, 4, 1), np.float32)
    noise = rng.standard_normal((2, 6), np.float32)
    out = {name: numbers(value) for name, value in vae((x, noise)).items()}
    mu, log_sigma = vae.encoder([x, noise])
    z = reparameterize(mu, log_sigma, noise)
    np.testing.assert_allclose(out["z"], numbers(z), rtol=1e-5)
    np.testing.assert_allclose(out["reconstruction"], numbers(vae.decoder(z)), rtol=1e-5)
    # KL over all latents is the sum over the steps.
    steps = zip(np.split(out["mu"], 3, 1), np.split(out["log_sigma"], 3, 1), strict=True)
    total = sum(numbers(kl_divergence(m, s)) for m, s in steps)
    np.testing.assert_allclose(
        total, numbers(kl_divergence(out["mu"], out["log_sigma"])), rtol=1e-5
    )


def test_an_iterative_vae_learns_and_draws_its_own_noise():
    networks = iterative_networks((4, 4, 1), latent_dim=4, steps=2, width=16)
    vae = VAE(*networks, FixedGamma(0.1), kl_weight=1.0, seed=0)
    vae.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    x = np.random.default_rng(0).integers(0, 2, (64, 4, 4, 1)).astype(np.float32)
    x[:, 2:] = x[:, :2]
    logs = vae.fit(x, epochs=15, batch_size=16, verbose=0).history
    assert logs["mse"][-1] < 0.9 * logs["mse"][0]
    assert logs["kl"][-1] > 0


def test_steps_must_divide_the_latents():
    for steps in (0, 4):
        with pytest.raises(ValueError, match="latent_dim must be a multiple of steps"):
            iterative_networks((4, 4, 1), latent_dim=6, steps=steps)
