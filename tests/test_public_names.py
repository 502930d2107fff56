"""Public names: the lists, their page in docs/, and that docs and notebooks use no others."""

import ast
import importlib
import json
import pkgutil
import re
import subprocess
import sys
import tomllib

import pytest
from api_page import PAGE
from api_page import ROOMS
from api_page import page
from IPython.core.inputtransformer2 import TransformerManager

import balancing_vae
from balancing_vae import fid
from tests.helpers.paths import ROOT

PUBLIC = ["balancing_vae", *(f"balancing_vae.{room}" for room in ROOMS)]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_exists_and_no_module_hides_it(name):
    module = importlib.import_module(name)
    assert set(module.__all__) <= set(dir(module))
    inside = {found.name for found in pkgutil.iter_modules(module.__path__)}
    for each in module.__all__:
        value = getattr(module, each)
        # Importing a module of a function's name would put it in the function's place.
        assert each not in inside or value is sys.modules[f"{name}.{each}"]


def test_the_page_lists_the_exported_names():
    assert PAGE.read_text("utf-8") == page(), "run `python tools/api_page.py`"
    assert not re.search(r"\| \|$", page(), re.MULTILINE)  # a name without a docstring


LIGHT = """
BalancingVAEError Config ExistingFileError ImageNormalization InputError LatentNormalization
MissingFileError MissingPackageError NonFiniteLossError NothingRescaledWarning ResourceError
datasets evaluation experiments fid figures inactive_latents mean_std models mse presets
pretrained variance_law variance_loss
""".split()


@pytest.mark.parametrize(
    ("module", "names"), [("balancing_vae", LIGHT), ("balancing_vae.fid", fid.__all__)]
)
def test_light_names_need_neither_keras_nor_matplotlib(module, names):
    code = (
        f"import sys, {module} as module; [getattr(module, name) for name in {names}]; "
        "print({'keras', 'tensorflow', 'jax', 'torch', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def snippets() -> dict[str, str]:
    """Return all Python code of README, docs, examples and notebooks, by where it is."""
    found = {}
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *ROOT.glob("*/README.md")]
    for path in pages:
        blocks = re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), re.DOTALL)
        found |= {f"{path.relative_to(ROOT)}, {i}": block for i, block in enumerate(blocks)}
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for i, cell in enumerate(json.loads(path.read_text("utf-8"))["cells"]):
            if cell["cell_type"] == "code":
                code = TransformerManager().transform_cell("".join(cell["source"]))
                found[f"{path.name}, cell {i}"] = code
    for path in (ROOT / "examples").glob("*.py"):
        found[path.name] = path.read_text("utf-8")
    return found


def test_docs_and_notebooks_import_public_names_only():
    imported = []
    for place, code in snippets().items():
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
                assert not any(name.startswith("balancing_vae.") for name in names), place
            elif isinstance(node, ast.ImportFrom) and node.module.startswith("balancing_vae"):
                assert node.module in PUBLIC, (place, node.module)
                exported = importlib.import_module(node.module).__all__
                for alias in node.names:
                    assert alias.name in exported, (place, alias.name)
                    imported.append(alias.name)
    assert len(imported) > 40  # they are found at all


def test_docs_and_notebooks_use_public_names_of_rooms_only():
    rooms = {name.split(".")[-1]: importlib.import_module(name) for name in PUBLIC}
    rooms["bv"] = balancing_vae
    asked = []
    for place, code in snippets().items():
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                room = rooms.get(node.value.id)
                if room is not None and not node.attr.startswith("__"):
                    assert node.attr in room.__all__, (place, node.value.id, node.attr)
                    asked.append(node.attr)
    assert len(asked) > 40


def test_an_installed_package_has_its_data_and_its_stubs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    package = ROOT / "balancing_vae"
    patterns = project["tool"]["setuptools"]["package-data"]["balancing_vae"]
    packed = {path for pattern in patterns for path in package.glob(pattern)}
    # Of `**` at a pattern's end, Python's own glob gives the folders, setuptools' the files.
    packed |= {path for folder in packed for path in folder.glob("*")}
    files = {path for path in package.rglob("*") if path.is_file() and path.suffix != ".py"}
    assert {path for path in files if "__pycache__" not in path.parts} <= packed
