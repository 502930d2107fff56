"""Rows as a table that a terminal and a page can show."""

from collections.abc import Sequence


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


def _text(value) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
