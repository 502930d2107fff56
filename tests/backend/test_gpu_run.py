"""The run for a machine with a GPU, rehearsed as a whole on a CPU at the smallest sizes."""

import tarfile

import pytest

from balancing_vae import TwoStageVAE
from tests.helpers.paths import ROOT
from tests.helpers.processes import run_python

SCRIPT = ROOT / "tools" / "gpu_run.py"
TINY = ("--preset", "digits-small", "--epochs", "1", "--epochs2", "1", "--features", "pixels")
TINY += ("--training", "--set lr_epochs2=7")
SMALL = ("--evaluation", "--seeds 1 --images 32")
SMALL += ("--benchmark", "--stages 2 --steps 1 10 --seconds 1")
MEASURED = ("device", "parity-float32", "benchmark-float32")
FINISHED = ("sampler-gaussian", "pack", "evaluate-pixels", "card")
pytestmark = pytest.mark.slow


@pytest.fixture
def parity(tmp_path):
    """One recorded network; the recorded trainings take long."""
    folder = tmp_path / "golden"
    folder.mkdir()
    for path in (ROOT / "tests" / "golden" / "rae").glob("mnist_ae.*"):
        (folder / path.name).symlink_to(path)
    return folder


def summary(out) -> dict[str, str]:
    lines = (out / "summary.txt").read_text("utf-8").splitlines()
    return dict(line.split(": ", 1) for line in lines)


def test_everything_is_measured_trained_packed_and_copied_back_once(parity, tmp_path):
    pytest.importorskip("jax")
    out, home = tmp_path / "out", tmp_path / "home"
    out.mkdir()
    # Parts of earlier calls are not run again.
    for done in ("parity-tf32", "sampler-mixture", "step-other"):
        (out / f"{done}.log").write_text("done")

    def run(minutes):
        words = (out, *TINY, *SMALL, "--parity", parity, "--minutes", minutes, "--results", home)
        process = run_python(SCRIPT, *words, KERAS_BACKEND="jax")
        assert process.returncode == 0, process.stderr
        return process.stdout

    assert "device: CPU, on JAX" in run(20)
    logs = {path.name: path.read_text("utf-8") for path in out.glob("*.unfinished")}
    assert not logs
    said = summary(out)
    assert set(said) == {*MEASURED, "train-1", *FINISHED}
    assert all(line.startswith("exit code 0,") for line in said.values())
    assert "the recipe's stages 2 on" in (out / "benchmark-float32.log").read_text("utf-8")

    assert TwoStageVAE.load(out / "run").config.lr_epochs2 == 7

    with tarfile.open(home / "logs.tar.gz") as archive:
        names = set(archive.getnames())
    assert names >= {"summary.txt", "run/history.csv", *(f"{part}.log" for part in MEASURED)}
    with tarfile.open(home / "set.tar.00") as archive:
        archive.extractall(tmp_path / "there", filter="data")
    assert TwoStageVAE.load(tmp_path / "there" / "digits-small").generate(2, seed=0).shape == (
        2,
        8,
        8,
        1,
    )

    before = summary(out)
    assert run(1) == "device: CPU, on JAX\n"
    assert summary(out) == before


def test_a_part_ends_at_its_time_limit_and_keeps_its_output(tmp_path):
    code = "from pathlib import Path; import sys; sys.path.insert(0, 'tools'); import gpu_run; "
    code += "gpu_run.ORDERLY_END = 1; parts = gpu_run.Sequence(Path(sys.argv[1]), 4 / 60); "
    code += "print(parts.run('endless', sys.executable, '-c', "
    code += "'import time; print(7); time.sleep(60)'), parts.run('late', sys.executable))"
    process = run_python("-c", code, tmp_path)
    assert process.stdout.splitlines()[-1] == "False False", process.stderr
    assert (tmp_path / "endless.unfinished").read_text("utf-8") == "7\n"
    assert summary(tmp_path)["endless"].startswith("time over")
    assert summary(tmp_path)["late"] == "no time left"
