"""The command that stands beside a number is the one that was given."""

import sys

import pytest

from balancing_vae.cli import demo
from balancing_vae.cli import main


@pytest.mark.parametrize("words", [["demo", "--out", "a run"], ["--traceback", "demo"]])
def test_a_command_is_recorded_as_it_was_given(words, monkeypatch):
    recorded = []
    monkeypatch.setattr(demo, "run", lambda options: recorded.append(options.command_line))
    assert main(words) == 0
    monkeypatch.setattr(sys, "argv", ["/usr/bin/balancing-vae", *words])
    assert main() == 0
    expected = " ".join(["balancing-vae", *(f"'{w}'" if " " in w else w for w in words)])
    assert recorded == [expected, expected]
