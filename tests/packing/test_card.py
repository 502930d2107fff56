"""What a model card says about the modes of normalisation that its numbers were taken in."""

import pytest

from balancing_vae.packing.sections import numbers

SHUT, IMAGES = "its gate is shut", "generated images are rescaled, too"


def measured(mode):
    common = {"distance": "FD(pixels)", "protocol": "ttur", "normalization": mode, "command": "c"}
    moments = {"distance": "mean std", "protocol": None, "normalized": False, "command": "c"}
    counts = {"real_count": 64, "generated_count": 64}
    return [
        *(
            common | counts | {"column": "GEN-2", "normalized": flag, "seed": 0, "value": value}
            for flag, value in ((False, 2.0), (True, 1.0))
        ),
        common
        | counts
        | {"column": "noise floor", "normalized": False, "seed": None, "value": 0.5},
        moments | {"column": "data", "seed": None, "value": 0.25, "normalization": mode},
    ]


@pytest.mark.parametrize(
    ("modes", "gate_open", "said", "unsaid"),
    [
        (["reference"], True, "", (SHUT, IMAGES)),
        (["reference"], False, SHUT, (IMAGES,)),
        (["reference", "paper"], True, IMAGES, (SHUT,)),
    ],
)
def test_the_card_says_what_each_mode_rescales(modes, gate_open, said, unsaid):
    text = "\n".join(numbers([row for mode in modes for row in measured(mode)], gate_open))
    assert said in text
    assert not any(words in text for words in unsaid)
