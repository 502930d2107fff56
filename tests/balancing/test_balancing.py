"""The gamma rule, alone and inside the compiled step."""

import csv

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancing_vae import VAE
from balancing_vae import ComputedGamma
from balancing_vae import FixedGamma
from balancing_vae import GammaBalancing
from balancing_vae import LearnedGamma
from balancing_vae import update_running_mse
from balancing_vae.balancing import build_strategy
from tests.helpers.backends import needs_tensorflow
from tests.helpers.backends import numbers
from tests.helpers.networks import dense_networks
from tests.helpers.processes import python_prints

BATCH = 4
# The original program's (2 D / L)^2.
KL_WEIGHT = (2 * 4 / 3) ** 2
BACKEND = keras.backend.backend()
several_steps = pytest.mark.skipif(BACKEND == "torch", reason="PyTorch runs one step at a time")
positive = st.floats(1e-6, 10)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (40, 4, 4, 1), dtype=np.uint8)
    return x, rng.standard_normal((40, 3), dtype=np.float32)


def make_vae(balancing=None, kl_weight=None, **compile_arguments) -> VAE:
    keras.utils.set_random_seed(0)
    vae = VAE(*dense_networks(), balancing, kl_weight, seed=0)
    arguments = {"jit_compile": False, **compile_arguments}
    vae.compile(keras.optimizers.Adam(0.01, epsilon=1e-8), **arguments)
    return vae


@pytest.fixture(scope="module")
def compiled() -> VAE:
    return make_vae(kl_weight=KL_WEIGHT)


@pytest.fixture
def vae(compiled) -> VAE:
    """A model that was compiled and fitted by other tests before, gamma back at 1."""
    compiled.balancing.running_mse.assign(1.0)
    return compiled


def fit(vae, data, **arguments):
    return vae.fit(data, batch_size=BATCH, shuffle=False, verbose=0, **arguments).history


# The rule by itself.


def test_worked_example_of_the_docstring():
    m = 1.0
    m = update_running_mse(m, 0.10)
    assert m == pytest.approx(0.991)
    m = update_running_mse(m, 0.05)
    assert m == pytest.approx(0.98159)
    assert update_running_mse(m, 2.00) == m
    assert m**0.5 == pytest.approx(0.990752, abs=1e-6)


@given(m=positive, error=positive, rate=st.floats(0, 1))
def test_rule_is_the_minimum_of_old_and_averaged(m, error, rate):
    expected = min(m, (1 - rate) * m + rate * error)
    rounding = 1e-15 * max(1, m)  # of the difference of two numbers as large as m
    assert update_running_mse(m, error, rate) == pytest.approx(expected, rel=1e-12, abs=rounding)


@given(errors=st.lists(st.floats(0, 1e6), max_size=30))
def test_running_mse_never_rises(errors):
    m = 1.0
    for error in errors:
        former, m = m, update_running_mse(m, error)
        assert 0 < m <= former


def test_noise_pulls_the_estimate_below_the_mean_error():
    """What docs/gamma_rule.md says of small batches."""
    random = np.random.default_rng(0)
    for noise, expected in ((0.05, 0.93), (0.2, 0.72)):
        m = 1.0
        for _ in range(2000):
            m = update_running_mse(m, 0.01 * (1 + noise * random.standard_normal()))
        assert m / 0.01 == pytest.approx(expected, abs=0.03)


def frameworks():
    """Yield each installed framework's name and its way to make a scalar."""
    yield "python", float
    yield "numpy", np.float32
    for module, make in (
        ("tensorflow", lambda framework: framework.constant),
        ("torch", lambda framework: framework.tensor),
        ("jax.numpy", lambda framework: framework.asarray),
    ):
        try:
            yield module, make(__import__(module, fromlist=["_"]))
        except ImportError:
            continue


@pytest.mark.parametrize(("name", "scalar"), list(frameworks()), ids=lambda value: str(value)[:12])
def test_the_rule_accepts_numbers_of_any_framework(name, scalar):
    for m, error in ((1.0, 0.1), (0.5, 0.4), (0.2, 3.0)):
        found = update_running_mse(scalar(m), scalar(error))
        assert type(found) is type(scalar(m))
        assert float(found) == pytest.approx(min(m, 0.99 * m + 0.01 * error), rel=1e-6)


# Strategies.


def test_strategies_start_with_the_values_of_the_original_programs():
    assert float(numbers(ComputedGamma().gamma)) == 1.0
    assert float(numbers(LearnedGamma().gamma)) == 1.0
    assert float(numbers(FixedGamma(0.25).gamma)) == 0.25


def test_strategies_are_made_by_name():
    assert isinstance(build_strategy("learned"), LearnedGamma)
    assert build_strategy("computed", rate=0.5).initial_rate == 0.5
    with pytest.raises(ValueError, match="Unknown balancing 'guessed'.*computed.*fixed.*learned"):
        build_strategy("guessed")
    with pytest.raises(ValueError, match="'fixed' does not take"):
        build_strategy("fixed", sigma=1)


@pytest.mark.parametrize("make", [lambda: FixedGamma(0.0), lambda: FixedGamma(-1)])
def test_gamma_must_be_positive(make):
    with pytest.raises(ValueError, match="gamma must be positive"):
        make()


def test_rate_must_lie_between_0_and_1():
    with pytest.raises(ValueError, match=r"rate must lie in \[0, 1\]"):
        ComputedGamma(rate=1.5)


# Inside the compiled step.


def test_loss_and_gamma_follow_the_formula_step_by_step(vae, data):
    """The loss uses gamma from before the step's own update."""
    x, noise = data
    m = 1.0
    for start in range(0, 20, BATCH):
        batch, eps = x[start : start + BATCH], noise[start : start + BATCH]
        y = vae((batch, eps), training=True)
        mu, log_sigma, x_hat = (numbers(y[k]) for k in ("mu", "log_sigma", "reconstruction"))
        errors = batch / 255 - x_hat
        kl = np.sum(mu**2 + np.exp(2 * log_sigma) - 2 * log_sigma - 1) / 2 / BATCH
        nll = np.sum(errors**2 / m / 2 + np.log(m) / 2 + 0.91893) / BATCH
        vae.reset_metrics()
        logs = vae.train_on_batch((batch, eps), return_dict=True)
        assert float(logs["mse"]) == pytest.approx(np.mean(errors**2), rel=1e-5)
        assert float(logs["kl"]) == pytest.approx(kl, rel=1e-4)
        assert float(logs["loss"]) == pytest.approx(KL_WEIGHT * kl + nll, rel=1e-4)
        m = min(m, 0.99 * m + 0.01 * np.mean(errors**2))
        assert float(logs["gamma"]) == pytest.approx(m**0.5, rel=1e-6)
        assert float(logs["beta"]) == pytest.approx(KL_WEIGHT * m, rel=1e-6)


def trajectory(data, **compile_arguments):
    vae = make_vae(**compile_arguments)
    history = fit(vae, data, epochs=3)
    return history["gamma"], [numbers(w) for w in vae.weights if "seed" not in w.path]


@several_steps
def test_gamma_is_the_same_at_any_steps_per_execution(data):
    (gammas, weights), (found, others) = trajectory(data), trajectory(data, steps_per_execution=5)
    assert 1 > gammas[0] > gammas[1] > gammas[2]
    assert found == gammas
    for one, five in zip(weights, others, strict=True):
        np.testing.assert_array_equal(one, five)


@pytest.mark.slow
@several_steps
@pytest.mark.parametrize("steps", [1, 5])
def test_gamma_is_the_same_with_jit(data, steps):
    """Bit by bit on TensorFlow, though XLA rounds some weights otherwise."""
    gammas, weights = trajectory(data)
    found, others = trajectory(data, jit_compile=True, steps_per_execution=steps)
    assert found == (gammas if BACKEND == "tensorflow" else pytest.approx(gammas, rel=1e-6))
    for plain, with_jit in zip(weights, others, strict=True):
        np.testing.assert_allclose(plain, with_jit, rtol=1e-4, atol=1e-6)


def test_evaluate_does_not_change_gamma(vae, data):
    fit(vae, data)
    before = numbers(vae.balancing.running_mse)
    logs = vae.evaluate(data, batch_size=BATCH, verbose=0, return_dict=True)
    assert numbers(vae.balancing.running_mse) == before
    assert logs["gamma"] == pytest.approx(before**0.5)


def test_evaluation_counts_every_image_once(vae, data):
    """The last batch is smaller: its means must weigh less."""
    x, noise = data[0][:10], data[1][:10]
    logs = vae.evaluate((x, noise), batch_size=BATCH, verbose=0, return_dict=True)
    x_hat = numbers(vae((x, noise))["reconstruction"])
    assert logs["mse"] == pytest.approx(np.mean((x / 255 - x_hat) ** 2), rel=1e-5)
    total = vae.kl_weight * logs["kl"] + logs["reconstruction"]
    assert logs["loss"] == pytest.approx(total, rel=1e-5)


def test_fixed_gamma_does_not_change(data):
    vae = make_vae(FixedGamma(0.3))
    assert fit(vae, data, epochs=2)["gamma"] == pytest.approx([0.3, 0.3])


def test_learned_gamma_is_trained_to_the_root_of_the_mse(data):
    vae = make_vae(LearnedGamma())
    vae.optimizer.learning_rate.assign(0.05)
    history = fit(vae, data, epochs=20)
    assert history["gamma"][-1] == pytest.approx(history["mse"][-1] ** 0.5, rel=0.1)


def test_gamma_is_saved_with_the_weights(vae, data, tmp_path):
    other = make_vae()
    fit(vae, data)
    vae.save_weights(tmp_path / "a.weights.h5")
    other.load_weights(tmp_path / "a.weights.h5")
    assert numbers(other.balancing.gamma) == numbers(vae.balancing.gamma) < 1


# The user's handle.


def test_the_callback_sets_gamma_after_a_fit_too(vae, data):
    fit(vae, data)
    first = fit(vae, data, callbacks=[GammaBalancing(gamma=0.2, rate=0)])["gamma"]
    assert first == pytest.approx([0.2])
    # Gamma stays where it was seeded: the errors are larger, and it never rises.
    assert fit(vae, data)["gamma"] == pytest.approx([0.2])


def test_the_callback_freezes_gamma_and_restores_the_rate(vae, data):
    assert fit(vae, data, epochs=2, callbacks=[GammaBalancing(rate=0)])["gamma"] == [1.0, 1.0]
    assert float(numbers(vae.balancing.rate)) == pytest.approx(0.01)
    assert fit(vae, data)["gamma"][0] < 1
    assert fit(vae, data, callbacks=[GammaBalancing(rate=0.5)])["gamma"][0] < 0.8


def test_the_rate_is_restored_after_an_interrupted_training(vae, data):

    def interrupt(batch, logs):
        raise KeyboardInterrupt

    stop = keras.callbacks.LambdaCallback(on_train_batch_end=interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(vae, data, callbacks=[GammaBalancing(rate=0), stop])
    assert fit(vae, data)["gamma"][0] < 1


def test_the_callback_refuses_invalid_arguments(data):
    with pytest.raises(ValueError, match="gamma must be positive"):
        GammaBalancing(gamma=0)
    with pytest.raises(ValueError, match="rate must lie in"):
        GammaBalancing(rate=2)
    with pytest.raises(ValueError, match="ComputedGamma, got FixedGamma; leave"):
        fit(make_vae(FixedGamma()), data, callbacks=[GammaBalancing()])


def test_gamma_is_in_history_csv_and_progress_bar(vae, data, tmp_path, capfd):
    log = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    history = vae.fit(data, batch_size=BATCH, epochs=2, verbose=2, callbacks=[log]).history
    for name in ("loss", "kl", "reconstruction", "mse", "gamma", "beta"):
        assert len(history[name]) == 2
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["gamma"]) for row in rows] == pytest.approx(history["gamma"])
    assert [float(row["mse"]) for row in rows] == pytest.approx(history["mse"])
    shown = capfd.readouterr().out
    assert "gamma: " in shown and "mse: " in shown


# What a backend cannot run.


def test_torch_refuses_several_steps_per_execution(monkeypatch):
    monkeypatch.setattr("balancing_vae.backend.compilation.keras.backend.backend", lambda: "torch")
    with pytest.raises(ValueError, match="PyTorch backend runs one step.*steps_per_execution=5"):
        make_vae(steps_per_execution=5)


def test_steps_per_execution_must_be_positive():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        make_vae(steps_per_execution=0)


MIRRORED = """
import json
import numpy as np, tensorflow as tf
from tests.helpers.networks import dense_networks
from balancing_vae import VAE

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
rng = np.random.default_rng(0)
data = rng.random((40, 4, 4, 1), "float32"), rng.standard_normal((40, 3), "float32")
results = {}
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    for name, arguments in {
        "steps": {"steps_per_execution": 5, "jit_compile": False},
        "jit": {"jit_compile": True},
        "plain": {"jit_compile": False},
        "auto": {},
    }.items():
        vae = VAE(*dense_networks())
        try:
            vae.compile("adam", **arguments)
            history = vae.fit(data, batch_size=8, epochs=2, verbose=0).history
            results[name] = [float(gamma) for gamma in history["gamma"]]
        except ValueError as error:
            results[name] = str(error)
print(json.dumps(results))
"""


@pytest.mark.slow
@needs_tensorflow
def test_two_replicas_train_or_are_refused_with_a_clear_message():
    results = python_prints(MIRRORED)
    for name in ("steps", "jit"):
        assert "only at steps_per_execution=1 and jit_compile=False" in results[name]
    assert 1 > results["plain"][0] > results["plain"][1] > 0.8
