"""TensorFlow 1's bilinear resize up to rounding errors, and Pillow's bicubic as in clean-fid."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from PIL import Image

from balancing_vae.fid.resize import resize_bicubic_pil
from balancing_vae.fid.resize import resize_bilinear_tf1


def tensorflow_resize(images, height, width):

    return tf.compat.v1.image.resize_bilinear(images, [height, width]).numpy()


@pytest.mark.parametrize(
    "shape", [(2, 32, 32, 3), (1, 28, 28, 1), (2, 64, 48, 3), (1, 299, 299, 3)]
)
def test_equals_tf1_at_299(shape):
    images = np.random.default_rng(0).uniform(-1, 1, shape).astype("float32")
    ours = resize_bilinear_tf1(images, 299, 299)
    np.testing.assert_allclose(ours, tensorflow_resize(images, 299, 299), rtol=0, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 90), st.integers(1, 90))
def test_equals_tf1_at_any_size(h, w, height, width):
    images = np.random.default_rng(h * 41 + w).uniform(0, 1, (1, h, w, 2)).astype("float32")
    ours = resize_bilinear_tf1(images, height, width)
    np.testing.assert_allclose(ours, tensorflow_resize(images, height, width), rtol=0, atol=1e-6)


def test_is_not_the_half_pixel_resize():
    """TF2's own resize differs visibly: the check above can tell the two apart."""

    images = np.random.default_rng(0).uniform(0, 1, (1, 32, 32, 3)).astype("float32")
    half_pixel = tf.image.resize(images, [299, 299]).numpy()
    assert np.abs(resize_bilinear_tf1(images, 299, 299) - half_pixel).max() > 0.1


def test_the_input_is_not_changed():
    images = np.random.default_rng(0).uniform(0, 1, (1, 4, 4, 3)).astype("float32")
    before = images.copy()
    resize_bilinear_tf1(images, 4, 4)
    resize_bilinear_tf1(images, 8, 8)
    np.testing.assert_array_equal(images, before)


def clean_fid_resize(image):
    """The formula of clean-fid's `make_resizer("PIL", False, "bicubic", (299, 299))`."""
    channels = [
        np.asarray(
            Image.fromarray(image[:, :, i].astype(np.float32)).resize((299, 299), Image.BICUBIC)
        ).clip(0, 255)
        for i in range(3)
    ]
    return np.stack(channels, axis=2).astype(np.float32)


@pytest.mark.parametrize("side", [32, 400])
def test_bicubic_equals_clean_fid(side):
    images = np.random.default_rng(1).integers(0, 256, (2, side, side, 3), dtype="uint8")
    expected = np.stack([clean_fid_resize(image) for image in images])
    np.testing.assert_array_equal(resize_bicubic_pil(images, 299, 299), expected)
    # Bicubic overshoots: without the clip this would not hold.
    assert expected.min() == 0.0 and expected.max() == 255.0
