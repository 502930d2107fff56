"""The default config for your own images."""

import numpy as np
import pytest

from balancing_vae import Config
from balancing_vae import TwoStageVAE
from balancing_vae.defaults import default_network
from balancing_vae.networks import build_networks
from tests.helpers.backends import numbers


@pytest.mark.parametrize("side", [8, 10, 14, 28, 30, 32, 62, 98, 128, 254, 256])
def test_the_default_network_takes_any_even_side(side):
    for channels in (1, 3):
        shape = (side, side, channels)
        network = default_network(shape)
        encoder, decoder = build_networks(network, shape, 4)
        assert encoder.output_shape == [(None, 4), (None, 4)]
        assert decoder.output_shape == (None, *shape)
        # Few latents see all of the image, and what is left before them is small.
        smallest = decoder.get_layer("reshape").output.shape[1]
        assert 4 <= smallest <= 8
        assert encoder.count_params() + decoder.count_params() < 5_000_000


def test_the_whole_image_is_decoded_if_a_side_is_halved_unevenly():
    """28, 14, 7, 4: the last row and column of each doubling are cut off, not padded."""
    _, decoder = build_networks({"name": "conv", "base_dim": 8, "num_scale": 3}, (28, 28, 1), 2)
    assert decoder.get_layer("reshape").output.shape[1:] == (4, 4, 32)
    images = numbers(decoder(np.random.default_rng(0).standard_normal((8, 2)) * 10))
    assert (images.std(axis=0) > 0).all()


@pytest.mark.parametrize("shape", [(29, 29, 1), (28, 32, 3)])
def test_odd_sides_and_non_square_images_are_refused_with_the_fix(shape):
    with pytest.raises(ValueError, match="square images of an even side; got .*--side 28"):
        TwoStageVAE.for_images(np.zeros((40, *shape), np.uint8))


def test_a_custom_config_has_a_network_for_its_images():
    config = Config((28, 28, 1), 8)
    assert config.network == {"name": "conv", "base_dim": 32, "num_scale": 2}
    assert config.kl_weight is None
    assert Config.from_dict(config.to_dict()) == config
    assert config.replace(network={"num_scale": 3}).network["num_scale"] == 3


@pytest.mark.parametrize("count", [1, 19, 300, 2_000, 60_000, 10**7])
def test_the_recipe_gives_the_same_number_of_steps_for_any_number_of_images(count):
    config = Config.for_images((32, 32, 3), count)
    assert 1 <= config.batch_size <= min(100, count)
    steps = count // config.batch_size
    if count >= 300:
        assert 0.95 * 8_000 <= config.epochs * steps or config.epochs == 1
        assert config.epochs == 1 or config.epochs * steps <= 1.1 * 8_000
    assert config.lr_epochs <= config.epochs
    assert config.epochs2 > 0


def test_the_recipe_can_be_changed_and_no_images_are_refused():
    config = Config.for_images((8, 8, 1), 100, epochs=40, latent_dim=5, seed=7)
    assert (config.epochs, config.latent_dim, config.seed) == (40, 5, 7)
    # What follows from a field follows from the changed one.
    assert config.lr_epochs == 10
    assert Config.for_images((8, 8, 1), 2_000, batch_size=50).epochs == 200
    assert Config.for_images((8, 8, 1), 100, epochs=40, lr_epochs=7).lr_epochs == 7
    assert Config.for_images((8, 8, 1), 100, lr_patience=5, held_out=9).lr_epochs == 0
    with pytest.raises(ValueError, match="at least one image to train on, got 0"):
        Config.for_images((8, 8, 1), 0)
    with pytest.raises(ValueError, match="Unknown hyperparameters.*epoch_count"):
        Config.for_images((8, 8, 1), 100, epoch_count=3)


def test_gamma_falls_within_the_first_quarter_of_a_short_training():
    usual = Config.for_images((8, 8, 1), 2_000)
    assert usual.balancing == {"name": "computed"}
    for epochs, rate in ((20, 0.05), (10, 0.1), (100, 0.01)):
        config = Config.for_images((8, 8, 1), 2_000, epochs=epochs)
        assert config.balancing.get("rate", 0.01) == rate
        # What is left of the 1 that gamma starts from, after a quarter of the steps.
        assert (1 - rate) ** (epochs * 20 / 4) < 0.01
    given = Config.for_images((8, 8, 1), 2_000, epochs=10, balancing={"name": "learned"})
    assert given.balancing == {"name": "learned"}


def test_images_without_a_channel_axis_are_named():
    with pytest.raises(ValueError, match=r"\[N, D, D, C\], got \(40, 8, 8\); .*x\[..., None\]"):
        TwoStageVAE.for_images(np.zeros((40, 8, 8), np.uint8))


def test_for_images_requires_an_array():
    with pytest.raises(ValueError, match=r"an array of images, got a generator; .*for_images\("):
        TwoStageVAE.for_images(x for x in ())


def test_for_images_trains(digits):
    sizes = {"network": {"base_dim": 2}, "second_dim": 4}
    vae = TwoStageVAE.for_images(digits, epochs=1, epochs2=1, **sizes)
    vae.fit(digits, verbose=False)
    assert vae.generate(3, seed=0, normalize=False).shape == (3, 8, 8, 1)
