"""Fused executions on JAX give the same weights, and are used only where they are possible."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from balancing_vae.backend import fused
from balancing_vae.backend import step_choice
from balancing_vae.balancing import STRATEGIES
from balancing_vae.training.batches import EpochBatches
from tests.helpers.backends import numbers
from tests.helpers.paths import ROOT
from tests.helpers.processes import python_prints
from tests.helpers.processes import run_python
from tests.helpers.stage_cases import data_for
from tests.helpers.stage_cases import registered_models
from tests.helpers.stage_cases import stage_of

SCRIPT = ROOT / "tests" / "helpers" / "fused_training.py"
pytest.importorskip("jax")
pytestmark = pytest.mark.slow  # The slow tests come with JAX, the fast ones do without.


def runs(*arguments: dict, devices: int = 1) -> list[dict]:
    process = run_python(SCRIPT, json.dumps(arguments), devices, KERAS_BACKEND="jax")
    assert process.returncode == 0, process.stderr[-3000:]
    return json.loads(process.stdout.splitlines()[-1])


def distance(one: dict, other: dict) -> float:
    return np.abs(np.subtract(one["weights"], other["weights"])).max()


def assert_same(found: dict, single: dict, steps: int) -> None:
    """Of seven batches, the last execution has fewer than `steps`."""
    assert found["fuses"] and not single["fuses"]
    losses = dict(enumerate(loss for _, loss in single["losses"][:7]))
    ends = [batch for batch, _ in found["losses"]]
    per_epoch = list(range(steps - 1, 7 + steps - 1, steps))
    assert ends == per_epoch * (len(ends) // len(per_epoch))
    for batch, loss in found["losses"][: len(per_epoch)]:
        assert loss == pytest.approx(losses[min(batch, 6)], rel=1e-6)
    assert_same_epochs(found, single)


def assert_same_epochs(found: dict, single: dict) -> None:
    for name, values in single["history"].items():
        assert found["history"][name] == pytest.approx(values, rel=1e-4)
    assert found["trained_epochs"] == single["trained_epochs"]


def test_fused_steps_equal_single_steps():
    single, found = runs({"epochs": 1}, {"epochs": 1, "steps": 3})
    assert_same(found, single, 3)
    assert found["kinds"] == ["rows"]
    assert distance(found, single) < 1e-5


def test_data_that_do_not_fit_the_device_are_sent_to_it():
    too_large = {"steps": 3, "resident": False}
    single, found, told = runs({}, too_large, too_large | {"accelerator": True, "epochs": 1})
    assert_same(found, single, 3)
    assert found["kinds"] == told["kinds"] == ["batches"]
    assert distance(found, single) < 1e-5
    assert not found["warnings"]
    (warning,) = told["warnings"]
    assert "The training data, 0.00 GB, stay in main memory" in warning
    assert "each batch is sent there" in warning


@pytest.fixture(scope="module")
def with_strategies():
    """By strategy, a training by single steps and one by fused executions, all in one process."""
    both = [
        {"case": f"{name} gaussian", "steps": steps, "validation": True}
        for name in STRATEGIES
        for steps in (1, 3)
    ]
    found = runs(*both)
    return dict(zip(STRATEGIES, zip(found[::2], found[1::2], strict=True), strict=True))


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_each_strategy_gives_the_same_numbers_in_fused_steps(name, with_strategies):
    single, found = with_strategies[name]
    assert_same(found, single, 3)
    assert distance(found, single) < 1e-5


def test_steps_are_not_fused_without_compilation_or_on_another_backend(monkeypatch):
    class Model:
        steps_per_execution, jit_compile, run_eagerly = 5, True, False

    monkeypatch.setattr(fused.keras.backend, "backend", lambda: "jax")
    assert fused.fuses(Model())
    for name, value in (("jit_compile", False), ("run_eagerly", True), ("steps_per_execution", 1)):
        with monkeypatch.context() as patch:
            patch.setattr(Model, name, value)
            assert not fused.fuses(Model())
    monkeypatch.setattr(fused.keras.backend, "backend", lambda: "tensorflow")
    assert not fused.fuses(Model())


COUNT_COMPILATIONS = """
import logging
import jax
import numpy as np
from balancing_vae import TwoStageVAE
from balancing_vae.training.batches import EpochBatches

lines = []
handler = logging.Handler()
handler.emit = lambda record: lines.append(record.getMessage())
logging.getLogger("jax").addHandler(handler)
jax.config.update("jax_log_compiles", True)
stage = TwoStageVAE.untrained("digits-small").stage2
stage.compile(stage.optimizer, jit_compile=True, steps_per_execution=2)
latents = np.zeros((40, 16), np.float32), np.ones((40, 16), np.float32)
stage.fit(EpochBatches(latents, 10, seed=0), epochs=3, verbose=0)
print(sum("Finished XLA compilation of jit(steps)" in line for line in lines))
"""


def test_all_executions_are_one_compiled_program():
    process = run_python("-c", COUNT_COMPILATIONS, KERAS_BACKEND="jax")
    assert process.stdout.split() == ["1"], process.stderr[-3000:]


def test_row_numbers_select_the_rows_of_a_batch():
    x = np.arange(10) * 10
    batches = EpochBatches(x, 4, seed=0)
    rows = fused.RowNumbers(batches)
    assert len(rows) == len(batches) == 2
    for index in range(2):
        np.testing.assert_array_equal(x[rows[index][0]], batches[index][0])


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("model", registered_models())
def test_two_hundred_fused_steps_differ_by_rounding_only(model, optimizer):
    """As two runs of single steps, one from weights that were moved by 6e-8."""
    common = {"case": f"model {model}", "optimizer": optimizer, "epochs": 29, "validation": True}
    single, moved, found = runs(common, common | {"moved": 6e-8}, common | {"steps": 3})
    assert_same(found, single, 3)
    assert distance(found, single) <= distance(moved, single)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_fused_too(precision):
    common = {"precision": precision}
    single, found = runs(common, common | {"steps": 3})
    assert found["fuses"] and found["kinds"] == ["rows"]
    assert found["losses"][0][1] == pytest.approx(single["losses"][2][1], rel=1e-3)
    assert found["history"]["loss"] == pytest.approx(single["history"]["loss"], rel=1e-2)


@pytest.mark.parametrize("model", ["vae", "latent"])
def test_a_resumed_fused_training_ends_with_the_same_weights(model):
    common = {"case": f"model {model}", "steps": 3, "epochs": 4}
    whole, resumed = runs(common, common | {"resume": True})
    assert whole["weights"] == resumed["weights"]
    assert whole["history"] == resumed["history"]


def test_validation_is_fused_too():
    common = {"count": 26, "validation": True}
    single, found = runs(common, common | {"steps": 3})
    assert found["fuses_validation"] and not single["fuses_validation"]
    # Of seven batches the last has two rows; Keras counts as if the last execution were whole.
    assert [batch for batch, _ in found["validated"]] == [2, 5, 8] * 2
    so_far = dict(single["validated"][:7])
    for batch, loss in found["validated"][:3]:
        assert loss == pytest.approx(so_far[min(batch, 6)], rel=1e-5)
    assert_same_epochs(found, single)


EVALUATED_TWICE = """
from balancing_vae.training.batches import FileOrderBatches
from tests.helpers.stage_cases import compiled, data_for, registered_models, stage_of

stage = compiled(stage_of(registered_models()["autoencoder"]))
batches = FileOrderBatches(data_for(stage, count=28), 4)
before = stage.evaluate(batches, verbose=0)
stage.settle_steps(3)
print([before, stage.evaluate(batches, verbose=0)])
"""


def test_evaluation_with_other_steps_per_execution_measures_all_batches():
    """What was made for the former number would measure every third batch only."""
    before, after = python_prints(EVALUATED_TWICE, KERAS_BACKEND="jax")
    assert after == pytest.approx(before, rel=1e-6)


def test_plain_arrays_with_a_smaller_last_batch_are_fused():
    common = {"plain": True, "count": 26, "validation": True}
    single, found, without = runs(
        common, common | {"steps": 3}, common | {"steps": 3, "jit_compile": False}
    )
    assert_same(found, single, 3)
    assert found["kinds"] == ["batches"]
    assert not without["fuses"]
    for other in (found, without):
        assert distance(other, single) < 1e-5


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_two_devices_fuse_their_steps(optimizer):
    common = {"optimizer": optimizer, "validation": True}
    (single,) = runs(common)
    two, found = runs(common, common | {"steps": 3}, devices=2)
    assert_same(found, single, 3)
    assert found["kinds"] == ["batches"]
    assert distance(found, two) < 1e-5


class Choosing:
    """A model whose step takes 1 ms and what lies between two executions another."""

    def __init__(self, between=1e-3, step=1e-3):
        self.between, self.step = between, step
        self.jit_compile = True
        self.variables = [keras.Variable(1.0)]
        self.optimizer = SimpleNamespace(variables=[keras.Variable(2.0)])
        self.tried = []

    def settle_steps(self, steps):
        self.steps = steps

    def seconds(self, model, batches, steps, fit):
        self.tried.append(steps)
        self.variables[0].assign_add(1.0)
        return self.step + self.between / steps


@pytest.mark.parametrize(
    ("model", "rows", "tried", "chosen"),
    [
        (Choosing(), 4000, [1, 10, 100], 10),  # 100 bring less than a tenth more
        (Choosing(step=1e-4), 4000, [1, 10, 100], 100),
        (Choosing(step=1e-4), 160, [1, 10, 40], 40),  # an epoch has no more
        (Choosing(step=0.1), 4000, [1], 1),
        (Choosing(between=0.0), 4000, [1, 10], 1),
    ],
)
def test_the_number_of_fused_steps_is_the_fastest_measured(model, rows, tried, chosen, monkeypatch):
    monkeypatch.setattr(step_choice, "several_steps_may_pay", lambda jit_compile: True)
    monkeypatch.setattr(step_choice, "seconds_a_step", model.seconds)
    batches = EpochBatches(np.zeros(rows), 4, seed=0)
    step_choice.choose_steps(model, batches, 100_000, fit=None)
    assert (model.tried, model.steps) == (tried, chosen)
    assert float(numbers(model.variables[0])) == 1


def test_a_short_training_is_not_measured(monkeypatch):
    monkeypatch.setattr(step_choice, "several_steps_may_pay", lambda jit_compile: True)
    monkeypatch.setattr(step_choice, "seconds_a_step", lambda *_: pytest.fail("measured"))
    step_choice.choose_steps(Choosing(), EpochBatches(np.zeros(40), 4, seed=0), 2, fit=None)


def test_more_steps_than_an_epoch_has_are_reported():
    stage = stage_of(registered_models()["vae"])
    stage.compile("sgd", jit_compile=False, run_eagerly=True, steps_per_execution=9)
    with pytest.warns(UserWarning, match="is 9, and an epoch has 2 steps"):
        stage.fit(EpochBatches(data_for(stage), 4, seed=0), shuffle=False, verbose=0)


def test_a_measurement_does_not_change_the_training():
    common = {"epochs": 3, "count": 40}
    single, found = runs(common, common | {"measured": True})
    assert found["measured"] == [1, 10]
    assert_same_epochs(found, single)
    assert distance(found, single) < 1e-5
