"""The command recorded with a number or printed on a card is the one the user gave."""

import json
import shlex
import sys

import numpy as np
import pytest

from balancing_vae.cli import build_parser
from balancing_vae.cli import demo
from balancing_vae.cli import main
from balancing_vae.packing.card import model_card
from balancing_vae.packing.sections import recipe
from balancing_vae.presets import preset_config
from tests.helpers.pipelines import save_run
from tests.helpers.pipelines import tiny_images


@pytest.mark.parametrize("words", [["demo", "--out", "a run"], ["--traceback", "demo"]])
def test_a_command_is_recorded_as_it_was_given(words, monkeypatch):
    recorded = []
    monkeypatch.setattr(demo, "run", lambda options: recorded.append(options.command_line))
    assert main(words) == 0
    monkeypatch.setattr(sys, "argv", ["/usr/bin/balancing-vae", *words])
    assert main() == 0
    expected = " ".join(["balancing-vae", *(f"'{w}'" if " " in w else w for w in words)])
    assert recorded == [expected, expected]


@pytest.fixture
def given(tmp_path, monkeypatch):
    """Run a command line in a folder of its own, and return it as it is recorded."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", tiny_images(32, side=8))

    def run(*words):
        assert main(words) == 0
        return shlex.join(["balancing-vae", *words])

    return run


def test_the_card_prints_the_commands_that_were_given(given, tmp_path):
    network = {"name": "resnet", "base_dim": 2, "num_scale": 1, "fc_dim": 4, "depth_per_block": 1}
    sizes = [f"network={json.dumps(network)}", "second_dim=4", "second_depth=1", "kl_weight=0.5"]
    changes = [word for size in sizes for word in ("--set", size)]
    epochs = ["--epochs", "1", "--epochs2", "1", "--batch-size", "16"]
    data = ["--data", "x.npy"]
    out = ["--out", "runs/a"]
    commands = [
        given("train", "--preset", "digits-small", *data, *changes, *epochs, *out),
        given("train", "--resume", "runs/a", *data, "--epochs2", "2"),
        given("fit-sampler", "runs/a", "mixture", *data, "--components", "2"),
        given("pretrained", "pack", "runs/a", *data, "--out", "a"),
    ]
    assert "\n".join(["```console", *commands, "```"]) in model_card(tmp_path / "a")


def test_commands_that_were_not_recorded_are_rebuilt_from_the_config(given, tmp_path):
    config = save_run(tmp_path / "old", seed=7).config
    path = tmp_path / "old" / "config.json"
    description = json.loads(path.read_text("utf-8"))
    del description["commands"]
    path.write_text(json.dumps(description), "utf-8")
    facts = {"name": "old", "command": None, "trained_in": "float32"}
    facts |= {"parameters": {}, "trained_with": {}}
    lines = "\n".join(recipe(facts, config, tmp_path / "old")).splitlines()
    (train,) = [line for line in lines if line.startswith("balancing-vae train ")]
    program, *words = shlex.split(train)
    options = build_parser().parse_args(words)
    changes = {name: getattr(options, name) for name in ("batch_size", "seed")} | dict(options.set)
    assert preset_config(options.preset, **changes) == config
    assert "balancing-vae fit-sampler runs/old gaussian" in lines
