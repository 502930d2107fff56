"""Spectral norm of Dai and Wipf: the formula, the state, and the gradient."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from keras import ops

from balancing_vae.layers.spectral_norm import SpectralNormConv2D
from balancing_vae.layers.spectral_norm import SpectralNormDense
from balancing_vae.layers.spectral_norm import spectrally_normalize


def numbers(variable) -> np.ndarray:
    return np.array(ops.convert_to_numpy(ops.convert_to_tensor(variable)))


def built(layer, shape) -> keras.layers.Layer:
    layer.build((None, *shape))
    return layer


def unit(a):
    return a / np.sqrt(max(np.sum(a**2), 1e-12))


def test_one_iteration_is_the_formula():
    layer = built(SpectralNormConv2D(5, 3, use_bias=False), (8, 8, 2))
    w, u = numbers(layer.kernel), numbers(layer.u)
    assert u.shape == (3 * 3 * 2, 1)
    matrix = w.reshape(-1, 5)
    v = unit(matrix.T @ u)
    new_u = unit(matrix @ v)
    found = numbers(spectrally_normalize(layer.kernel, layer.u))
    np.testing.assert_allclose(found, w / (new_u.T @ matrix @ v), rtol=1e-5)
    np.testing.assert_allclose(numbers(layer.u), new_u, atol=1e-6)


@settings(max_examples=8, deadline=None)
@given(rows=st.integers(1, 12), columns=st.integers(1, 12), seed=st.integers(0, 1000))
def test_the_norm_approaches_one(rows, columns, seed):
    rng = np.random.default_rng(seed)
    # A gap between the first two singular values; without one the iteration is slow.
    matrix = rng.standard_normal((rows, columns)) + 2 * np.ones((rows, columns))
    layer = built(SpectralNormDense(columns), (rows,))
    layer.kernel.assign(matrix)
    for _ in range(40):
        weight = numbers(spectrally_normalize(layer.kernel, layer.u))
    assert np.linalg.norm(weight, 2) == pytest.approx(1, abs=1e-3)


def test_the_bias_is_added_after_the_division():
    layer = built(SpectralNormDense(2), (3,))
    layer.kernel.assign(np.array([[10.0, 0], [0, 1], [0, 0]]))
    layer.bias.assign([7.0, -7.0])
    for _ in range(30):
        y = layer(np.eye(3, dtype="float32"))
    np.testing.assert_allclose(numbers(y), [[8, -7], [7, -6.9], [7, -7]], atol=1e-5)


@pytest.mark.parametrize(
    "layer, shape",
    [(SpectralNormConv2D(4, 3, padding="same"), (6, 6, 2)), (SpectralNormDense(4), (6,))],
)
def test_u_is_updated_in_every_pass_and_kept(layer, shape, tmp_path):
    inputs = keras.Input(shape)
    model = keras.Model(inputs, layer(inputs))
    x = np.random.default_rng(0).random((2, *shape), dtype=np.float32)
    seen = [numbers(layer.u)]
    for _ in range(3):
        model.predict_on_batch(x)
        seen.append(numbers(layer.u))
    assert all(np.abs(a - b).max() > 1e-4 for a, b in zip(seen[:2], seen[1:3], strict=True))
    assert all(variable is not layer.u for variable in model.trainable_variables)
    assert "float32" == layer.u.dtype

    model.save_weights(tmp_path / "a.weights.h5")
    again = keras.Model.from_config(model.get_config())
    again.load_weights(tmp_path / "a.weights.h5")
    np.testing.assert_array_equal(numbers(again.layers[1].u), seen[-1])
    np.testing.assert_array_equal(again.predict_on_batch(x), model.predict_on_batch(x))


def test_u_starts_from_standard_normal_draws():
    u = numbers(built(SpectralNormDense(2), (4000,)).u)
    assert abs(u.mean()) < 0.1 and u.std() == pytest.approx(1, abs=0.1)
    assert np.abs(u).max() > 2.5  # not truncated


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="takes gradients by tape")
def test_the_gradient_passes_through_the_kernel_only():
    import tensorflow as tf

    layer = built(SpectralNormDense(3), (4,))
    w, u = numbers(layer.kernel), numbers(layer.u)
    c = np.random.default_rng(1).standard_normal(w.shape).astype("float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(spectrally_normalize(layer.kernel, layer.u) * c)
    found = tape.gradient(loss, layer.kernel.value).numpy()
    # With u and v constant: d(c.W / u'Wv) = c / norm - (c.W) u v' / norm^2.
    v = unit(w.T @ u)
    u = unit(w @ v)
    norm = u.T @ w @ v
    expected = c / norm - np.sum(c * w) * (u @ v.T) / norm**2
    # Each element is a difference of two near 1, of which rounding leaves a little.
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
