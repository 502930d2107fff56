"""Parity with the original program's recorded numbers, and proof that the comparison can fail."""

import shutil
import sys

import check_parity
import numpy as np
import pytest
from check_parity import check
from keras import ops
from parity import balancing as program
from parity.balancing import check_posterior
from parity.balancing import check_stage1
from parity.balancing import check_stage2
from parity.rows import Row
from parity.rows import difference

from balancing_vae import ComputedGamma
from balancing_vae import balancing
from balancing_vae.layers.batch_normalization import ZeroDebiasedBatchNormalization
from balancing_vae.models import vae
from balancing_vae.storage.checkpoint import read_variables
from tests.helpers.backends import needs_tensorflow
from tests.helpers.paths import GOLDEN
from tests.helpers.processes import compared_and_none_exceeds
from tests.helpers.processes import run_python
from tests.helpers.xla import with_xla

# What a run started with, rather than what came of it.
GIVEN = {
    "x_train",
    "x_test",
    *(f"stage1/{name}" for name in ("batch_indices", "noise_z", "lr")),
    *(f"stage2/{name}" for name in ("batch_indices", "noise_z", "noise_u", "lr")),
    "eval/reconstruct_noise_z",
    "eval/reconstruct2_noise_u",
    "eval/gen1/normal_draws",
    "eval/gen2/normal_draws",
}


@pytest.fixture(scope="module")
def measured():
    """All rows; and what came of each training, by stage and seed, for further comparisons."""
    train, trainings = program.train_moved, {}

    def train_and_keep(stage, inputs, rates, seed=None):
        trainings[stage.name, seed] = train(stage, inputs, rates, seed)
        return trainings[stage.name, seed]

    with with_xla(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "train_moved", train_and_keep)
        return check(GOLDEN), trainings


@pytest.fixture(scope="module")
def rows(measured):
    return measured[0]


def copy_without(pattern, folder):
    ignored = shutil.ignore_patterns(*pattern)
    return shutil.copytree(GOLDEN, folder / "golden", ignore=ignored)


def test_no_quantity_exceeds(rows):
    assert [str(row) for row in rows if row.exceeds] == []


def test_every_recorded_array_is_compared(rows, golden):
    compared = {row.name.split(" ")[0] for row in rows}
    assert set(golden) - compared == GIVEN
    assert all(row.allowed is not None for row in rows)


@pytest.mark.parametrize("checkpoint", ["init", "stage1", "stage2"])
def test_both_forms_of_a_checkpoint_hold_the_same(checkpoint):
    as_tf1 = read_variables(GOLDEN / checkpoint)
    as_npz = read_variables(GOLDEN / f"{checkpoint}.npz")
    assert set(as_tf1) == set(as_npz)
    for name, value in as_npz.items():
        np.testing.assert_array_equal(as_tf1[name], value)


@pytest.mark.slow
@needs_tensorflow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_no_quantity_exceeds_on_another_backend(backend):
    pytest.importorskip(backend)
    # On networks so small PyTorch's threads only wait for each other.
    threads = {"OMP_NUM_THREADS": "1"}
    process = run_python("tools/check_parity.py", GOLDEN, KERAS_BACKEND=backend, **threads)
    assert process.returncode == 0, process.stdout + process.stderr
    assert compared_and_none_exceeds(process.stdout) >= 37


# Proof that it can fail. A few steps are enough, and eager ones need no compiling.


@pytest.fixture
def few_steps(golden, monkeypatch):
    """Numbers of the first steps only, and a pipeline that runs step by step."""
    build = program.make_pipeline

    def eager(*arguments):
        pipeline = build(*arguments)
        for stage in (pipeline.stage1, pipeline.stage2):
            for model in (stage, stage.encoder, stage.decoder):
                model.run_eagerly = True
        return pipeline

    monkeypatch.setattr(program, "make_pipeline", eager)
    monkeypatch.setattr(program, "MOVED_RUNS", 1)
    whole = ("stage1/train_mu", "stage1/train_sd")
    steps = len(golden["stage1/loss"])
    return {
        name: value[:4] if np.shape(value)[:1] == (steps,) and name not in whole else value
        for name, value in golden.items()
    }


def exceeding(rows):
    # After a few steps neither the estimate nor the averages are the final ones.
    whole = ("final_mse_estimate", "moving statistics")
    return {row.name for row in rows if row.exceeds and not row.name.endswith(whole)}


def test_few_steps_are_faithful(few_steps):
    assert exceeding(check_stage1(GOLDEN, few_steps)) == set()
    assert exceeding(check_stage2(GOLDEN, few_steps)) == set()


@pytest.mark.slow
@pytest.mark.parametrize("left_out", [["*.index", "*.data-*"], ["init.npz", "stage*.npz"]])
def test_either_form_of_the_checkpoints_is_accepted(left_out, few_steps, tmp_path):
    folder = copy_without(left_out, tmp_path)
    np.savez(folder / "golden.npz", **few_steps)
    assert exceeding(check(folder)) == set()


def test_a_transposed_kernel_exceeds(few_steps, tmp_path):
    folder = copy_without(["*.index", "*.data-*"], tmp_path)
    variables = read_variables(folder / "stage1.npz")
    name = "stage1/encoder/scale0/block0/layer0/kernel"
    variables[name] = variables[name].swapaxes(0, 1)
    np.savez(folder / "stage1.npz", **variables)
    expected = {"stage1/train_mu", "stage1/train_sd"}
    assert exceeding(check_posterior(folder, few_steps)) == expected


def test_reading_the_second_head_as_a_log_variance_exceeds(few_steps, monkeypatch):
    sample, divergence = vae.reparameterize, vae.kl_divergence
    monkeypatch.setattr(vae, "reparameterize", lambda mu, s, noise: sample(mu, s / 2, noise))
    monkeypatch.setattr(vae, "kl_divergence", lambda mu, s: divergence(mu, s / 2))
    expected = {"stage2/loss 1..50", "stage2/batch_mse 1..50"}
    assert exceeding(check_stage2(GOLDEN, few_steps)) == expected


class LateGamma(ComputedGamma):
    """Uses the gamma of a step ago."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.former = self.add_weight(shape=(), initializer="ones", trainable=False, name="former")

    @property
    def gamma(self):
        return ops.sqrt(ops.convert_to_tensor(self.former))

    def update(self, mse):
        self.former.assign(self.running_mse)
        super().update(mse)


def test_a_gamma_one_step_late_exceeds(few_steps, monkeypatch):
    monkeypatch.setitem(balancing.STRATEGIES, "computed", LateGamma)
    assert "stage1/loss 1..50" in exceeding(check_stage1(GOLDEN, few_steps))


@pytest.mark.slow
def test_ordinary_batch_normalization_exceeds(golden, monkeypatch):
    """Its moving averages start from 0 and 1, and are not debiased."""

    def update(self, mean, variance, count):
        for batch, moving in ((mean, self.moving_mean), (variance, self.moving_variance)):
            moving.assign(moving + (batch - moving) * (1 - self.decay))

    monkeypatch.setattr(ZeroDebiasedBatchNormalization, "update", update)
    rows = check_stage1(GOLDEN, golden)
    assert {row.name for row in rows if row.exceeds} == {"stage1/moving statistics"}


def test_values_outside_the_spread_of_the_changed_runs_exceed(measured, golden, monkeypatch):
    _, trainings = measured
    monkeypatch.setattr(
        program, "train_moved", lambda stage, *given: trainings[stage.name, given[-1]]
    )
    late = {"stage1/loss": 1.3, "stage1/gamma_used": 1.03, "stage2/batch_mse": 1.001}
    changed = dict(golden)
    for name, factor in late.items():
        changed[name] = np.concatenate([golden[name][:150], factor * golden[name][150:]])
    rows = check_stage1(GOLDEN, changed) + check_stage2(GOLDEN, changed)
    expected = {"stage1/loss 51..", "stage1/gamma_used", "stage2/batch_mse 51.."}
    assert {row.name for row in rows if row.exceeds} == expected


# The tool itself.


def run_tool(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["check_parity.py", *map(str, arguments)])
    code = check_parity.main()
    return code, capsys.readouterr()


def test_rows_are_printed_as_lines():
    assert str(Row("eval/mse", 2e-5, 1e-4)).split() == ["eval/mse", "2.00e-05", "<=", "1e-04", "ok"]
    assert str(Row("eval/mse", 2e-3, 1e-4)).endswith("EXCEEDS")
    assert str(Row("train/kl 1", 2e-2, None)).endswith("not judged")


def test_nan_or_another_shape_exceeds():
    assert Row("eval/mse", float("nan"), 1.0).exceeds
    assert Row("eval/mse", difference(np.zeros(3), np.zeros(4)), 1.0).exceeds


def test_difference_is_relative_to_the_largest_value_above_one():
    assert difference([1.0, 9.0], [1.0, 10.0]) == pytest.approx(0.1)
    assert difference([0.0], [0.5]) == pytest.approx(0.5)


def test_the_exit_code_shows_whether_a_quantity_exceeds(monkeypatch, capsys):
    good, bad = Row("eval/mse", 1e-6, 1e-4), Row("eval/mse2", 1.0, 1e-4)
    monkeypatch.setattr(check_parity, "check", lambda folder: [good])
    code, printed = run_tool(monkeypatch, capsys, GOLDEN)
    assert code == 0
    assert printed.out.splitlines()[0] == str(good)
    assert printed.out.endswith("0 of 1 quantities exceed: none\n")
    monkeypatch.setattr(check_parity, "check", lambda folder: [good, bad])
    code, printed = run_tool(monkeypatch, capsys, GOLDEN)
    assert code == 1
    assert printed.out.endswith("1 of 2 quantities exceed: eval/mse2\n")


def test_bad_input_exits_with_2_and_one_sentence(monkeypatch, capsys, tmp_path):
    code, printed = run_tool(monkeypatch, capsys, tmp_path)
    assert code == 2
    assert printed.out == ""
    assert printed.err.startswith("check_parity: ") and "golden.npz" in printed.err
    assert printed.err.count("\n") == 1
