"""The three backends: the core tests and parity on each, and the package without TensorFlow."""

import importlib.util
import json
import os
import subprocess

import pytest

from balancing_vae.backend.choice import BACKENDS
from balancing_vae.backend.choice import check_backend
from tests.helpers.paths import ROOT
from tests.helpers.processes import python_prints
from tests.helpers.processes import run_python

INSTALLED = next(name for name in BACKENDS if importlib.util.find_spec(name))

CORE = (
    "tests/models/test_objectives.py",
    "tests/layers/test_layers.py",
    "tests/networks/test_networks.py",
    "tests/balancing/test_balancing.py",
    "tests/models/test_stage_inputs.py",
    "tests/training/test_batches.py",
    "tests/training/test_optimizer_options.py",
    "tests/training/test_sources.py",
    "tests/training/test_schedules.py",
    "tests/pipeline/test_pipeline.py",
    "tests/storage/test_original_checkpoints.py",
    "tests/training/test_resume.py",
    "tests/storage/test_saved_folder.py",
)

WITHOUT_TENSORFLOW = """
import sys

# With None in its place every import of TensorFlow fails as if it were not installed.
sys.modules["tensorflow"] = None
sys.path.insert(0, "tests")

import numpy as np
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline
from balancing_vae import TwoStageVAE

vae = tiny_pipeline()
vae.fit(tiny_images(), validation_data=tiny_images(8, seed=1), verbose=False, run_dir=sys.argv[1])
vae.save(sys.argv[1] + "/saved")
loaded = TwoStageVAE.load(sys.argv[1] + "/saved")
np.testing.assert_array_equal(loaded.generate(5, seed=1), vae.generate(5, seed=1))
assert loaded.reconstruct(tiny_images()).shape == (24, 4, 4, 1)
assert sys.modules["tensorflow"] is None
print("done")
"""

WAYS_IN = 5
EVERY_WAY_IN = """
import importlib
import balancing_vae
from balancing_vae import Config, datasets, pretrained  # these need no backend

for way_in in (
    lambda: balancing_vae.TwoStageVAE,
    lambda: balancing_vae.models.VAE,
    lambda: importlib.import_module("balancing_vae.pipeline.two_stage_vae"),
    lambda: importlib.import_module("balancing_vae.layers.sampling"),
    lambda: importlib.import_module("keras"),
):
    try:
        way_in()
    except ImportError as error:
        print(error)
"""


def run(backend: str, *words: str) -> subprocess.CompletedProcess:
    # On networks so small PyTorch's threads only wait for each other.
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    return run_python(*words, KERAS_BACKEND=backend, OMP_NUM_THREADS=threads)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_everything_works_without_tensorflow(backend, tmp_path):
    done = run(backend, "-c", WITHOUT_TENSORFLOW, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("done")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_core_tests_pass(backend):
    both_cores = ("-n", "2", "--dist", "loadfile")
    done = run(backend, "-m", "pytest", "-q", "-m", "not slow", *both_cores, *CORE)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("backend", "hidden", "message"),
    [
        ("nonsense", "", "KERAS_BACKEND is 'nonsense'; set it to one of tensorflow, jax, torch"),
        ("jax", "jax", "'jax' is not installed; run `pip install jax`"),
        ("tensorflow", "tensorflow", "'tensorflow' is not installed"),
    ],
)
def test_a_missing_backend_is_named(backend, hidden, message):
    hide = f"import sys; sys.modules[{hidden!r}] = None; " if hidden else "import sys; "
    on_the_command_line = hide + "from balancing_vae.cli import main; sys.exit(main(['demo']))"
    done = run(backend, "-c", on_the_command_line)
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr
    in_python = run(backend, "-c", hide + EVERY_WAY_IN)
    assert in_python.stdout.count(message) == WAYS_IN, in_python.stderr


def test_a_corrected_backend_name_works_in_the_same_process():
    code = (
        "import os, balancing_vae\n"
        "try:\n    import balancing_vae.layers.sampling\n"
        f"except ImportError:\n    os.environ['KERAS_BACKEND'] = {INSTALLED!r}\n"
        "import balancing_vae.layers.sampling, keras; print(keras.backend.backend())"
    )
    assert run("nonsense", "-c", code).stdout.strip() == INSTALLED


def test_keras_json_chooses_the_backend_if_the_environment_does_not(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text('{"backend": "nonsense"}')
    refused = run("", "-c", "import balancing_vae.pipeline")
    assert "keras.json is 'nonsense'; set it to one of" in refused.stderr
    (tmp_path / "keras.json").write_text(json.dumps({"backend": INSTALLED}))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    check_backend()


def test_importing_the_package_imports_no_backend():
    code = "import sys, balancing_vae; print({'keras', 'tensorflow', 'jax'} & set(sys.modules))"
    assert run("tensorflow", "-c", code).stdout.strip() == "set()"


def test_the_fast_tests_see_neither_jax_nor_pytorch_in_any_process(tmp_path):
    """By the folder that `make test` puts on the path: it hides them where they are installed."""
    for name in ("jax", "torch"):
        (tmp_path / f"{name}.py").touch()
    code = (
        "import json; from importlib.util import find_spec; "
        "print(json.dumps([name for name in ('jax', 'numpy', 'torch') if find_spec(name)]))"
    )
    hiding = ROOT / "tests" / "helpers" / "without_extras"
    assert python_prints(code, PYTHONPATH=str(tmp_path)) == ["jax", "numpy", "torch"]
    assert python_prints(code, PYTHONPATH=f"{hiding}{os.pathsep}{tmp_path}") == ["numpy"]
