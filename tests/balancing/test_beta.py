"""Fixed beta and its warm-up: their effect on the loss, and resumed runs."""

import keras
import numpy as np
import pytest

from balancing_vae import VAE
from balancing_vae import FixedBeta
from balancing_vae import WarmUpBeta
from balancing_vae.balancing import STRATEGIES
from balancing_vae.balancing import build_strategy
from balancing_vae.config import decides_kl_weight
from balancing_vae.presets import preset_config
from tests.helpers.backends import numbers
from tests.helpers.networks import dense_networks
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline

BATCH = 4
several_steps = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="PyTorch runs one step at a time"
)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (40, 4, 4, 1), dtype=np.uint8)
    return x, rng.standard_normal((40, 3), dtype=np.float32)


def make_vae(balancing, likelihood="gaussian", **compile_arguments) -> VAE:
    keras.utils.set_random_seed(0)
    vae = VAE(*dense_networks(), balancing, seed=0, likelihood=likelihood)
    vae.compile(keras.optimizers.Adam(0.01), **{"jit_compile": False, **compile_arguments})
    return vae


def fit(vae, data, epochs=1) -> dict:
    return vae.fit(data, batch_size=BATCH, shuffle=False, verbose=0, epochs=epochs).history


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_beta_is_the_weight_of_kl_and_is_logged(data, likelihood):
    vae = make_vae(FixedBeta(4), likelihood)
    logs = vae.evaluate(data, batch_size=20, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(4 * logs["kl"] + logs["reconstruction"], rel=1e-5)
    assert (logs["beta"], logs["gamma"], vae.kl_weight) == (4, 1, 4)
    if likelihood == "gaussian":
        # Half the sum of squares over 16 pixels, and the constant.
        assert logs["reconstruction"] == pytest.approx(16 * (logs["mse"] / 2 + 0.91893), rel=1e-5)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_warm_up_raises_the_weight_of_kl_from_0_to_beta(data, likelihood):
    vae = make_vae(WarmUpBeta(beta=3, steps=4), likelihood)
    for step in range(6):
        batch = [part[:BATCH] for part in data]
        vae.reset_metrics()
        logs = vae.train_on_batch(tuple(batch), return_dict=True)
        weight = 3 * min(1, step / 4)
        assert logs["loss"] == pytest.approx(weight * logs["kl"] + logs["reconstruction"], rel=1e-5)
        # As with gamma, the weight that the next step uses.
        assert float(logs["beta"]) == pytest.approx(3 * min(1, (step + 1) / 4))
    assert vae.evaluate(data, verbose=0, return_dict=True)["beta"] == 3
    assert numbers(vae.balancing.step) == 6


@several_steps
def test_warm_up_is_the_same_at_any_steps_per_execution(data):
    vaes = [make_vae(WarmUpBeta(2, 25), steps_per_execution=steps) for steps in (1, 5)]
    one, five = (fit(vae, data, epochs=3)["beta"] for vae in vaes)
    assert one == five == pytest.approx([0.8, 1.6, 2.0])
    for ours, theirs in zip(*(vae.trainable_variables for vae in vaes), strict=True):
        np.testing.assert_array_equal(numbers(ours), numbers(theirs))


class Interruption(Exception):
    """Stands for whatever ends a training."""


def test_a_resumed_training_continues_its_warm_up(tmp_path):
    """Six steps of stage 1, of which three are done when it is interrupted."""
    arguments = {
        "balancing": {"name": "warm_up", "beta": 2.0, "steps": 8},
        **{"epochs": 2, "epochs2": 0},
    }

    def interrupt(epoch, logs):
        if epoch == 1:
            raise Interruption

    stop = keras.callbacks.LambdaCallback(on_epoch_begin=interrupt)
    with pytest.raises(Interruption):
        tiny_pipeline(**arguments).fit(
            tiny_images(), verbose=False, run_dir=tmp_path, callbacks=[stop]
        )
    resumed = tiny_pipeline(**arguments)
    history = resumed.fit(tiny_images(), verbose=False, run_dir=tmp_path)
    assert [row["beta"] for row in history] == pytest.approx([2 * 3 / 8, 2 * 6 / 8])
    resumed.save(tmp_path / "saved")
    loaded = type(resumed).load(tmp_path / "saved")
    assert numbers(loaded.stage1.balancing.kl_factor) == 6 / 8
    assert loaded.stage1.kl_weight == loaded.stage2.kl_weight == 2


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("beta", {"beta": 0}, "beta must be positive, got 0"),
        ("beta", {"gamma": 1}, "'beta' does not take"),
        ("warm_up", {"beta": -1}, "beta must be positive"),
        ("warm_up", {"steps": 0}, "steps must be at least 1, got 0"),
    ],
)
def test_invalid_arguments_are_refused(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        build_strategy(name, **arguments)


def test_two_settings_of_the_weight_of_kl_are_refused():
    with pytest.raises(ValueError, match="FixedBeta sets.*4, which .*kl_weight=2.*omit kl_weight"):
        tiny_pipeline(balancing={"name": "beta", "beta": 4}, kl_weight=2.0)


def test_beta_replaces_the_weight_of_kl_of_a_preset():
    celeba = preset_config("celeba")
    assert celeba.replace(balancing={"name": "learned"}).kl_weight == 4
    assert celeba.replace(balancing={"name": "warm_up", "beta": 2}).kl_weight is None
    kept = celeba.replace(balancing={"name": "beta", "beta": 2}, kl_weight=3)
    assert kept.kl_weight == 3  # which the model refuses: both were asked for


def test_strategies_with_a_beta_determine_the_weight_of_kl():
    for name in STRATEGIES:
        assert decides_kl_weight({"name": name}) == (build_strategy(name).kl_weight is not None)
