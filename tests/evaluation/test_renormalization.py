"""What normalisation changes, paired by seed."""

import pytest

from balancing_vae.evaluation.renormalization import answer
from balancing_vae.evaluation.renormalization import effects
from balancing_vae.evaluation.renormalization import effects_table


def rows(plain, normalized, distance="FD(pixels)", protocol="ttur", column="GEN-2"):
    return [
        {
            "column": column,
            "distance": distance,
            "protocol": protocol,
            "normalized": flag,
            "seed": seed,
            "value": value,
        }
        for flag, values in ((False, plain), (True, normalized))
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
    (effect,) = effects(rows([2.0, 3.0, 4.0], normalized))
    assert answer(effect) == f"GEN-2: {words}"


def test_moments_are_better_nearer_to_the_data():
    data = {"column": "data", "distance": "mean std", "protocol": None, "normalized": False}
    found = effects(
        [
            *rows([0.2, 0.2], [0.24, 0.3], "mean std", None),
            *rows([0.01, 0.01], [-0.005, -0.02], "variance loss", None),
            data | {"seed": None, "value": 0.25},
        ]
    )
    assert [(e.distance, e.better, e.worse) for e in found] == [
        ("mean std", 1, 0),
        ("variance loss", 1, 1),
    ]


def test_the_table_has_a_line_for_what_was_measured_both_ways():
    floor = rows([5.0], [], column="noise floor")
    table = effects_table(effects([*rows([2.0, 4.0], [1.0, 2.0]), *floor]))
    assert table.splitlines()[2:] == [
        "| GEN-2 | - | FD(pixels) | `ttur` | 3.000 ± 1.4 | 1.500 ± 0.71 | -1.500 ± 0.71 | 2 of 2 |"
    ]


def test_one_seed_has_no_deviation():
    assert "| 2.000 | 1.000 | -1.000 | 1 of 1 |" in effects_table(effects(rows([2.0], [1.0])))


def test_modes_of_normalisation_stay_apart():
    measured = [
        row | {"normalization": mode}
        for mode, values in (("reference", [2.0, 4.0]), ("paper", [1.0, 3.0]))
        for row in rows([2.0, 4.0], values)
    ]
    assert [answer(effect) for effect in effects(measured)] == [
        "GEN-2, mode reference: no difference (FD(pixels) +0.000 ± 0)",
        "GEN-2, mode paper: yes, in 2 of 2 seeds (FD(pixels) -1.000 ± 0)",
    ]
