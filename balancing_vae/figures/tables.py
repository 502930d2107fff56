"""Tables as text, Markdown, HTML, CSV and JSON."""

import csv
import io
import json
import re
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

# A number, a number with its standard deviation, a dash or an empty cell.
_NUMBER = re.compile(r"([-+]?[\d,.]+(e[-+]?\d+)?( ± \S+)?|-)?")


@dataclass(frozen=True)
class Table:
    """A table with column titles and a note.

    In text, Markdown and HTML, floats have four digits, whole numbers have thousands separators,
    and None is a dash. CSV and JSON keep the values unchanged. A notebook displays the table.

    Attributes:
        columns: The titles.
        rows: One value per title in each row: strings, numbers or None.
        note: Lines of text below the table.

    Example:
        ```python
        print(Table(["kind", "mse"], [["dense", 0.0123456], ["conv", None]], "test images"))
        # kind       mse
        # dense  0.01235
        # conv         -
        #
        # test images
        ```
    """

    columns: Sequence[str]
    rows: Sequence[Sequence]
    note: str = ""

    @classmethod
    def of(cls, rows: Sequence[Mapping], note: str = "") -> "Table":
        """Make a table from dicts.

        Args:
            rows: Dicts. The titles are all their keys, in the order of first use. A missing key
                becomes None.
            note: Lines of text below the table.

        Returns:
            The table.

        Example:
            ```python
            Table.of([{"kind": "dense", "mse": 0.0123456}])
            ```
        """
        columns = list(dict.fromkeys(name for row in rows for name in row))
        return cls(columns, [[row.get(name) for name in columns] for row in rows], note)

    def text(self) -> str:
        """Return the table aligned for a terminal: numbers to the right, words to the left."""
        cells = self._cells()
        lines = [""] * len(cells)
        for column in zip(*cells, strict=True):
            width = max(map(len, column))
            numbers = all(_NUMBER.fullmatch(cell) for cell in column[1:])
            for i, cell in enumerate(column):
                lines[i] += (cell.rjust(width) if numbers else cell.ljust(width)) + "  "
        return _with_note([line.rstrip() for line in lines], self.note)

    def markdown(self) -> str:
        """Return the table in GitHub-flavoured Markdown."""
        titles, *rows = (
            [" ".join(cell.replace("|", r"\|").splitlines()) for cell in line]
            for line in self._cells()
        )
        lines = ["|" + "".join(f" {c} |" if c else " |" for c in line) for line in (titles, *rows)]
        # One paragraph per line, because Markdown would join the lines.
        note = self.note.replace("\n", "\n\n")
        return _with_note([lines[0], "|" + "---|" * len(titles), *lines[1:]], note)

    def html(self) -> str:
        """Return the table in HTML, with all text escaped."""
        titles, *rows = ([escape(cell) for cell in line] for line in self._cells())
        head = "".join(f"<th>{title}</th>" for title in titles)
        body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        notes = "".join(f"<div>{escape(line)}</div>" for line in self.note.splitlines())
        return (table if rows else "") + notes

    def csv(self) -> str:
        """Return comma-separated values with a header; None is an empty cell."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.columns, *self.rows])
        return text.getvalue().rstrip("\n")

    def json(self) -> str:
        """Return a JSON object with `rows`, a list of objects, and `note`."""
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return json.dumps({"rows": rows, "note": self.note}, indent=2, ensure_ascii=False)

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return self.html()

    def _cells(self) -> list[list[str]]:
        return [[str(c) for c in self.columns], *([_cell(v) for v in row] for row in self.rows)]


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if type(value) is int else str(value)


def _with_note(lines: list[str], note: str) -> str:
    return "\n".join([*lines, "", note] if note else lines)
