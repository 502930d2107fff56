"""`tools/check_parity.py` on recorded runs of the program of Dai and Wipf."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from parity.rows import Row
from parity.rows import difference

from tests.helpers.paths import ROOT
from tests.helpers.processes import compared_and_none_exceeds
from tests.helpers.processes import run_python

GOLDEN = ROOT / "tests" / "golden" / "dai_wipf"
ALL = ("infogan28", "infogan28_cross_entropy", "resnet32", "wae64")


def check_parity(folder: Path, **changes: str) -> subprocess.CompletedProcess:
    """Run the tool in a process of its own: it chooses TensorFlow's kernels."""
    return run_python("tools/check_parity.py", folder, **changes)


def copy_networks(folder: Path, *names: str) -> Path:
    for name in names:
        for suffix in (".json", ".npz"):
            shutil.copy(GOLDEN / f"{name}{suffix}", folder)
    return folder


def test_resnet_and_infogan_repeat_the_recorded_run_and_a_difference_is_found(tmp_path):
    copy_networks(tmp_path, "infogan28", "resnet32")
    with np.load(tmp_path / "resnet32.npz") as file:
        golden = dict(file)
    golden["frozen/mu"][0, 0] += 1e-3
    np.savez(tmp_path / "resnet32.npz", **golden)
    process = check_parity(tmp_path, KERAS_BACKEND="tensorflow")
    assert process.returncode == 1, process.stderr[-2000:]
    *rows, _, verdict = process.stdout.splitlines()
    assert verdict == f"1 of {len(rows)} quantities exceed: resnet32/frozen/mu"
    for network in ("infogan28", "resnet32"):
        for quantity in ("infer/mu", "frozen/x_hat", "train/loss 3..", "stage2/loggamma"):
            assert f"{network}/{quantity} " in process.stdout


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_every_network_repeats_the_recorded_run(tmp_path, backend):
    pytest.importorskip(backend)
    process = check_parity(copy_networks(tmp_path, *ALL), KERAS_BACKEND=backend)
    assert process.returncode == 0, process.stdout + process.stderr[-2000:]
    assert compared_and_none_exceeds(process.stdout) >= 72


@pytest.mark.parametrize("broken", ["no layout", "no arrays"])
def test_a_folder_of_another_layout_is_refused(tmp_path, broken):
    if broken == "no arrays":
        copy_networks(tmp_path, "resnet32")
        (tmp_path / "infogan28.json").write_text((GOLDEN / "infogan28.json").read_text())
    process = check_parity(tmp_path)
    assert process.returncode == 2
    assert len(process.stderr.splitlines()[-1]) > 20 and "Traceback" not in process.stderr


def test_nan_exceeds():
    assert Row("a", float("nan"), 1.0).exceeds
    assert Row("a", difference(np.zeros(2), np.zeros(3)), 1.0).exceeds
    assert not Row("a", 5.0, None).exceeds
    assert difference([1.0, 4.0], [1.0, 5.0], floor=0) == pytest.approx(0.2)
