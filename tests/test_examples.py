"""The examples run as they stand, and their gamma falls with the error."""

import re

import pytest

from tests.helpers.paths import ROOT
from tests.helpers.processes import run_python


@pytest.mark.slow
@pytest.mark.parametrize("example", ["gamma_rule_keras", "gamma_rule_pytorch"])
def test_example(example):
    if example.endswith("pytorch"):
        pytest.importorskip("torch")
    process = run_python(ROOT / "examples" / f"{example}.py")
    assert process.returncode == 0, process.stderr[-2000:]
    gammas = [float(gamma) for gamma in re.findall(r"gamma: ([\d.]+)", process.stdout)]
    assert len(gammas) == 20
    assert gammas == sorted(gammas, reverse=True)
    assert gammas[-1] < 0.35
