"""The example scripts run as they are, and their gamma decreases together with the error."""

import importlib.util
import re

import pytest

from tests.helpers.paths import ROOT
from tests.helpers.processes import run_python

# What each needs beside the package.
EXAMPLES = {
    "gamma_rule_keras": (),
    "gamma_rule_pytorch": ("torch",),
    "gamma_rule_lightning": ("torch", "lightning"),
    "gamma_rule_equinox": ("jax", "equinox", "optax"),
}


def test_every_example_is_run():
    found = {path.stem for path in (ROOT / "examples").glob("*.py")}
    assert found == {*EXAMPLES, "gamma_rule_mistakes"}


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_example(example):
    for module in EXAMPLES[example]:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    process = run_python(ROOT / "examples" / f"{example}.py")
    assert process.returncode == 0, process.stderr[-2000:]
    gammas = [float(gamma) for gamma in re.findall(r"gamma: ([\d.]+)", process.stdout)]
    assert len(gammas) > 1
    assert gammas == sorted(gammas, reverse=True)
    assert gammas[-1] < 0.35


@pytest.mark.slow
def test_mistakes_have_the_documented_effects():
    pytest.importorskip("torch")
    process = run_python(ROOT / "examples" / "gamma_rule_mistakes.py", "--epochs", "25")
    assert process.returncode == 0, process.stderr[-2000:]
    rows = [line.strip("| ").split(" | ") for line in process.stdout.splitlines()[2:]]
    found = {name: numbers for name, *numbers in rows}
    assert found.pop("no_detach")[0].startswith("RuntimeError: Trying to backward through")
    gamma, rmse, kl = ({name: float(row[i]) for name, row in found.items()} for i in (1, 2, 3))
    assert kl["correct"] > 5 and gamma["correct"] == pytest.approx(rmse["correct"], rel=0.3)
    assert gamma["gradient_of_the_average"] == pytest.approx(gamma["correct"], rel=0.02)
    for name in ("gradient_without_log", "sum_as_mse", "mean_beside_sum"):
        assert kl[name] < 0.1 and rmse[name] > 0.25, name
    assert gamma["sum_as_mse"] == 1
    assert kl["sum_beside_mean"] > 1.3 * kl["correct"]
    assert gamma["mean_of_image_rmse"] < gamma["correct"]
