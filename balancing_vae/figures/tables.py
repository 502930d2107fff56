"""Rows as a table that a terminal, a page or a notebook can show."""

from collections.abc import Sequence
from html import escape


def markdown_table(rows: Sequence[dict]) -> str:
    """Return rows as GitHub-flavoured Markdown, aligned for the eye.

    Args:
        rows: At least one dict; all have the first one's names. Floats show four digits,
            None a dash.

    Returns:
        The table.

    Example:
        ```python
        print(markdown_table([{"kind": "dense", "mse": 0.0123456}]))
        # | kind  | mse     |
        # |-------|---------|
        # | dense | 0.01235 |
        ```
    """
    titles = list(rows[0])
    cells = [titles, *[[_text(row[title]) for title in titles] for row in rows]]
    widths = [max(len(line[i]) for line in cells) for i in range(len(titles))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in cells
    ]
    rule = "|" + "|".join("-" * (w + 2) for w in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


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
        "<tr>"
        + "".join(f"<td>{escape(_html_text(row.get(title)))}</td>" for title in titles)
        + "</tr>"
        for row in rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
    return table + "".join(f"<div>{escape(note)}</div>" for note in notes)


def _text(value) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _html_text(value: object) -> str:
    return f"{value:,}" if type(value) is int else _text(value)
