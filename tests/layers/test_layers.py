"""Batch normalisation of both originals, residual blocks, sampling."""

import keras
import numpy as np
import pytest
from keras import ops

from balancing_vae.layers.batch_normalization import ZeroDebiasedBatchNormalization
from balancing_vae.layers.batch_normalization import moments
from balancing_vae.layers.batch_normalization import normalize_batch
from balancing_vae.layers.residual import dense_residual_block
from balancing_vae.layers.residual import residual_block
from balancing_vae.layers.sampling import reparameterize
from balancing_vae.layers.unbiased_batch_normalization import UnbiasedBatchNormalization
from tests.helpers.backends import numbers


def batches(steps=5, shape=(6, 3, 3, 2)):
    x = np.random.default_rng(0).standard_normal((steps, *shape), dtype=np.float32)
    return 2 * x + np.array([3.0, -1.0], np.float32)


def debiased_moving_average(values, decay=0.999):
    """The formula as it stands in the original, in float64."""
    biased = np.zeros_like(values[0], dtype=np.float64)
    for step, value in enumerate(values, start=1):
        biased += (value - biased) * (1 - decay)
        yield biased / (1 - decay**step)


def test_moving_statistics_follow_the_formula_step_by_step():
    layer = ZeroDebiasedBatchNormalization()
    x = batches()
    means, variances = x.mean(axis=(1, 2, 3)), x.var(axis=(1, 2, 3))
    expected = zip(debiased_moving_average(means), debiased_moving_average(variances), strict=True)
    for batch, (mean, variance) in zip(x, expected, strict=True):
        layer(batch, training=True)
        np.testing.assert_allclose(numbers(layer.moving_mean), mean, rtol=5e-5)
        np.testing.assert_allclose(numbers(layer.moving_variance), variance, rtol=5e-5)


def test_after_one_step_the_moving_value_is_the_batchs_own():
    layer = ZeroDebiasedBatchNormalization()
    x = batches()[0]
    layer(x, training=True)
    # float32 knows 0.999 to five digits of 1 - 0.999: so did the original.
    np.testing.assert_allclose(numbers(layer.moving_mean), x.mean(axis=(0, 1, 2)), rtol=2e-5)
    np.testing.assert_allclose(numbers(layer.moving_variance), x.var(axis=(0, 1, 2)), rtol=2e-5)
    np.testing.assert_allclose(numbers(layer(x)), numbers(layer(x, training=True)), atol=1e-4)


def test_variance_is_the_populations():
    layer = ZeroDebiasedBatchNormalization()
    layer(np.array([[1.0], [3.0]], "float32"), training=True)
    np.testing.assert_allclose(numbers(layer.moving_variance), [1.0], rtol=2e-5)


def test_unbiased_batch_normalization_moves_by_the_unbiased_variance():
    layer = UnbiasedBatchNormalization()
    mean, variance = np.zeros(2), np.ones(2)
    for batch in batches(3):
        y = numbers(layer(batch, training=True))
        axes = (0, 1, 2)
        np.testing.assert_allclose(
            y, (batch - batch.mean(axes)) / np.sqrt(batch.var(axes) + 1e-3), atol=1e-5
        )
        mean = 0.99 * mean + 0.01 * batch.mean(axes)
        variance = 0.99 * variance + 0.01 * batch.var(axes, ddof=1)  # n - 1 = 53
        np.testing.assert_allclose(numbers(layer.moving_mean), mean, rtol=1e-5)
        np.testing.assert_allclose(numbers(layer.moving_variance), variance, rtol=1e-5)
    x = batches(1)[0]
    expected = (x - mean) / np.sqrt(variance + 1e-3)
    np.testing.assert_allclose(numbers(layer(x)), expected, rtol=1e-4, atol=1e-5)


def test_unbiased_batch_normalization_of_a_single_element_is_finite():
    layer = UnbiasedBatchNormalization()
    layer(np.array([[5.0]], "float32"), training=True)
    np.testing.assert_allclose(numbers(layer.moving_variance), [0.99], rtol=1e-6)


def test_the_batch_normalization_of_keras_is_wrong_by_a_factor_of_a_thousand():
    keras_layer = keras.layers.BatchNormalization(momentum=0.999, epsilon=1e-5)
    x = batches()[0]
    keras_layer(x, training=True)
    np.testing.assert_allclose(
        1000 * numbers(keras_layer.moving_mean), x.mean(axis=(0, 1, 2)), rtol=1e-3
    )


def test_scale_and_shift_apply_in_training_and_inference():
    layer = ZeroDebiasedBatchNormalization()
    x = batches()[0]
    layer.build(x.shape)
    layer.gamma.assign([2.0, 3.0])
    layer.beta.assign([-1.0, 5.0])
    for training in (True, False):
        y = numbers(layer(x, training=training))
        np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), [-1.0, 5.0], atol=1e-3)
        np.testing.assert_allclose(y.std(axis=(0, 1, 2)), [2.0, 3.0], rtol=1e-3)


def test_inference_does_not_change_the_statistics():
    layer = ZeroDebiasedBatchNormalization()
    layer(batches()[0], training=True)
    before = [numbers(weight) for weight in layer.weights]
    layer(batches()[1])
    for old, new in zip(before, layer.weights, strict=True):
        np.testing.assert_array_equal(old, numbers(new))


def test_epsilon_is_added_to_the_variance():
    layer = ZeroDebiasedBatchNormalization(epsilon=3.0)
    y = numbers(layer(np.array([[-1.0], [1.0]], "float32"), training=True))
    np.testing.assert_allclose(y, [[-0.5], [0.5]], rtol=1e-6)


def test_round_trip_keeps_arguments_and_statistics(tmp_path):
    inputs = keras.Input((3, 3, 2))
    outputs = ZeroDebiasedBatchNormalization(decay=0.9, epsilon=0.1, name="bn")(inputs)
    model = keras.Model(inputs, outputs)
    for batch in batches():
        model(batch, training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("bn").decay == 0.9
    assert loaded.get_layer("bn").epsilon == 0.1
    x = batches()[0]
    np.testing.assert_array_equal(numbers(loaded(x)), numbers(model(x)))
    # The next step agrees as well: the debias variables were saved too.
    model(x, training=True)
    loaded(x, training=True)
    np.testing.assert_array_equal(
        numbers(loaded.get_layer("bn").moving_mean), numbers(model.get_layer("bn").moving_mean)
    )


def test_moments_keep_their_precision_with_a_large_mean():
    """E[x^2] - E[x]^2 in float32 has no digit left here."""
    x = np.random.default_rng(0).standard_normal((64, 2)).astype("float32") + np.float32(3000)
    mean, variance = moments(ops.convert_to_tensor(x), [0])
    np.testing.assert_allclose(numbers(mean), x.astype(np.float64).mean(0), rtol=1e-6)
    np.testing.assert_allclose(numbers(variance), x.astype(np.float64).var(0), rtol=1e-3)
    one_pass = (x**2).mean(0) - x.mean(0) ** 2
    assert np.abs(one_pass / x.astype(np.float64).var(0) - 1).max() > 0.1


def test_the_gradient_of_batch_normalization_follows_its_formula():
    """Against finite differences of the formula in float64."""
    random = np.random.default_rng(0)
    x, weights = random.standard_normal((2, 2, 2, 3)), random.standard_normal((2, 2, 2, 3))
    gamma, beta = np.array([1.0, 2.0, -1.0]), np.zeros(3)

    def loss(x):
        y = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-3) * gamma
        return np.sum(weights * y)

    steps = 1e-6 * np.eye(x.size).reshape(x.size, *x.shape)
    expected = np.array([(loss(x + step) - loss(x - step)) / 2e-6 for step in steps])

    class Fit(keras.Model):
        def __init__(self):
            super().__init__()
            self.x = self.add_weight(shape=x.shape, initializer="zeros", name="x")
            self.x.assign(x)

        def call(self, _, training=None):
            arguments = (np.float32(gamma), np.float32(beta))
            y, *_ = normalize_batch(
                ops.convert_to_tensor(self.x), *map(ops.convert_to_tensor, arguments), 1e-3
            )
            return ops.sum(ops.convert_to_tensor(weights, "float32") * y)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return y_pred

    model = Fit()
    model.compile(keras.optimizers.SGD(1.0), jit_compile=False)
    model.train_on_batch(np.zeros((1, 1), np.float32))
    np.testing.assert_allclose(x - numbers(model.x), expected.reshape(x.shape), atol=1e-4)


def test_residual_block_is_preactivated_with_a_plain_shortcut():
    inputs = keras.Input((4, 4, 3))
    block = keras.Model(inputs, residual_block(inputs, 5, kernel_size=3, depth=2, name="b"))
    names = [layer.name for layer in block.layers[1:]]
    assert sorted(names) == sorted(
        ["b_bn0", "b_relu0", "b_layer0", "b_bn1", "b_relu1", "b_layer1", "b_shortcut", "b_sum"]
    )
    for name in ("b_layer0", "b_layer1"):
        kernel = block.get_layer(name).kernel
        kernel.assign(np.zeros(kernel.shape))
    x = np.random.default_rng(0).standard_normal((2, 4, 4, 3)).astype("float32")
    # With the main path at zero the shortcut is left: not normalised, nothing after the sum.
    np.testing.assert_allclose(
        numbers(block(x)), numbers(block.get_layer("b_shortcut")(x)), atol=1e-6
    )
    assert numbers(block(x)).min() < 0


def test_dense_residual_block_has_no_normalization():
    inputs = keras.Input((3,))
    block = keras.Model(inputs, dense_residual_block(inputs, 5, depth=2, name="fc"))
    x = np.random.default_rng(0).standard_normal((2, 3)).astype("float32")
    weights = {layer.name: layer.get_weights() for layer in block.layers if layer.weights}
    assert sorted(weights) == ["fc_layer0", "fc_layer1", "fc_shortcut"]
    y = x
    for name in ("fc_layer0", "fc_layer1"):
        y = np.maximum(y, 0) @ weights[name][0] + weights[name][1]
    expected = y + x @ weights["fc_shortcut"][0] + weights["fc_shortcut"][1]
    np.testing.assert_allclose(numbers(block(x)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("log_sigma", [-1.0, 0.0, 2.0])
def test_reparameterize_scales_the_noise_by_sigma(log_sigma):
    mu, noise = np.array([[1.0, 2.0]], "float32"), np.array([[0.5, -1.0]], "float32")
    log_sigmas = ops.full((1, 2), log_sigma, dtype="float32")
    z = numbers(reparameterize(ops.convert_to_tensor(mu), log_sigmas, ops.convert_to_tensor(noise)))
    np.testing.assert_allclose(z, mu + np.exp(log_sigma) * noise, rtol=1e-6)
