"""The rules for input: one sentence names the value, the requirement and the file."""

import json
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pytest

from balancing_vae import schema
from balancing_vae.schema import anything
from balancing_vae.schema import check_fields
from balancing_vae.schema import fields_of
from balancing_vae.schema import mapping
from balancing_vae.schema import one_of
from balancing_vae.schema import optional
from balancing_vae.schema import read_json
from balancing_vae.schema import real
from balancing_vae.schema import record
from balancing_vae.schema import sequence
from balancing_vae.schema import text
from balancing_vae.schema import truth
from balancing_vae.schema import whole

NAN, INFINITE = float("nan"), float("inf")
STATE = record({"epoch": whole(least=0)}, {"noise": sequence(whole(), 2)})


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        (whole(), -3),
        (whole(least=0, most=2), np.int64(2)),
        (real(above=0), 1),
        (real(), np.float32(0.5)),
        (truth, False),
        (text, ""),
        (one_of("a", None), None),
        (optional(text), None),
        (sequence(text), []),
        (sequence(whole(), 2), (1, 2)),
        (mapping(real()), {"a": 1.5}),
        (record({"a": text}, {"b": truth}), {"a": "x"}),
        (record({"a": text}, others=anything), {"a": "x", "c": [None]}),
    ],
)
def test_valid_values_pass(rule, value):
    rule(value, "x")


@pytest.mark.parametrize(
    ("rule", "value", "message"),
    [
        (whole(), 2.0, "x must be a whole number, got 2.0."),
        (whole(), True, "x must be a whole number, got True."),
        (whole(above=0), 0, "x must be positive, got 0."),
        (whole(least=0), -5, "x must not be negative, got -5."),
        (whole(least=2), 1, "x must be at least 2, got 1."),
        (whole(most=2), 10**400, "x must be at most 2, got 1000"),
        (real(), "1", "x must be a number, got '1'."),
        (real(), NAN, "x must be finite, got nan."),
        (real(above=0), NAN, "x must be positive, got nan."),
        (real(least=0), INFINITE, "x must be finite, got inf."),
        (truth, 1, "x must be true or false, got 1."),
        (text, None, "x must be a string, got None."),
        (one_of("a", "b"), "evil", "x must be one of ('a', 'b'), got 'evil'."),
        (one_of(1), True, "x must be one of (1,), got True."),
        (sequence(whole(), 2), [1], "x must be a list of 2, got [1]."),
        (sequence(whole()), [1, "b"], "x[1] must be a whole number, got 'b'."),
        (mapping(truth), {"a": 0}, "x.a must be true or false, got 0."),
        (mapping(truth), [], "x must be a dict, got []."),
        (record({"a": text}), {}, "x must have a."),
        (record({"a": text}), {"a": "", "b": 1}, "x must not have ['b']; there are ['a']."),
        (record({"a": record({"b": text})}), {"a": {"b": 1}}, "x.a.b must be a string, got 1."),
    ],
)
def test_invalid_values_are_named_with_the_expectation(rule, value, message):
    with pytest.raises(ValueError) as caught:
        rule(value, "x")
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 200


@dataclass(frozen=True)
class Plan:
    steps: int
    rate: Annotated[float, real(above=0)]
    note: str | None = None

    def __post_init__(self):
        check_fields(self)


def test_a_dataclass_declares_its_rules_by_its_type_hints():
    Plan(3, 0.5)
    with pytest.raises(ValueError, match="steps must be a whole number, got 1.5"):
        Plan(1.5, 0.5)
    with pytest.raises(ValueError, match="rate must be positive, got 0"):
        Plan(1, 0.0)
    with pytest.raises(ValueError, match="note must be a string, got 3"):
        Plan(1, 1.0, 3)
    fields_of(Plan)({"steps": 1, "rate": 1.0}, "the plan")
    with pytest.raises(ValueError, match="the plan must have rate, steps"):
        fields_of(Plan)({"note": None}, "the plan")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "Expecting value"),
        ("[" * 100_000, "recursion"),
        ("[]", "the content must be a dict"),
        ('{"epoch": -5}', "epoch must not be negative, got -5"),
        ('{"epoch": 1, "noise": [1, NaN]}', r"noise\[1\] must be a whole number, got nan"),
        (b"\xff\xfe", "decode"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, content, message):
    path = tmp_path / "state.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=f"state.json is damaged: .*{message}.*; copy it again"):
        read_json(path, STATE)


def test_an_intact_file_is_read_and_a_missing_or_huge_one_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "state.json"
    with pytest.raises(FileNotFoundError, match="state.json is missing"):
        read_json(path, STATE)
    path.mkdir()
    with pytest.raises(FileNotFoundError, match="state.json is missing or not a file"):
        read_json(path, STATE)
    path.rmdir()
    path.write_text(json.dumps({"epoch": 1}))
    assert read_json(path, STATE) == {"epoch": 1}
    monkeypatch.setattr(schema, "MAX_JSON_BYTES", 5)
    with pytest.raises(ValueError, match="state.json is damaged: larger than 5 bytes"):
        read_json(path, STATE)
