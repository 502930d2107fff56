"""The network of Ghosh et al.: sizes, normalisation, and sizes that it refuses."""

import keras
import numpy as np
import pytest

from balancing_vae.networks import rae_networks
from tests.helpers.backends import numbers


def layer_sizes(model) -> dict[str, int]:
    return {layer.name: layer.count_params() for layer in model.layers if layer.weights}


def test_sizes_for_cifar10():
    """Widths 128 to 1024 and back, 4x4 kernels; batch norm after all but dense and last."""
    encoder, decoder = rae_networks((32, 32, 3), 128)
    k = 4 * 4
    assert layer_sizes(encoder) == {
        **{"conv0": k * 3 * 128 + 128, "bn0": 4 * 128},
        **{"conv1": k * 128 * 256 + 256, "bn1": 4 * 256},
        **{"conv2": k * 256 * 512 + 512, "bn2": 4 * 512},
        **{"conv3": k * 512 * 1024 + 1024, "bn3": 4 * 1024},
        "z": 2 * 2 * 1024 * 128 + 128,
    }
    assert layer_sizes(decoder) == {
        "fc0": 128 * 8 * 8 * 1024 + 8 * 8 * 1024,
        **{"up0": k * 1024 * 512 + 512, "bn0": 4 * 512},
        **{"up1": k * 512 * 256 + 256, "bn1": 4 * 256},
        "image": k * 256 * 3 + 3,
    }


def test_sizes_for_celeba():
    arguments = {"kernel_size": 5, "symmetric_input": False}
    encoder, decoder = rae_networks((64, 64, 3), 64, **arguments)
    k = 5 * 5
    assert "symmetric" not in [layer.name for layer in encoder.layers]
    assert layer_sizes(encoder)["z"] == 4 * 4 * 1024 * 64 + 64
    assert layer_sizes(encoder)["conv1"] == k * 128 * 256 + 256
    assert layer_sizes(decoder) == {
        "fc0": 64 * 8 * 8 * 1024 + 8 * 8 * 1024,
        **{"up0": k * 1024 * 512 + 512, "bn0": 4 * 512},
        **{"up1": k * 512 * 256 + 256, "bn1": 4 * 256},
        **{"up2": k * 256 * 128 + 128, "bn2": 4 * 128},
        "image": k * 128 * 3 + 3,
    }


@pytest.mark.parametrize("spectral_norm", [False, True])
@pytest.mark.parametrize("side", [8, 16])
def test_from_images_to_images(side, spectral_norm):
    sizes = {"base_dim": 2, "num_scale": 2, "spectral_norm": spectral_norm}
    encoder, decoder = rae_networks((side, side, 1), 3, **sizes)
    x = np.random.default_rng(0).random((2, side, side, 1), dtype=np.float32)
    z = encoder.predict_on_batch(x)
    images = decoder.predict_on_batch(z)
    assert z.shape == (2, 3) and images.shape == x.shape
    assert 0 < images.min() <= images.max() < 1
    # Each convolution, transposed convolution and dense layer has its vector, or none.
    for model in (encoder, decoder):
        kernels = [layer for layer in model.layers if hasattr(layer, "kernel")]
        assert [hasattr(layer, "u") for layer in kernels] == [spectral_norm] * len(kernels)


def test_input_is_scaled_to_minus_one_to_one():
    encoder, _ = rae_networks((8, 8, 1), 2, base_dim=2, num_scale=1)
    first = keras.Model(encoder.input, encoder.get_layer("symmetric").output)
    np.testing.assert_allclose(
        numbers(first(np.full((1, 8, 8, 1), 0.75, "float32"))).ravel(), [0.5] * 64
    )


@pytest.mark.parametrize("shape", [(28, 28, 1), (4, 4, 1), (32, 64, 3), (24, 24, 1)])
def test_other_sides_are_refused(shape):
    with pytest.raises(ValueError, match=f"got {shape[0]}x{shape[1]}. Pad or resize"):
        rae_networks(shape, 4)


def test_too_few_channels_for_the_side_are_refused():
    with pytest.raises(ValueError, match="halves 2 channels 2 times; use a larger base_dim"):
        rae_networks((32, 32, 1), 4, base_dim=2, num_scale=1)
