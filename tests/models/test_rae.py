"""The regularised autoencoder: its loss recomputed by hand, and the inputs that it refuses."""

import keras
import numpy as np
import pytest

from balancing_vae.models.rae import RegularizedAutoencoder
from balancing_vae.networks import rae_networks
from tests.helpers.backends import numbers
from tests.helpers.networks import dense_networks

SIZES = {"base_dim": 2, "num_scale": 1}


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (20, 16, 16, 1), dtype=np.uint8)


def make(compile_arguments=None, **weights) -> RegularizedAutoencoder:
    keras.utils.set_random_seed(0)
    model = RegularizedAutoencoder(*rae_networks((16, 16, 1), 3, **SIZES), **weights)
    model.compile(
        keras.optimizers.Adam(1e-3), **{"jit_compile": False, **(compile_arguments or {})}
    )
    return model


def squares(decoder, *names) -> float:
    return sum(float(np.sum(numbers(decoder.get_layer(name).kernel) ** 2)) for name in names)


@pytest.mark.parametrize("regularize_dense", [False, True])
def test_loss_by_hand(images, regularize_dense):
    model = make(latent_weight=0.3, decoder_weight=0.02, regularize_dense=regularize_dense)
    logs = model.evaluate(images, batch_size=8, verbose=0, return_dict=True)
    z = numbers(model.encoder(images / np.float32(255)))
    x_hat = numbers(model.decoder(z))
    deconvolutions = ("up0", "image") + (("fc0",) if regularize_dense else ())
    expected = {
        "mse": np.mean((images / 255 - x_hat) ** 2),
        "latent": 0.3 * np.mean(z**2),
        "decoder": 0.02 * squares(model.decoder, *deconvolutions),
    }
    for name, value in expected.items():
        assert logs[name] == pytest.approx(value, rel=1e-4), name
    assert logs["loss"] == pytest.approx(sum(expected.values()), rel=1e-4)
    assert set(logs) == {"loss", *expected}


def test_without_weights_it_is_a_plain_autoencoder(images):
    logs = make().evaluate(images, batch_size=10, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(logs["mse"])
    assert logs["latent"] == logs["decoder"] == 0


def test_weights_pull_latents_and_kernels_toward_0(images):
    plain, pulled = make(), make(latent_weight=1.0, decoder_weight=0.1)
    for model in (plain, pulled):
        model.fit(images, epochs=4, batch_size=10, verbose=0)
    z = [np.mean(numbers(m.encoder(images / np.float32(255))) ** 2) for m in (plain, pulled)]
    assert z[1] < 0.9 * z[0]
    kernels = [squares(m.decoder, "up0", "image") for m in (plain, pulled)]
    assert kernels[1] < kernels[0]
    assert pulled.trained_epochs == 4


def test_uint8_and_float_images_are_the_same(images):
    model = make()
    found = [model.predict(x, verbose=0) for x in (images, images / np.float32(255))]
    np.testing.assert_allclose(found[0]["reconstruction"], found[1]["reconstruction"], atol=1e-6)


def test_posterior_is_a_point(images):
    mu, sigma = make().posterior(images[:5] / np.float32(255))
    assert mu.shape == sigma.shape == (5, 3) and not sigma.any()


def one_headed(image_shape=(4, 4, 1)) -> tuple[keras.Model, keras.Model]:
    encoder, decoder = dense_networks(image_shape)
    return keras.Model(encoder.input, encoder.output[0]), decoder


@pytest.mark.parametrize(
    ("networks", "weights", "message"),
    [
        (dense_networks, {}, "RegularizedAutoencoder must have one output, z; got outputs"),
        (one_headed, {"latent_weight": -1}, "latent_weight must not be negative, got -1"),
        (one_headed, {"decoder_weight": float("nan")}, "decoder_weight must not be negative"),
        (one_headed, {"decoder_weight": 1}, "no transposed convolution to regularise"),
    ],
)
def test_unsuitable_arguments_are_refused(networks, weights, message):
    with pytest.raises(ValueError, match=message):
        RegularizedAutoencoder(*networks(), **weights)
