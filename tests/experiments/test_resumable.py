"""Measured cases survive when the process is killed."""

import json

import pytest

from balancing_vae.experiments.resumable import measure_each

CASES = [{"a": 1, "sizes": {"width": 2}}, {"a": 2, "sizes": {"width": 2}}, {"a": 3, "sizes": {}}]


def test_a_killed_run_continues_with_its_unfinished_case(tmp_path):
    path = tmp_path / "deep" / "rows.json"
    measured = []

    def measure(case):
        measured.append(case["a"])
        if measured == [1, 2]:
            raise KeyboardInterrupt
        return {"value": case["a"] / 3}

    with pytest.raises(KeyboardInterrupt):
        measure_each(path, CASES, measure, "test")
    assert json.loads(path.read_text()) == [CASES[0] | {"value": 1 / 3}]
    rows = measure_each(path, CASES, measure, "test")
    assert measured == [1, 2, 2, 3]
    assert rows == [case | {"value": case["a"] / 3} for case in CASES]
    # Other cases stay in the file and out of the answer.
    assert measure_each(path, [{"a": 4}, CASES[1]], measure, "test")[1] == rows[1]
    assert measured == [1, 2, 2, 3, 4]
    assert len(json.loads(path.read_text())) == 4


@pytest.mark.parametrize("text", ["{", "{}", "[1]"])
def test_a_file_of_something_else_is_refused(tmp_path, text):
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="rows.json .*move it away"):
        measure_each(path, CASES, lambda case: {}, "test")
    assert path.read_text() == text
