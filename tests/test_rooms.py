"""The table of packages in docs/architecture.md, and the contract that `lint-imports` checks."""

import re
import tomllib

from tests.helpers.paths import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
PACKAGE = ROOT / "balancing_vae"


def table_rows() -> list[set[str]]:
    """Return the names in the first column of the page's table, row by row."""
    table = PAGE.split("| package or module | contents |")[1].split("\n\n")[0]
    return [set(re.findall(r"`(\w+)`", row.split("|")[1])) for row in table.splitlines()[2:]]


def test_each_room_has_one_row():
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    named = [name for row in table_rows() for name in row]
    assert sorted(named) == sorted(modules | rooms)


def test_the_table_has_the_order_of_the_contract():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = project["tool"]["importlinter"]["contracts"]
    layers = [set(layer.split(" | ")) for layer in contract["layers"]]
    assert table_rows() == layers[:0:-1]  # from the bottom up, without __main__


def test_each_room_has_a_folder_of_tests():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert folders == rooms
