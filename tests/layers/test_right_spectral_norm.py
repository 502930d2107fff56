"""Spectral norm of Ghosh et al.: the formula, the state, and the gradient."""

import keras
import numpy as np
import pytest

from balancing_vae.layers.right_spectral_norm import RightSpectralNormConv2D
from balancing_vae.layers.right_spectral_norm import RightSpectralNormConv2DTranspose
from balancing_vae.layers.right_spectral_norm import RightSpectralNormDense
from balancing_vae.layers.right_spectral_norm import right_spectrally_normalize
from tests.helpers.backends import numbers

LAYERS = [
    (lambda: RightSpectralNormConv2D(5, 3, strides=2, padding="same"), (6, 6, 2), 5),
    (lambda: RightSpectralNormConv2DTranspose(5, 3, strides=2, padding="same"), (3, 3, 2), 2),
    (lambda: RightSpectralNormDense(5), (7,), 5),
]
PLAIN = {
    RightSpectralNormConv2D: keras.layers.Conv2D,
    RightSpectralNormConv2DTranspose: keras.layers.Conv2DTranspose,
    RightSpectralNormDense: keras.layers.Dense,
}


def built(make, shape) -> keras.layers.Layer:
    keras.utils.set_random_seed(0)
    layer = make()
    layer.build((None, *shape))
    layer.bias.assign(np.arange(5.0))
    return layer


def unit(a):
    return a / (np.sqrt(np.sum(a**2)) + 1e-12)


@pytest.mark.parametrize(("make", "shape", "last"), LAYERS)
def test_one_iteration_is_the_formula(make, shape, last):
    layer = built(make, shape)
    w, u = numbers(layer.kernel), numbers(layer.u)
    assert u.shape == (1, last)
    matrix = w.reshape(-1, last)
    v = unit(u @ matrix.T)
    new_u = unit(v @ matrix)
    found = numbers(right_spectrally_normalize(layer.kernel, layer.u))
    np.testing.assert_allclose(found, w / (v @ matrix @ new_u.T), rtol=1e-5)
    np.testing.assert_allclose(numbers(layer.u), new_u, atol=1e-6)


@pytest.mark.parametrize(("make", "shape", "last"), LAYERS)
def test_layer_is_the_plain_one_with_the_kernel_divided_by_its_largest_singular_value(
    make, shape, last
):
    layer = built(make, shape)
    rng = np.random.default_rng(0)
    # A gap between the first two singular values; without one the iteration is slow.
    kernel = rng.standard_normal(layer.kernel.shape) + 1
    layer.kernel.assign(kernel)
    x = rng.standard_normal((3, *shape)).astype("float32")
    for _ in range(40):
        found = layer(x)  # in inference, too, each pass is one iteration
    norm = np.linalg.svd(kernel.reshape(-1, last), compute_uv=False)[0]
    plain = PLAIN[type(layer)].from_config(layer.get_config())
    plain.build((None, *shape))
    plain.set_weights([kernel / norm, numbers(layer.bias)])
    np.testing.assert_allclose(numbers(found), numbers(plain(x)), rtol=1e-4, atol=1e-5)


def test_u_is_saved_and_not_trained(tmp_path):
    inputs = keras.Input((3, 3, 2))
    model = keras.Model(inputs, LAYERS[1][0]()(inputs))
    x = np.ones((1, 3, 3, 2), "float32")
    model.predict_on_batch(x)
    u = numbers(model.layers[1].u)
    assert len(model.trainable_variables) == 2
    model.save_weights(tmp_path / "a.weights.h5")
    again = keras.Model.from_config(model.get_config())
    again.load_weights(tmp_path / "a.weights.h5")
    np.testing.assert_array_equal(numbers(again.layers[1].u), u)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="takes gradients by tape")
def test_the_gradient_passes_through_both_vectors():
    """Against central differences of the formula, u fixed at its stored value only."""
    import tensorflow as tf

    layer = built(lambda: RightSpectralNormDense(5, dtype="float32"), (4,))
    w, u = numbers(layer.kernel).astype("float64"), numbers(layer.u).astype("float64")
    c = np.random.default_rng(1).standard_normal(w.shape)

    def value(matrix):
        v = unit(u @ matrix.T)
        return np.sum(c * matrix / (v @ matrix @ unit(v @ matrix).T))

    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(
            right_spectrally_normalize(layer.kernel, layer.u) * tf.cast(c, "float32")
        )
    found = tape.gradient(loss, layer.kernel.value).numpy()
    expected = np.zeros_like(w)
    for index in np.ndindex(*w.shape):
        step = np.zeros_like(w)
        step[index] = 1e-6
        expected[index] = (value(w + step) - value(w - step)) / 2e-6
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
