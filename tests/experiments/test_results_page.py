"""docs/results.md has a row for all that the paper shows, with commands and pictures that exist."""

import re

import pytest

from balancing_vae.cli import build_parser
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
    commands = build_parser()._subparsers._group_actions[0].choices
    experiments = commands["reproduce"]._subparsers._group_actions[0].choices
    named = set(re.findall(r"`?reproduce ([\w-]+)", PAGE)) - {"X"}
    assert named <= set(experiments)
    assert set(experiments) - {"table2"} <= named


def test_its_pictures_and_headings_exist():
    pictures = set(re.findall(r"\(images/([\w.]+)\)", PAGE))
    assert len(pictures) >= 8
    for name in pictures:
        assert 0 < (ROOT / "docs/images" / name).stat().st_size < 150_000
    titles = re.findall(r"^##+ (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) <= anchors
