"""The examples run as they stand, and their gamma falls with the error."""

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
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} == {*EXAMPLES}


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_example(example):
    for module in EXAMPLES[example]:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    process = run_python(ROOT / "examples" / f"{example}.py")
    assert process.returncode == 0, process.stderr[-2000:]
    gammas = [float(gamma) for gamma in re.findall(r"gamma: ([\d.]+)", process.stdout)]
    assert len(gammas) == 20
    assert gammas == sorted(gammas, reverse=True)
    assert gammas[-1] < 0.35
