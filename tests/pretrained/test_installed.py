"""A fresh virtual environment with the wheel and nothing else from the checkout."""

import json
import os
import shutil
import site
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

from balancing_vae.pretrained import find
from balancing_vae.pretrained import pretrained_sets
from tests.helpers.examples import page_examples
from tests.helpers.paths import ROOT
from tests.helpers.processes import HANG

PUBLISHED = [name for name, entry in pretrained_sets().items() if entry.sha256]
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "balancing_vae", "weights")
# What an example may take minutes for, and a socket that leads anywhere.
BRIEFLY_AND_OFFLINE = """
import socket
import sys


def refuse(*_, **__):
    raise OSError("there is no network in this test")


socket.getaddrinfo = socket.socket.connect = refuse

from balancing_vae import TwoStageVAE

fit, fit_sampler = TwoStageVAE.fit, TwoStageVAE.fit_sampler
TwoStageVAE.fit = lambda self, x, **options: fit(self, x, epochs=1, epochs2=1, **options)
"""
LOAD = """
import balancing_vae

for name in sys.argv[1:]:
    vae = TwoStageVAE.from_pretrained(name)
    assert len(vae.generate(4, seed=0)) == 4
print(balancing_vae.__file__)
"""


def test_the_sets_that_are_published_are_those_that_are_installed():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["balancing_vae.weights"]
    assert patterns == [f"{name}/**" for name in PUBLISHED]


@pytest.mark.parametrize("folder", ["balancing_vae", "weights"])
def test_nothing_that_is_installed_is_a_link(folder):
    # On Windows, Git writes a text file in a link's place.
    assert not [path for path in (ROOT / folder).rglob("*") if path.is_symlink()]


def new_environment(folder: Path, *options: str) -> Path:
    """Make a virtual environment, install the package there; return its Python.

    What the package needs it sees in the environment of these tests.
    """
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    packages = [path for path in site.getsitepackages() if Path(path).is_dir()]
    where = "import site; print(site.getsitepackages()[0])"
    own = Path(run(folder, python, "-c", where).strip())
    (own / "those_of_the_tests.pth").write_text("\n".join(packages))
    run(folder, python, "-m", "pip", "install", "--no-deps", *options)
    return python


def run(folder: Path, *words: str | Path) -> str:
    """Run a program in a folder, with no path into the checkout; return what it prints."""
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=environment | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return process.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The files that a build needs, so that it leaves nothing in the checkout."""
    folder = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    (folder / "weights" / "own").mkdir()
    (folder / "weights" / "own" / "config.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def installed(sources, tmp_path_factory):
    """The Python of an environment with the wheel."""
    folder = tmp_path_factory.mktemp("installed")
    run(folder, sys.executable, "-m", "pip", "wheel", sources, "--no-deps", "--wheel-dir", folder)
    return new_environment(folder / "venv", *map(str, folder.glob("*.whl")))


@pytest.mark.slow
def test_every_set_loads_from_the_wheel_without_a_network(installed, tmp_path):
    printed = run(tmp_path, installed, "-c", BRIEFLY_AND_OFFLINE + LOAD, *PUBLISHED)
    package = Path(printed.splitlines()[-1]).parent
    assert installed.parents[1] in package.parents
    # Nothing of a user's own that lies beside them is installed.
    assert sorted(path.name for path in (package / "weights").iterdir()) == sorted(PUBLISHED)
    for name in PUBLISHED:
        theirs = (package / "weights" / name / "SHA256SUMS").read_bytes()
        assert theirs == (find(name) / "SHA256SUMS").read_bytes()
    listed = run(tmp_path, installed, "-m", "balancing_vae", "pretrained", "list")
    assert listed.count(str(package / "weights")) == len(PUBLISHED)


@pytest.mark.slow
def test_the_snippet_of_the_readme_runs_from_the_wheel(installed, tmp_path):
    (snippet,) = [example.code for example in page_examples() if example.name == "README.md"]
    run(tmp_path, installed, "-c", BRIEFLY_AND_OFFLINE + snippet)
    assert (tmp_path / "runs" / "a" / "config.json").is_file()


@pytest.mark.slow
def test_an_editable_install_finds_the_sets_of_its_checkout(sources, tmp_path):
    python = new_environment(tmp_path / "venv", "--editable", str(sources))
    code = "import json; from balancing_vae.pretrained import find; import sys\n"
    code += "print(json.dumps([str(find(name)) for name in sys.argv[1:]]))"
    found = json.loads(run(tmp_path, python, "-c", code, *PUBLISHED))
    assert [Path(path).resolve() for path in found] == [
        (sources / "weights" / name).resolve() for name in PUBLISHED
    ]
