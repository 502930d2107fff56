"""The strategies other than computed gamma: each one's formula, inside the training step."""

import keras
import numpy as np
import pytest

from balancing_vae import GECO
from balancing_vae import VAE
from balancing_vae import Capacity
from balancing_vae import CyclicalBeta
from balancing_vae import FixedGamma
from balancing_vae import LearnedGamma
from balancing_vae import OptimalGamma
from balancing_vae.balancing import STRATEGIES
from balancing_vae.balancing import build_strategy
from balancing_vae.models.objectives import HALF_LOG_TWO_PI
from balancing_vae.models.objectives import kl_divergence
from tests.helpers.backends import needs_tensorflow
from tests.helpers.backends import numbers
from tests.helpers.networks import dense_networks
from tests.helpers.processes import python_prints

BATCH = 4
PIXELS = 16
several_steps = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="PyTorch runs one step at a time"
)
# What moves soon enough to be seen in thirty steps, where the default does not.
QUICK = {
    "capacity": {"capacity": 2.0, "beta": 3.0, "steps": 20},
    "cyclical": {"beta": 3.0, "steps": 24, "cycles": 2},
    "learned": {"lr_factor": 10.0},
    "warm_up": {"steps": 20},
}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (40, 4, 4, 1), dtype=np.uint8)
    return x, rng.standard_normal((40, 3), dtype=np.float32)


def make_vae(balancing, optimizer=None, kl_weight=None, **compile_arguments) -> VAE:
    """Return a VAE of the same weights each time; it runs eagerly unless told otherwise."""
    keras.utils.set_random_seed(0)
    vae = VAE(*dense_networks(), balancing, kl_weight, seed=0)
    arguments = {"run_eagerly": True, "jit_compile": False, **compile_arguments}
    vae.compile(optimizer or keras.optimizers.Adam(0.01), **arguments)
    return vae


def fit(vae, data, **arguments) -> dict:
    return vae.fit(data, batch_size=BATCH, shuffle=False, verbose=0, **arguments).history


def batches(data):
    for start in range(0, len(data[0]), BATCH):
        yield tuple(part[start : start + BATCH] for part in data)


def step(vae, batch, **arguments) -> dict:
    """Train on a batch; return the logs of it alone."""
    vae.reset_metrics()
    logs = vae.train_on_batch(batch, return_dict=True, **arguments)
    return {name: float(numbers(value)) for name, value in logs.items()}


def terms(vae, batch) -> tuple[np.ndarray, np.ndarray]:
    """Return KL and mean squared error of each image, before a step."""
    y = vae(batch, training=True)
    kl = numbers(kl_divergence(y["mu"], y["log_sigma"]))
    errors = batch[0] / 255 - numbers(y["reconstruction"])
    return kl, np.mean(errors**2, axis=(1, 2, 3))


# Optimal gamma.


@pytest.mark.parametrize("per_image", [False, True])
def test_the_loss_of_optimal_gamma_is_its_minimum_over_gamma(data, per_image):
    vae = make_vae(OptimalGamma(per_image), kl_weight=2.0)
    for batch in batches(data):
        kl, errors = terms(vae, batch)
        shown = vae.test_on_batch(batch, return_dict=True)
        logs = step(vae, batch)
        mse = errors if per_image else np.mean(errors)
        likelihood = np.mean(PIXELS * (0.5 + np.log(mse) / 2 + HALF_LOG_TWO_PI))
        assert logs["loss"] == pytest.approx(2 * kl.mean() + likelihood, rel=1e-5)
        assert logs["reconstruction"] == pytest.approx(likelihood, rel=1e-5)
        assert logs["gamma"] == pytest.approx(np.mean(errors) ** 0.5, rel=1e-5)
        assert logs["beta"] == pytest.approx(2 * np.mean(errors), rel=1e-5)
        # Evaluated, a batch has its own gamma as well, not that of the last training step.
        vae.reset_metrics()
        assert shown["loss"] == pytest.approx(logs["loss"], rel=1e-5)
        assert shown["gamma"] == pytest.approx(logs["gamma"], rel=1e-5)


def test_training_and_validation_have_separate_logs(data):
    vae = make_vae(OptimalGamma(), run_eagerly=False)
    bright = np.ones((BATCH, 4, 4, 1), "float32"), data[1][:BATCH]
    history = fit(vae, data, validation_data=(bright,))
    assert history["gamma"][0] == pytest.approx(float(numbers(vae.balancing.gamma)))
    assert history["val_gamma"][0] == pytest.approx(history["val_mse"][0] ** 0.5, rel=1e-5)
    assert history["val_gamma"][0] > 1.1 * history["gamma"][0]


def test_the_gradient_treats_optimal_gamma_as_a_constant(data):
    """At a minimum over gamma the loss has no derivative by it."""
    batch = next(batches(data))
    optimal = make_vae(OptimalGamma(), keras.optimizers.SGD(1e-3))
    _, errors = terms(optimal, batch)
    fixed = make_vae(FixedGamma(float(np.mean(errors) ** 0.5)), keras.optimizers.SGD(1e-3))
    before = fixed.get_weights()
    for vae in (optimal, fixed):
        step(vae, batch)
    moved = 0.0
    pairs = zip(optimal.trainable_weights, fixed.trainable_weights, strict=True)
    for (ours, theirs), old in zip(pairs, before, strict=False):
        np.testing.assert_allclose(numbers(ours), numbers(theirs), rtol=1e-4, atol=1e-6)
        moved = max(moved, np.abs(numbers(theirs) - old).max())
    assert moved > 1e-3


def test_optimal_gamma_weighs_images_and_survives_a_batch_without_weight(data):
    batch = next(batches(data))
    weights = np.array([3.0, 1.0, 0.0, 0.0], "float32")
    vae = make_vae(OptimalGamma(), keras.optimizers.SGD(0.0))
    _, errors = terms(vae, batch)
    expected = np.average(errors, weights=weights) ** 0.5
    for scale in (1.0, 10.0):
        logs = step(vae, batch, sample_weight=scale * weights)
        assert logs["gamma"] == pytest.approx(expected, rel=1e-5)
    logs = step(vae, batch, sample_weight=0 * weights)
    assert logs["gamma"] == pytest.approx(expected, rel=1e-5) and logs["loss"] == 0


def test_a_perfect_reconstruction_has_a_finite_likelihood():
    found = OptimalGamma().gamma_of(keras.ops.zeros(()), None, None)
    assert float(numbers(found)) == pytest.approx(0.001)


# Learned gamma with a learning rate of its own.


@pytest.mark.parametrize("optimizer", ["Adam", "SGD", "RMSprop"])
def test_lr_factor_gives_log_gamma_its_own_learning_rate(data, optimizer):
    """With networks that stand still, five times the rate is five times the rate."""
    found = []
    for rate, factor in ((0.001, 5.0), (0.005, 1.0)):
        vae = make_vae(LearnedGamma(factor))
        vae.encoder.trainable = vae.decoder.trainable = False
        chosen = getattr(keras.optimizers, optimizer)(rate)
        vae.compile(chosen, run_eagerly=True, jit_compile=False)
        found.append([step(vae, batch)["gamma"] for batch in batches(data)])
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    assert found[0][-1] < 0.97


def test_lr_factor_does_not_change_the_learning_rate_of_the_networks(data):
    batch = next(batches(data))
    weights = []
    for factor in (1.0, 30.0):
        vae = make_vae(LearnedGamma(factor))
        step(vae, batch)
        weights.append([numbers(w) for w in vae.encoder.weights + vae.decoder.weights])
        assert float(numbers(vae.balancing.gamma)) == pytest.approx(
            np.exp(-0.01 * factor), rel=1e-4
        )
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


# Schedules of KL.


def test_capacity_penalises_the_distance_of_kl_from_a_rising_target(data):
    vae = make_vae(Capacity(capacity=4.0, beta=3.0, steps=8))
    slopes = set()
    for number, batch in enumerate(batches(data)):
        kl, errors = terms(vae, batch)
        logs = step(vae, batch)
        distance = kl.mean() - 4 * min(1, number / 8)
        assert logs["loss"] == pytest.approx(3 * abs(distance) + logs["reconstruction"], rel=1e-4)
        # The derivative by KL that the next step would have at this KL.
        assert logs["beta"] == 3 * np.sign(kl.mean() - 4 * min(1, (number + 1) / 8))
        slopes.add(logs["beta"])
    assert slopes == {3, -3}


def test_capacity_keeps_kl_at_its_target(data):
    vae = make_vae(Capacity(capacity=3.0, beta=100.0, steps=20), run_eagerly=False)
    images, noise = (np.tile(part, (10,) + (1,) * (part.ndim - 1)) for part in data)
    assert fit(vae, (images, noise), epochs=3)["kl"][-1] == pytest.approx(3.0, abs=0.3)


def test_cyclical_beta_rises_several_times_and_then_stays_constant(data):
    strategy = CyclicalBeta(beta=3.0, steps=12, cycles=3, rise=0.5)
    factors = []
    for _ in range(16):
        factors.append(float(numbers(strategy.kl_factor)))
        strategy.update(0.0)
    assert factors == [0, 0.5, 1, 1] * 3 + [1] * 4
    vae = make_vae(CyclicalBeta(beta=3.0, steps=12, cycles=3))
    for number, batch in zip(range(6), batches(data), strict=False):
        logs = step(vae, batch)
        weight = 3 * [0, 0.5, 1, 1, 0, 0.5][number]
        assert logs["loss"] == pytest.approx(weight * logs["kl"] + logs["reconstruction"], rel=1e-5)
        assert logs["beta"] == pytest.approx(3 * [0.5, 1, 1, 0, 0.5, 1][number])


def test_a_cycle_that_does_not_divide_its_steps_has_no_gap():
    strategy = CyclicalBeta(steps=10, cycles=4, rise=1.0)
    for number in range(10):
        strategy.step.assign(number)
        assert float(numbers(strategy.kl_factor)) == pytest.approx((number * 4 % 10) / 10)


# GECO.


def test_geco_follows_its_formula(data):
    vae = make_vae(GECO(kappa=0.3, rate=0.2, momentum=0.5))
    average, log_multiplier = None, 0.0
    for batch in batches(data):
        kl, errors = terms(vae, batch)
        gamma = np.exp(-log_multiplier / 2)
        logs = step(vae, batch)
        likelihood = errors.mean() / gamma**2 / 2 + np.log(gamma) + HALF_LOG_TWO_PI
        assert logs["loss"] == pytest.approx(kl.mean() + PIXELS * likelihood, rel=1e-4)
        mse = errors.mean()
        average = mse if average is None else (average + mse) / 2
        log_multiplier += 0.2 * min(average / 0.09 - 1, 1)
        assert logs["gamma"] == pytest.approx(np.exp(-log_multiplier / 2), rel=1e-5)
        assert logs["beta"] == pytest.approx(np.exp(-log_multiplier), rel=1e-5)


def test_geco_ends_with_the_tolerated_error():
    """These images are made of three numbers each, and could be coded much better."""
    rng = np.random.default_rng(0)
    x = 1 / (1 + np.exp(-rng.standard_normal((600, 3)) @ rng.standard_normal((3, 16))))
    x = x.reshape(600, 4, 4, 1).astype("float32")
    vae = make_vae(GECO(kappa=0.2, rate=0.05, momentum=0.9), run_eagerly=False)
    history = fit(vae, x, epochs=5)
    assert history["mse"][-1] ** 0.5 == pytest.approx(0.2, rel=0.1)
    assert history["gamma"][-1] > 1.2 * min(history["gamma"])  # once good enough, KL counts again


def test_geco_is_limited_if_the_tolerance_cannot_be_reached():
    strategy = GECO(kappa=1e-4, rate=5.0)
    for _ in range(10):
        strategy.update(keras.ops.ones(()))
    assert float(numbers(strategy.gamma)) == pytest.approx(0.001)


# All of them.


def trajectory(name, data, steps):
    strategy = build_strategy(name, **QUICK.get(name, {}))
    vae = make_vae(strategy, run_eagerly=False, steps_per_execution=steps)
    history = fit(vae, data, epochs=3)
    return history, [numbers(w) for w in vae.weights if "seed" not in w.path]


@several_steps
@pytest.mark.parametrize(
    "name",
    [
        name if name in ("geco", "optimal") else pytest.param(name, marks=pytest.mark.slow)
        for name in STRATEGIES
    ],
)
def test_a_strategy_is_the_same_at_any_steps_per_execution(data, name):
    (one, weights), (five, others) = (trajectory(name, data, steps) for steps in (1, 5))
    for key in ("gamma", "beta", "mse"):
        assert one[key] == five[key]
    for ours, theirs in zip(weights, others, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["geco", "optimal"])
def test_a_strategy_that_is_not_trainable_does_not_change(name):
    strategy = build_strategy(name)
    strategy.trainable = False
    strategy.update(keras.ops.convert_to_tensor(0.5))
    assert float(numbers(strategy.gamma)) == 1


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("learned", {"lr_factor": 0}, "lr_factor must be positive, got 0"),
        ("capacity", {"capacity": -1}, "capacity must be positive, got -1"),
        ("capacity", {"steps": 0}, "steps must be at least 1"),
        ("cyclical", {"cycles": 0}, "cycles must be at least 1, got 0"),
        ("cyclical", {"rise": 1.5}, r"rise must lie in \(0, 1\], got 1.5"),
        ("geco", {"kappa": 0}, "kappa must be positive, got 0"),
        ("geco", {"rate": -1}, "rate must be positive, got -1"),
        ("geco", {"momentum": 1}, r"momentum must lie in \[0, 1\), got 1"),
        ("optimal", {"per_image": 3}, "per_image"),
    ],
)
def test_invalid_arguments_are_refused(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        build_strategy(name, **arguments)


REPLICAS = """
import json
import numpy as np, tensorflow as tf
import keras
from tests.helpers.networks import dense_networks
from balancing_vae import VAE
from balancing_vae.balancing import build_strategy

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
rng = np.random.default_rng(0)
data = rng.random((40, 4, 4, 1), "float32"), rng.standard_normal((40, 3), "float32")
results = {}
strategies = {
    "one": tf.distribute.get_strategy(),
    "two": tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]),
}
for name, arguments in {
    "capacity": {"capacity": 1.0, "beta": 3.0, "steps": 5}, "optimal": {}, "geco": {}
}.items():
    for devices, scope in strategies.items():
        with scope.scope():
            keras.utils.set_random_seed(0)
            vae = VAE(*dense_networks(), build_strategy(name, **arguments))
            vae.compile(keras.optimizers.SGD(0.01), jit_compile=False)
            history = vae.fit(data, batch_size=8, epochs=2, verbose=0, shuffle=False).history
            weight = float(keras.ops.sum(keras.ops.abs(vae.trainable_weights[0])))
            results[f"{name} {devices}"] = [
                *(float(history[key][-1]) for key in ("gamma", "beta", "loss")), weight
            ]
print(json.dumps(results))
"""


@pytest.mark.slow
@needs_tensorflow
def test_two_replicas_have_the_numbers_of_one():
    results = python_prints(REPLICAS)
    for name in ("capacity", "optimal", "geco"):
        assert results[f"{name} two"] == pytest.approx(results[f"{name} one"], rel=1e-4)
