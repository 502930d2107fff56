"""Every notebook runs from a fresh kernel, and its stored outputs are clean."""

import importlib.util
import json
import re
from types import SimpleNamespace

import pytest

from tests.helpers.paths import ROOT
from tests.helpers.processes import HANG

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# What belongs to the machine that a notebook was executed on, and not to the reader.
OF_THE_MACHINE = re.compile(r"/(tmp|home|root|opt|Users)/|it/s\b|s/it\b")


def code_cells(path):
    """Return the code cells of a notebook."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_kept_and_clean(path):
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert not any(cell["metadata"] for cell in cells)
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not any(output.get("name") == "stderr" for output in outputs)
    shown = json.dumps([output.get("text") or output["data"] for output in outputs])
    without_images = re.sub(r'"image/png": "[^"]*"', "", shown)
    assert OF_THE_MACHINE.search(without_images) is None


def test_every_notebook_is_listed():
    listed = (NOTEBOOKS[0].parent / "README.md").read_text("utf-8")
    assert re.findall(r"\((.*\.ipynb)\)", listed) == [path.name for path in NOTEBOOKS]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs(path, tmp_path):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=HANG, resources={"metadata": {"path": tmp_path}}).execute()


@pytest.fixture
def install(monkeypatch):
    """Run the notebooks' first cell as where the package is missing; return what it installs."""
    from IPython.core.inputtransformer2 import TransformerManager

    (source,) = {"".join(code_cells(path)[0]["source"]) for path in NOTEBOOKS}
    installed = []

    def magic(name, line):
        # IPython replaces names in braces by their values.
        installed.append((name, line.format(**cell)))

    cell = {"get_ipython": lambda: SimpleNamespace(run_line_magic=magic)}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    def run():
        exec(TransformerManager().transform_cell(source), cell)
        return installed

    return run


def test_the_first_cell_installs_the_checkout(install, monkeypatch):
    monkeypatch.chdir(NOTEBOOKS[0].parent)
    assert install() == [("pip", "install --quiet ..")]


def test_the_first_cell_installs_a_wheel_in_the_notebooks_folder(install, tmp_path, monkeypatch):
    (tmp_path / "balancing_vae-0.1.0-py3-none-any.whl").touch()
    monkeypatch.chdir(tmp_path)
    assert install() == [("pip", "install --quiet balancing_vae-0.1.0-py3-none-any.whl")]


def test_the_first_cell_explains_what_to_do_without_wheel_and_checkout(
    install, tmp_path, monkeypatch
):
    folder = tmp_path / "alone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(ModuleNotFoundError, match="Put a wheel of balancing_vae next to"):
        install()
