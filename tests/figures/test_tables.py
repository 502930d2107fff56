"""One table in every output format."""

import csv
import json
import re

from balancing_vae.figures.tables import Table

TABLE = Table(
    ["kind", "mse", "n", ""],
    [["dense", 0.0123456, 3, "2 ± 0.1"], ["conv|<i>", None, 12345, None]],
    "x & y\nz",
)


def texts(html: str) -> list[str]:
    return re.findall(r">([^<>]+)<", html)


def test_text_is_aligned_words_to_the_left_and_numbers_to_the_right():
    assert TABLE.text().splitlines() == [
        "kind          mse       n",
        "dense     0.01235       3  2 ± 0.1",
        "conv|<i>        -  12,345        -",
        "",
        "x & y",
        "z",
    ]
    assert str(TABLE) == TABLE.text()


def test_markdown_keeps_its_columns_for_any_content():
    assert TABLE.markdown().splitlines() == [
        "| kind | mse | n | |",
        "|---|---|---|---|",
        "| dense | 0.01235 | 3 | 2 ± 0.1 |",
        r"| conv\|<i> | - | 12,345 | - |",
        "",
        "x & y",
        "",
        "z",
    ]
    assert Table(["a"], [["two\nlines"]]).markdown().endswith("| two lines |")


def test_html_output_is_escaped():
    assert texts(TABLE.html())[:3] == ["kind", "mse", "n"]
    assert texts(TABLE.html())[7:] == ["conv|&lt;i&gt;", "-", "12,345", "-", "x &amp; y", "z"]
    assert TABLE._repr_html_() == TABLE.html()
    assert Table.of([], "nothing").html() == "<div>nothing</div>"


def test_a_table_as_data_keeps_all_digits():
    assert list(csv.reader(TABLE.csv().splitlines())) == [
        ["kind", "mse", "n", ""],
        ["dense", "0.0123456", "3", "2 ± 0.1"],
        ["conv|<i>", "", "12345", ""],
    ]
    read = json.loads(TABLE.json())
    assert read["note"] == "x & y\nz"
    assert read["rows"][0] == {"kind": "dense", "mse": 0.0123456, "n": 3, "": "2 ± 0.1"}


def test_a_table_of_dicts_has_all_their_names():
    table = Table.of([{"a": 1}, {"b": 2.5, "a": None}], "note")
    assert (table.columns, table.rows) == (["a", "b"], [[1, None], [None, 2.5]])
