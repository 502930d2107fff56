"""The statements of a model card about the modes of normalisation of its numbers."""

import shutil
from dataclasses import replace

import pytest

from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.evaluation.metrics_file import read_metrics
from balancing_vae.evaluation.metrics_file import write_metrics
from balancing_vae.packing.card import write_card
from balancing_vae.packing.sections import numbers
from tests.helpers.paths import ROOT

SHUT, IMAGES = "its gate is shut", "generated images are rescaled, too"
LATENTS = "second-stage latents alone are rescaled"


def measured(mode):
    about = {"protocol": "ttur", "features": "pixels", "command": "c"}
    return [
        Measurement("GEN-2", "fid", 2.0, 64, 64, seed=0, **about),
        Measurement("GEN-2", "fid", 1.0, 64, 64, normalization=mode, seed=0, **about),
        Measurement("noise floor", "fid", 0.5, 64, 64, **about),
        Measurement("data", "mean_std", 0.25, 64, 64),
    ]


@pytest.mark.parametrize(
    ("modes", "gate_open", "said", "unsaid"),
    [
        (["gated"], True, "", (SHUT, IMAGES)),
        (["gated"], False, SHUT, (IMAGES,)),
        (["gated", "latents_and_images"], True, IMAGES, (SHUT, LATENTS)),
        (["latents"], False, LATENTS, (SHUT, IMAGES)),
    ],
)
def test_the_card_says_what_each_mode_rescales(modes, gate_open, said, unsaid):
    text = "\n".join(numbers([row for mode in modes for row in measured(mode)], gate_open))
    assert said in text
    assert not any(words in text for words in unsaid)


def test_a_command_that_is_not_valid_text_is_written_with_escapes(tmp_path):
    folder = shutil.copytree(ROOT / "weights/digits", tmp_path / "digits")
    command = "balancing-vae evaluate w\u00f6rd\udcff"  # as Python takes a byte that is no UTF-8
    write_metrics(folder, [replace(one, command=command) for one in read_metrics(folder)])
    write_card(folder)
    assert "evaluate w\u00f6rd\\udcff" in (folder / "README.md").read_text("utf-8")
