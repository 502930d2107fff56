"""docs/results.md has a row for each result of the paper, with existing commands and pictures."""

import re

import pytest
from PIL import Image

from tests.helpers.parsers import commands
from tests.helpers.paths import ROOT

PAGE = (ROOT / "docs/results.md").read_text("utf-8")
ROWS = [line for line in PAGE.split("\n## ")[0].splitlines() if line.startswith("| ")]
# Numbered where the number is known, else named by what it says.
SHOWN = ["KL in entropies", "equation 2", "the mean of a latent", "equation 4", "figure 2"]
SHOWN += ["the drawing of a VAE", "smoothing", "figure 4", "faces", "tables 1 and 2"]


@pytest.mark.parametrize("name", SHOWN)
def test_each_equation_figure_and_table_has_a_row(name):
    assert sum(row.startswith((f"| {name}:", f"| {name},")) for row in ROWS) == 1


def test_its_commands_and_their_experiments_exist():
    experiments = {words.split()[1] for words in commands() if words.startswith("reproduce ")}
    named = set(re.findall(r"`?reproduce ([\w-]+)", PAGE)) - {"X"}
    assert named <= experiments
    assert experiments - {"table2"} <= named


def test_its_pictures_and_headings_exist():
    for name in set(re.findall(r"\(images/([^)]+)\)", PAGE)):
        with Image.open(ROOT / "docs/images" / name) as picture:
            picture.load()
    titles = re.findall(r"^##+ (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) <= anchors
