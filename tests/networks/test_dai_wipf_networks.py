"""The networks of Dai and Wipf: shapes, initial weights, and sizes that they refuse."""

import keras
import numpy as np
import pytest

from balancing_vae.networks import NETWORKS
from balancing_vae.networks import infogan_networks
from balancing_vae.networks import wae
from balancing_vae.networks import wae_networks


def numbers(variable) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(variable)))


@pytest.mark.parametrize("image_shape", [(28, 28, 1), (8, 8, 3)])
def test_infogan_from_images_to_images(image_shape):
    encoder, decoder = infogan_networks(image_shape, 5)
    x = np.random.default_rng(0).random((2, *image_shape), dtype=np.float32)
    mu, log_sigma = encoder.predict_on_batch(x)
    assert mu.shape == log_sigma.shape == (2, 5)
    images = decoder.predict_on_batch(mu)
    assert images.shape == x.shape and 0 <= images.min() <= images.max() <= 1


def test_infogan_sigma_is_a_softplus_and_never_0():
    encoder, _ = infogan_networks((8, 8, 1), 3)
    head = encoder.get_layer("en4")
    head.kernel.assign(np.full(head.kernel.shape, 1e-6))
    head.bias.assign([1, 2, 3, -100, 0, 100])
    mu, log_sigma = encoder.predict_on_batch(np.zeros((1, 8, 8, 1), np.float32))
    np.testing.assert_allclose(mu, [[1, 2, 3]], atol=0.1)
    # The kernel is divided by its norm, 1e-6 or so: its part of the sum is below 1.
    raw = np.array([-100, 0, 100])
    np.testing.assert_allclose(
        np.exp(log_sigma[0]), 1e-6 + np.logaddexp(0, raw), rtol=0.05, atol=1e-9
    )


def test_infogan_starts_from_normal_draws():
    encoder, decoder = infogan_networks((28, 28, 1), 8)
    conv = numbers(encoder.get_layer("conv2").kernel)
    assert np.abs(conv).max() < 2.5 * 0.02  # truncated at two (rescaled) deviations
    for kernel in (
        conv,
        numbers(encoder.get_layer("fc3").kernel),
        numbers(decoder.get_layer("fc2").kernel),
        numbers(decoder.get_layer("conv3").kernel),
    ):
        assert kernel.std() == pytest.approx(0.02, rel=0.15)
    assert np.abs(numbers(decoder.get_layer("conv3").kernel)).max() > 3 * 0.02
    assert not numbers(encoder.get_layer("fc3").bias).any()


@pytest.mark.parametrize("image_shape", [(30, 30, 1), (28, 32, 1)])
def test_infogan_refuses_other_sides(image_shape):
    with pytest.raises(ValueError, match=r"divisible by 4; got \d+x\d+"):
        infogan_networks(image_shape, 4)


def test_wae_refuses_other_sides():
    with pytest.raises(ValueError, match="64x64; got 32x32.*infogan"):
        wae_networks((32, 32, 3), 4)


def test_wae_doubles_and_halves(monkeypatch):
    monkeypatch.setattr(wae, "WIDTHS", (2, 3, 4, 5))
    encoder, decoder = wae_networks((64, 64, 3), 4)
    assert encoder.get_layer("flatten").output.shape == (None, 8 * 8 * 5)
    assert [tuple(head.shape) for head in encoder.outputs] == [(None, 4)] * 2
    assert [decoder.get_layer(f"up{i}").output.shape[1:] for i in range(3)] == [
        (16, 16, 4),
        (32, 32, 3),
        (64, 64, 2),
    ]
    assert decoder.output_shape == (None, 64, 64, 3)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_networks_support_mixed_precision(name, monkeypatch):
    monkeypatch.setattr(wae, "WIDTHS", (2, 2, 2, 2))
    side = {"conv": 8, "dense": 4, "infogan": 8, "rae": 8, "resnet": 4, "wae": 64}[name]
    small = {"rae": {"num_scale": 1}, "resnet": {"num_scale": 1, "fc_dim": 2}}
    sizes = {"base_dim": 2, **small[name]} if name in small else {}
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        encoder, decoder = NETWORKS[name]((side, side, 1), 2, **sizes)
    finally:
        keras.config.set_dtype_policy(former)
    outputs = encoder.predict_on_batch(np.zeros((1, side, side, 1), np.float32))
    outputs = outputs if isinstance(outputs, list) else [outputs]
    images = decoder.predict_on_batch(np.asarray(outputs[0]))
    assert {str(a.dtype) for a in (*outputs, images)} == {"float32"}
