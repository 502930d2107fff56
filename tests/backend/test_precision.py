"""Mixed precision: layers compute in 16 bits, and the balance is kept in float32."""

import keras
import numpy as np
import pytest

from balancing_vae import TwoStageVAE
from balancing_vae.backend import compilation as backend
from balancing_vae.backend.compilation import jit_compile_pays
from balancing_vae.backend.precision import layer_precision
from balancing_vae.config import Config
from balancing_vae.layers.batch_normalization import normalize_batch
from balancing_vae.storage.states import TrainingStates
from tests.helpers.backends import needs_tensorflow
from tests.helpers.backends import numbers
from tests.helpers.pipelines import digits_pipeline
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline
from tests.helpers.xla import with_xla


def test_the_layers_compute_in_the_given_precision_and_nothing_else_changes():
    vae = tiny_pipeline(precision="mixed_bfloat16")
    assert vae.stage1.encoder.get_layer("conv0").compute_dtype == "bfloat16"
    assert vae.stage1.encoder.get_layer("mu").compute_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_the_policy_is_restored_after_an_error():
    with pytest.raises(KeyError), layer_precision("mixed_float16"):
        raise KeyError
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_targets_keep_all_their_digits(precision):
    vae = tiny_pipeline(precision=precision)
    x = np.full((2, *vae.config.image_shape), 0.123456789, np.float32)
    np.testing.assert_array_equal(vae.stage1(x)["target"], x)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_trains_saves_and_generates(precision, tmp_path):
    vae = tiny_pipeline(precision=precision)
    vae.fit(tiny_images(), verbose=False)
    vae.save(tmp_path / "run")
    again = type(vae).load(tmp_path / "run")
    assert again.config.precision == precision
    np.testing.assert_allclose(again.generate(8, seed=1), vae.generate(8, seed=1), atol=0.01)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_the_quantities_of_the_balance_are_float32(precision):
    stage = tiny_pipeline(precision=precision).stage1
    found = stage(tiny_images(8), training=True)
    loss = stage.compute_loss(y_pred=found, training=True)
    tensors = {**found, "loss": loss, "gamma": stage.balancing.gamma}
    dtypes = {keras.backend.standardize_dtype(tensor.dtype) for tensor in tensors.values()}
    assert dtypes == {"float32"}
    norm = stage.encoder.get_layer("scale0_block0_bn0")
    assert {weight.dtype for weight in [*stage.weights, *norm.weights]} - {"uint32"} == {"float32"}
    # A half-width activation goes through, its statistics do not.
    half = keras.ops.cast(np.full((2, 2, 2, norm.gamma.shape[0]), 3.0), norm.compute_dtype)
    assert keras.backend.standardize_dtype(norm(half, training=True).dtype) == norm.compute_dtype


def test_statistics_of_half_width_activations_have_the_precision_of_float32():
    x = np.random.default_rng(0).standard_normal((64, 8, 8, 2)).astype("float32") + 30
    half = keras.ops.cast(x, "bfloat16")
    exact = np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(half, "float32")), np.float64)
    weights = keras.ops.ones(2), keras.ops.zeros(2)
    _, mean, variance = normalize_batch(half, *weights, epsilon=1e-5)
    np.testing.assert_allclose(numbers(mean), exact.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(numbers(variance), exact.var((0, 1, 2)), rtol=1e-3)


def test_only_float16_scales_its_loss():
    for precision, scaled in (("mixed_float16", True), ("mixed_bfloat16", False)):
        optimizer = tiny_pipeline(precision=precision).stage1.optimizer
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer) == scaled


@pytest.mark.parametrize(
    "precision", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)]
)
def test_gamma_follows_that_of_float32(digits, precision):
    """At a rate of 0.2 gamma is the error of the last few steps, not of the start.

    Float16 starts from a loss scale that is found: Keras skips a few steps to find it.
    """
    gammas = []
    for name in ("float32", precision):
        balancing = {"name": "computed", "rate": 0.2}
        stage = digits_pipeline(precision=name, balancing=balancing).stage1
        if name == "mixed_float16":
            stage.optimizer.dynamic_scale.assign(64.0)
        history = stage.fit(digits, batch_size=8, epochs=4, shuffle=False, verbose=0).history
        gammas.append(history["gamma"])
    assert gammas[0][-1] < 0.5
    np.testing.assert_allclose(gammas[1], gammas[0], rtol=0.02)


def test_a_mixed_training_is_resumed_exactly(tmp_path):
    """Float16's loss scale is part of the state."""
    states = TrainingStates(tmp_path)

    def stage():
        return tiny_pipeline(precision="mixed_float16").stage1

    def train(model):
        model.fit(tiny_images(), batch_size=8, shuffle=False, verbose=0)
        return [*model.get_weights(), numbers(model.optimizer.dynamic_scale)]

    uninterrupted, resumed = stage(), stage()
    train(uninterrupted)
    states.save(uninterrupted, 1, [])
    states.load_latest(resumed)
    expected = train(uninterrupted)
    assert expected[-1] < 2**15
    for ours, theirs in zip(train(resumed), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="mixed_bfloat16"):
        Config((8, 8, 1), 2, precision="bfloat16")


@needs_tensorflow
def test_xla_compiles_only_where_it_is_faster(monkeypatch):
    """On a CPU dense networks in float32 only; on an accelerator everything."""
    cases = [(True, "float32"), (False, "float32"), (False, "mixed_bfloat16")]
    monkeypatch.setattr(backend, "uses_accelerator", lambda: False)
    assert [jit_compile_pays(*case) for case in cases] == [False, True, False]
    for precision in ("float32", "mixed_bfloat16"):
        with with_xla():
            stage2 = TwoStageVAE.untrained("digits", precision=precision).stage2
        jits = {network.jit_compile for network in (stage2, stage2.encoder, stage2.decoder)}
        assert jits == {precision == "float32"}
    monkeypatch.setattr(backend, "uses_accelerator", lambda: True)
    assert all(jit_compile_pays(*case) for case in cases)
