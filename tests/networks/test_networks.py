"""Shapes, sizes and layout of the networks."""

import keras
import numpy as np
import pytest

from balancing_vae import Config
from balancing_vae.networks import build_networks
from balancing_vae.networks import latent_networks
from balancing_vae.networks import resnet_networks
from balancing_vae.networks.registry import describe_networks
from balancing_vae.presets import preset_config
from tests.helpers.backends import numbers


def layer_names(model):
    return [layer.name for layer in model.layers if layer.weights]


@pytest.fixture(scope="module")
def cifar10():
    config = preset_config("cifar10")
    return build_networks(config.network, config.image_shape, config.latent_dim)


def conv(k, fan_in, fan_out):
    return k * k * fan_in * fan_out + fan_out


def dense(fan_in, fan_out):
    return fan_in * fan_out + fan_out


def test_parameters_of_the_cifar10_preset(cifar10):
    """Trained ones, counted from the specification: two convolutions a block, a shortcut."""

    def block(fan_in, width):
        normalizations = 2 * fan_in + 2 * width
        return normalizations + 2 * conv(3, fan_in, width) + conv(3, width, width)

    encoder, decoder = cifar10
    convolutions = conv(3, 3, 32) + conv(3, 32, 64) + conv(3, 64, 128)
    blocks = block(32, 32) + block(64, 64) + block(128, 128)
    fully_connected = 2 * dense(128, 512) + dense(512, 512)
    expected = convolutions + blocks + fully_connected + 2 * dense(512, 64)
    assert sum(np.prod(w.shape) for w in encoder.trainable_weights) == expected == 1_135_840

    widths = [512, 256, 128, 64, 32]
    expected = dense(64, 4 * 512) + conv(3, 32, 3)
    for wide, narrow in zip(widths, widths[1:], strict=False):
        expected += conv(3, wide, narrow) + block(narrow, narrow)
    assert sum(np.prod(w.shape) for w in decoder.trainable_weights) == expected == 4_054_627


def test_encoder_layout(cifar10):
    encoder, _ = cifar10
    blocks = [
        [f"scale{i}_block0_{part}" for part in ("bn0", "layer0", "bn1", "layer1", "shortcut")]
        for i in range(3)
    ]
    fc = ["fc_block0_layer0", "fc_block0_layer1", "fc_block0_shortcut", "mu", "log_sigma"]
    expected = ["conv0", "downsample0", "downsample1", *sum(blocks, []), *fc]
    assert sorted(layer_names(encoder)) == sorted(expected)
    shapes = {name: encoder.get_layer(name).output.shape[1:] for name in expected}
    assert shapes["conv0"] == (32, 32, 32)
    assert shapes["downsample0"] == (16, 16, 64)
    assert shapes["downsample1"] == (8, 8, 128)
    assert shapes["mu"] == shapes["log_sigma"] == (64,)
    assert encoder.get_layer("mean").output.shape[1:] == (128,)


def test_decoder_layout(cifar10):
    _, decoder = cifar10
    sides = {f"up{i}": decoder.get_layer(f"up{i}").output.shape[1:] for i in range(4)}
    assert sides == {
        "up0": (4, 4, 256),
        "up1": (8, 8, 128),
        "up2": (16, 16, 64),
        "up3": (32, 32, 32),
    }
    assert decoder.get_layer("fc0").units == 2 * 2 * 512
    assert decoder.get_layer("image").output.shape[1:] == (32, 32, 3)


def test_strided_layers_have_bias_and_start_as_the_original(cifar10):
    for model in cifar10:
        for layer in model.layers:
            if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
                assert layer.use_bias
                assert isinstance(layer.kernel_initializer, keras.initializers.GlorotUniform)
                np.testing.assert_array_equal(numbers(layer.bias), 0)


def test_mu_and_log_sigma_come_in_this_order(cifar10):
    encoder, _ = cifar10
    assert encoder.output_names == ["mu", "log_sigma"]


def test_decoder_widths_are_capped_at_1024():
    sizes = {"base_dim": 512, "num_scale": 1, "kernel_size": 1, "depth_per_block": 1}
    _, decoder = resnet_networks((8, 8, 1), 2, **sizes)
    assert decoder.get_layer("fc0").units == 4 * 1024
    assert [decoder.get_layer(f"up{i}").filters for i in range(2)] == [1024, 512]


def test_strided_convolution_pads_at_the_bottom_and_right():
    encoder, _ = resnet_networks((8, 8, 1), 2, base_dim=1, num_scale=2)
    layer = encoder.get_layer("downsample0")
    x = np.arange(64, dtype=np.float32).reshape(1, 8, 8, 1) + 1
    first, last = np.zeros((2, 3, 3, 1, 2), np.float32)
    first[0, 0], last[2, 2] = 1, 1
    layer.kernel.assign(first)
    np.testing.assert_array_equal(numbers(layer(x))[0, :, :, 0], x[0, ::2, ::2, 0])
    layer.kernel.assign(last)
    np.testing.assert_array_equal(
        numbers(layer(x))[0, :, :, 0], np.pad(x[0, :, :, 0], ((0, 1), (0, 1)))[2::2, 2::2]
    )


def test_transposed_convolution_is_the_exact_adjoint():
    """<conv(x), y> = <x, conv'(y)> for the same kernel."""
    rng = np.random.default_rng(0)
    _, decoder = resnet_networks((4, 4, 1), 2, base_dim=3)
    up = decoder.get_layer("up0")
    down = keras.layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False)
    x = rng.standard_normal((1, 4, 4, 3)).astype("float32")
    y = rng.standard_normal((1, 2, 2, 6)).astype("float32")
    down.build(x.shape)
    down.kernel.assign(up.kernel)
    np.testing.assert_allclose(np.sum(numbers(down(x)) * y), np.sum(x * numbers(up(y))), rtol=1e-4)


def test_images_and_latents_pass_through_in_their_shapes():
    sizes = {"base_dim": 2, "num_scale": 1, "fc_dim": 3}
    encoder, decoder = build_networks({"name": "resnet", **sizes}, (4, 4, 3), 5)
    mu, log_sigma = encoder(np.zeros((2, 4, 4, 3), np.float32))
    assert mu.shape == log_sigma.shape == (2, 5)
    images = numbers(decoder(100 * np.random.default_rng(0).standard_normal((2, 5))))
    assert images.shape == (2, 4, 4, 3)
    assert 0 <= images.min() and images.max() <= 1


def test_latent_networks_concatenate_their_input():
    encoder, decoder = latent_networks(4, second_dim=8, second_depth=3)
    heads = ["fc0", "fc1", "fc2", "mu", "log_sigma"]
    assert layer_names(encoder) == heads
    assert layer_names(decoder) == ["fc0", "fc1", "fc2", "z"]
    assert tuple(encoder.get_layer("mu").kernel.shape) == (4 + 8, 4)
    assert encoder.count_params() == dense(4, 8) + 2 * dense(8, 8) + 2 * dense(12, 4)
    # The input stands before the hidden units, and the head is linear.
    z = np.full((1, 4), -3, np.float32)
    for layer in decoder.layers:
        for weight in layer.weights:
            weight.assign(np.zeros(weight.shape))
    decoder.get_layer("z").kernel.assign(np.eye(12, 4))
    np.testing.assert_array_equal(numbers(decoder(z)), z)


@pytest.mark.parametrize("shape", [(28, 28, 1), (2, 2, 1), (8, 16, 1), (48, 48, 3)])
def test_bad_sides_are_refused(shape):
    with pytest.raises(ValueError, match="power of two, at least 4.*conv"):
        resnet_networks(shape, 4)


def test_too_many_scales_are_refused():
    with pytest.raises(ValueError, match="num_scale 6 halves a side of 16.*at most 5"):
        resnet_networks((16, 16, 1), 4, num_scale=6)


def test_unknown_networks_and_sizes_are_refused():
    with pytest.raises(ValueError, match="Unknown network 'vgg'.*resnet"):
        build_networks({"name": "vgg"}, (8, 8, 1), 4)
    with pytest.raises(
        ValueError, match=r"'resnet' does not take \['depth'\], only \['base_dim', 'block"
    ):
        build_networks({"name": "resnet", "depth": 3}, (8, 8, 1), 4)


def test_described_networks_can_be_built_again():
    sizes = {"base_dim": 2, "num_scale": 1, "fc_dim": 3}
    encoder, decoder = build_networks({"name": "resnet", **sizes}, (4, 4, 1), 2)
    config = Config((4, 4, 1), 2, network=describe_networks(encoder, decoder))
    again, _ = build_networks(config.network, config.image_shape, config.latent_dim)
    assert layer_names(again) == layer_names(encoder)
