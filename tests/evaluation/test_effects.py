"""The effect of normalisation, paired by seed."""

from dataclasses import replace

import pytest

from balancing_vae.evaluation.effects import answer
from balancing_vae.evaluation.effects import normalization_effects
from balancing_vae.evaluation.effects import normalization_effects_table
from balancing_vae.evaluation.measurement import Measurement


def rows(plain, normalized, mode="gated", metric="fid", column="GEN-2"):
    about = {} if metric in ("mean_std", "variance_loss") else {"protocol": "ttur"}
    about |= {"features": "pixels"} if about else {}
    return [
        Measurement(column, metric, value, 64, 64, normalization, seed, **about)
        for normalization, values in ((None, plain), (mode, normalized))
        for seed, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("normalized", "words"),
    [
        ([1.0, 2.0, 3.0], "yes, in 3 of 3 seeds (FD(pixels) -1.000 ± 0)"),
        ([3.0, 4.0, 5.0], "no, worse in 3 of 3 seeds (FD(pixels) +1.000 ± 0)"),
        ([1.0, 2.0, 7.0], "undecided, better in 2 of 3 seeds (FD(pixels) +0.3333 ± 2.3)"),
        ([2.0, 3.0, 4.0], "no difference (FD(pixels) +0.000 ± 0)"),
    ],
)
def test_the_answer_counts_seeds_and_pairs_them(normalized, words):
    (effect,) = normalization_effects(rows([2.0, 3.0, 4.0], normalized))
    assert answer(effect) == f"GEN-2, mode gated: {words}"


def test_moments_closer_to_the_data_are_better():
    found = normalization_effects(
        [
            *rows([0.2, 0.2], [0.24, 0.3], metric="mean_std"),
            *rows([0.01, 0.01], [-0.005, -0.02], metric="variance_loss"),
            Measurement("data", "mean_std", 0.25, 64, 64),
        ]
    )
    assert [(e.name, e.better, e.worse) for e in found] == [
        ("mean std", 1, 0),
        ("variance loss", 1, 1),
    ]


def test_negative_estimates_of_a_distance_do_not_differ_from_zero():
    plain, normalized = [-0.2, -0.2, 0.1, -0.1], [-0.3, -0.1, -0.1, 0.2]
    (effect,) = normalization_effects(rows(plain, normalized, metric="kid", column="REC"))
    assert (effect.better, effect.worse) == (1, 1)
    assert "(1 of 4)" in normalization_effects_table([effect]).markdown()


def test_the_table_has_a_row_for_each_number_measured_with_and_without_normalization():
    floor = rows([5.0], [], column="noise floor")
    table = normalization_effects_table(
        normalization_effects([*rows([2.0, 4.0], [1.0, 2.0]), *floor])
    ).markdown()
    assert table.splitlines()[2:] == [
        "| GEN-2 | FD(pixels) | `ttur` | 3.000 ± 1.4 | 1.500 ± 0.71 (2 of 2) |"
    ]


def test_modes_are_columns_of_one_table():
    measured = [*rows([2.0], [1.0], mode="latents_and_images"), *rows([], [3.0], mode="gated")]
    measured += [*rows([7.0], [6.0], column="REC", mode="gated")]
    table = normalization_effects_table(normalization_effects(measured)).markdown().splitlines()
    assert table[0] == "| | measure | protocol | plain | gated | latents_and_images |"
    assert table[2:] == [
        "| GEN-2 | FD(pixels) | `ttur` | 2.000 | 3.000 (0 of 1) | 1.000 (1 of 1) |",
        "| REC | FD(pixels) | `ttur` | 7.000 | 6.000 (1 of 1) | - |",
    ]


def test_one_seed_has_no_deviation():
    table = normalization_effects_table(normalization_effects(rows([2.0], [1.0]))).markdown()
    assert "| 2.000 | 1.000 (1 of 1) |" in table


def test_modes_of_normalization_are_kept_separate():
    measured = [
        *rows([2.0, 4.0], [2.0, 4.0]),
        *rows([], [1.0, 3.0], mode="latents_and_images"),
    ]
    assert [answer(effect) for effect in normalization_effects(measured)] == [
        "GEN-2, mode gated: no difference (FD(pixels) +0.000 ± 0)",
        "GEN-2, mode latents_and_images: yes, in 2 of 2 seeds (FD(pixels) -1.000 ± 0)",
    ]


def test_numbers_of_other_weights_are_not_paired():
    plain, rescaled = rows([2.0], [1.0])
    assert normalization_effects([plain, replace(rescaled, weights_sha256="a")]) == []
