"""PSNR and SSIM of reconstructions: closed forms, TensorFlow's values, small images."""

import numpy as np
import pytest

from balancing_vae.fid.metrics import METRICS
from balancing_vae.fid.metrics.ssim import ssim

RNG = np.random.default_rng(0)


def images(*shape):
    """Images with some structure, so that neighbouring pixels are alike."""
    x = RNG.random((*shape[:3], shape[3] if len(shape) == 4 else 1), dtype="float32")
    x = (x + np.roll(x, 1, 1) + np.roll(x, 1, 2) + np.roll(x, (1, 1), (1, 2))) / 4
    return x.reshape(shape)


def noisy(x, amount=0.1):
    return np.clip(x + amount * RNG.normal(size=x.shape), 0, 1).astype("float32")


def test_psnr_of_a_known_error():
    x = np.full((3, 4, 4, 1), 0.5)
    assert METRICS["psnr"](x, x + 0.1).value == pytest.approx(20, rel=1e-6)
    # A mean of decibels, not the decibels of the mean error.
    x_hat = x + np.array([0.1, 0.01, 0.001])[:, None, None, None]
    assert METRICS["psnr"](x, x_hat).value == pytest.approx(40, rel=1e-4)
    assert METRICS["psnr"](x, x).value == np.inf


def test_ssim_of_equal_images():
    for x in (images(5, 16, 16, 3), np.zeros((2, 11, 11), "uint8"), images(1, 32, 24)):
        assert METRICS["ssim"](x, x).value == pytest.approx(1, abs=1e-12)


def test_ssim_of_flat_images():
    # No variance: only the luminance is left, (2 a b + C1) / (a^2 + b^2 + C1).
    a, b = 0.25, 0.75
    flat = [np.full((2, 16, 16, 1), value) for value in (a, b)]
    expected = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    assert METRICS["ssim"](*flat).value == pytest.approx(expected, rel=1e-6)


def test_ssim_of_an_inverted_image_is_negative():
    x = images(4, 24, 24, 1)
    assert METRICS["ssim"](x, 1 - x).value < 0


@pytest.mark.parametrize("shape", [(40, 32, 32, 3), (5, 28, 28, 1), (3, 20, 30, 3), (2, 11, 11, 1)])
def test_tensorflow_finds_the_same(shape):
    import tensorflow as tf

    x = images(*shape)
    x_hat = noisy(x)
    expected = tf.reduce_mean(tf.image.ssim(x, x_hat, max_val=1.0))
    assert METRICS["ssim"](x, x_hat).value == pytest.approx(float(expected), abs=1e-5)
    expected = tf.reduce_mean(tf.image.psnr(x, x_hat, max_val=1.0))
    assert METRICS["psnr"](x, x_hat).value == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize(("side", "window"), [(7, 7), (8, 7), (9, 9), (10, 9), (12, 11)])
def test_small_images_have_a_smaller_window(side, window):
    import tensorflow as tf

    x = images(6, side, 14, 1)
    x_hat = noisy(x)
    expected = tf.reduce_mean(tf.image.ssim(x, x_hat, max_val=1.0, filter_size=window))
    assert ssim(x, x_hat) == pytest.approx(float(expected), abs=1e-5)


def test_too_small_images():
    with pytest.raises(ValueError, match="20 x 6 pixels are too small for the metric ssim"):
        METRICS["ssim"](images(2, 6, 20), images(2, 6, 20))


@pytest.mark.parametrize("name", ["psnr", "ssim", "mse"])
def test_integers_and_floats_are_the_same_images(name):
    x, x_hat = (RNG.integers(0, 256, (70, 12, 12, 3), dtype="uint8") for _ in range(2))
    value = METRICS[name](x, x_hat).value
    assert METRICS[name](x / 255, x_hat).value == pytest.approx(value, rel=1e-5)
    assert METRICS[name](x, x_hat / 255).value == pytest.approx(value, rel=1e-5)
