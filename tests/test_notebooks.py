"""Every notebook runs from a clean kernel, and the outputs it keeps are clean."""

import json
import re

import pytest

from tests.helpers.paths import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# What belongs to the machine that a notebook was executed on, and not to the reader.
OF_THE_MACHINE = re.compile(r"/(tmp|home|root|opt|Users)/|it/s\b|s/it\b")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_kept_and_clean(path):
    notebook = json.loads(path.read_text("utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
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
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": tmp_path}}).execute()
