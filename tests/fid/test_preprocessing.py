"""The changes that each protocol makes to images before the network, recomputed here."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from balancing_vae.fid.preprocessing import network_input
from balancing_vae.fid.preprocessing import preprocess
from balancing_vae.fid.protocols import PROTOCOLS
from balancing_vae.fid.protocols import get_protocol

RNG = np.random.default_rng(0)
UINT8 = RNG.integers(0, 256, (3, 16, 16, 3), dtype="uint8")
FLOATS = RNG.uniform(0.1, 0.9, (3, 16, 16, 3)).astype("float32")


def tf1_bilinear(images):

    return tf.compat.v1.image.resize_bilinear(images, [299, 299]).numpy()


def test_asperti2020_of_floats():
    protocol = PROTOCOLS["asperti2020"]
    ours = network_input(preprocess(FLOATS, protocol, generated=True), protocol)
    np.testing.assert_allclose(ours, tf1_bilinear(2 * FLOATS - 1), rtol=0, atol=1e-6)


def test_asperti2020_of_bytes():
    protocol = PROTOCOLS["asperti2020"]
    ours = network_input(preprocess(UINT8, protocol), protocol)
    expected = tf1_bilinear(2 * (UINT8 / np.float32(255)) - 1)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-6)


def test_dai2019_stretches_the_generated_side_only():
    protocol = PROTOCOLS["dai2019"]
    expected = FLOATS.copy()
    for image in expected:
        image[:] = (image - image.min()) / (image - image.min()).max()
    ours = preprocess(FLOATS, protocol, generated=True)
    np.testing.assert_allclose(ours, 255 * expected, rtol=0, atol=1e-4)
    assert ours.min() == 0 and ours.max() == 255
    np.testing.assert_allclose(preprocess(FLOATS, protocol), 255 * FLOATS, rtol=1e-6)
    scaled = network_input(ours, protocol)
    np.testing.assert_allclose(scaled, (tf1_bilinear(ours) - 128) / 128, rtol=0, atol=1e-6)


def test_ttur_truncates_floats():
    protocol = PROTOCOLS["ttur"]
    ours = preprocess(FLOATS, protocol, generated=True)
    np.testing.assert_array_equal(ours, (255 * FLOATS).astype("uint8"))
    scaled = network_input(ours, protocol)
    np.testing.assert_allclose(scaled, (tf1_bilinear(ours) - 128) / 128, rtol=0, atol=1e-6)


def test_clean_rounds_floats():
    protocol = PROTOCOLS["clean"]
    ours = preprocess(FLOATS, protocol, generated=True)
    np.testing.assert_array_equal(ours, np.round(255 * FLOATS.astype("float64")))
    assert network_input(ours, protocol).shape == (3, 299, 299, 3)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_bytes_pass_unchanged_as_the_real_side(name):
    np.testing.assert_array_equal(preprocess(UINT8, PROTOCOLS[name]), UINT8)


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 8, 8, 1)])
def test_one_channel_is_repeated_to_three(shape):
    gray = RNG.integers(0, 256, shape, dtype="uint8")
    ours = preprocess(gray, PROTOCOLS["ttur"])
    assert ours.shape == (2, 8, 8, 3)
    for channel in range(3):
        np.testing.assert_array_equal(ours[..., channel], gray.reshape(2, 8, 8))


@pytest.mark.parametrize(
    ("name", "count", "used"),
    [
        ("asperti2020", 10_000, 9_984),
        ("asperti2020", 40, 40),
        ("dai2019", 10_000, 10_000),
        ("dai2019", 10_049, 10_000),
        ("ttur", 99, 50),
        ("clean", 10_001, 10_001),
    ],
)
def test_batch_remainder(name, count, used):
    assert PROTOCOLS[name].used(count) == used


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 3, 8, 8), "uint8"), "channels last"),
        (np.zeros((2, 8, 8, 3), "int64"), "uint8 in 0..255 or floats"),
        (255 * FLOATS, r"Image 10 has values from .* must lie in \[0, 1\]"),
        (np.where(np.arange(3)[:, None, None, None] == 2, np.nan, FLOATS), "Image 12 has values"),
        (np.where(np.arange(3)[:, None, None, None] == 1, -0.1, FLOATS), "Image 11 has values"),
    ],
)
def test_wrong_images_are_named(images, message):
    with pytest.raises(ValueError, match=message):
        preprocess(images, PROTOCOLS["ttur"], first=10)


def test_flat_image_cannot_be_stretched():
    images = FLOATS.copy()
    images[1] = 0.5
    with pytest.raises(ValueError, match="Image 11 has the same value everywhere"):
        preprocess(images, PROTOCOLS["dai2019"], generated=True, first=10)


def test_an_error_for_an_unknown_protocol_lists_the_known_ones():
    with pytest.raises(ValueError, match="asperti2020, dai2019, ttur, clean"):
        get_protocol("fid")


def test_a_custom_protocol_is_accepted():
    mine = replace(PROTOCOLS["ttur"], name="mine", quantization="none")
    assert get_protocol(mine) is mine
    np.testing.assert_allclose(preprocess(FLOATS, mine), 255 * FLOATS, rtol=1e-6)
