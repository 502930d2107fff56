"""Rows as a table that a notebook shows."""

from collections.abc import Sequence
from html import escape


def html_table(rows: Sequence[dict], *notes: str) -> str:
    """Return rows as an HTML table with lines of text below.

    Args:
        rows: Dicts with the same names. Floats show four digits, None a dash.
        *notes: What stands below, a line each.

    Returns:
        HTML, everything in it escaped.

    Example:
        ```python
        html_table([{"stage": 1, "mse": 0.0123456}], "mse of the last epoch")
        ```
    """
    titles = list(rows[0]) if rows else []
    head = "".join(f"<th>{escape(str(title))}</th>" for title in titles)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_text(row.get(title)))}</td>" for title in titles) + "</tr>"
        for row in rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
    return table + "".join(f"<div>{escape(note)}</div>" for note in notes)


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
