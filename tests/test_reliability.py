"""The commands in docs/reliability.md name existing tests."""

import re
import shlex

import pytest

from tests.helpers.paths import ROOT

ROWS = (ROOT / "docs" / "reliability.md").read_text("utf-8").splitlines()
COMMANDS = [command for row in ROWS for command in re.findall(r"`(pytest .*?)`", row)]


def test_each_row_has_a_command():
    rows = [row for row in ROWS if row.startswith("| ")][1:]
    assert not [row for row in rows if not re.search(r"`(pytest|make) [^`]+`.* \|$", row)]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_names_existing_files_and_tests(command):
    words = shlex.split(command)[1:]
    paths = [ROOT / word for word in words if word.startswith("tests/")]
    assert paths and all(path.exists() for path in paths)
    if "-k" in words:
        files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
        text = "\n".join(f.read_text("utf-8") for f in files if f.suffix == ".py").lower()
        for name in re.split(r"\W+(?:(?:or|and|not)\b\W*)*", words[words.index("-k") + 1]):
            assert name.lower() in text, f"no test is called {name}"
