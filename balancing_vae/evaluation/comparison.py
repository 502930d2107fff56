"""Numbers measured here beside the published ones, as a table."""

import csv
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.evaluation.distances import summarise
from balancing_vae.evaluation.metrics_file import METRICS_FILE
from balancing_vae.evaluation.metrics_file import by_data
from balancing_vae.evaluation.metrics_file import read_metrics
from balancing_vae.evaluation.publications import published
from balancing_vae.figures.tables import html_table

# Two cuts of the same faces: shown together, told apart in the table.
_FAMILY = {"celeba140": "celeba"}
# What other papers' columns stand beside, in the order of the table.
_COLUMNS = {
    "REC": ("REC",),
    "GEN-1 / N": ("GEN-1", "N", "GEN"),
    "GEN-2 / GMM": ("GEN-2", "GMM"),
    "noise floor": ("noise floor",),
}
_FIELDS = (
    "dataset",
    "system",
    "column",
    "value",
    "deviation",
    "repetitions",
    "distance",
    "protocol",
    "measured_here",
    "source",
)


class System(NamedTuple):
    """What makes two numbers stand in one line."""

    dataset: str
    system: str
    distance: str
    protocol: str | None
    measured_here: bool
    source: str


NOTE = (
    "Deviations of rows measured here are over sampling seeds of one training, those of "
    "published rows over trainings. Only numbers of one protocol can be compared."
)


class Comparison(list):
    """Rows as `compare` gives them, which print as the table that they make."""

    def __str__(self) -> str:
        return to_markdown(self)

    def _repr_html_(self) -> str:
        titles, *lines = _lines(self)
        return html_table([dict(zip(titles, line, strict=True)) for line in lines], NOTE)


def compare(runs: Sequence[str | os.PathLike], dataset: str | None = None) -> Comparison:
    """Return what was measured of some runs, and what is published on the same data.

    Args:
        runs: Folders with a `metrics.json`.
        dataset: Name of the dataset; None: the runs'.

    Returns:
        A row a number, ours first: dataset, system, column, value, deviation (None where
        unknown), repetitions, distance, protocol (None where not stated), measured_here,
        source. Published numbers that one paper quotes from another stand in only once.

    Raises:
        FileNotFoundError: A run has not been evaluated.
        ValueError: The runs are of several datasets and none is named, or nothing is
            published on it.

    Example:
        ```python
        print(to_markdown(compare(["runs/a"], "cifar10")))
        ```
    """
    rows = [row for run in runs for row in _measured(Path(run))]
    families = {_FAMILY.get(row["dataset"], row["dataset"]) for row in rows}
    if dataset is None and len(families) != 1:
        raise InputError(
            f"The runs are of {len(families)} datasets ({', '.join(sorted(families))}): choose "
            "one with --dataset."
        )
    family = _FAMILY.get(dataset, dataset) if dataset else families.pop()
    known = {_FAMILY.get(row["dataset"], row["dataset"]) for row in published()["rows"]}
    if dataset is not None and family not in known | families:
        raise InputError(
            f"Nothing is published here on {dataset!r}; choose one of {', '.join(sorted(known))}."
        )
    rows += _published()
    return Comparison(row for row in rows if _FAMILY.get(row["dataset"], row["dataset"]) == family)


def to_markdown(rows: Sequence[dict], note: str = NOTE) -> str:
    """Return a table, a line a system, and the note on what can be compared.

    Args:
        rows: As `compare` gives.
        note: What stands below the table.

    Returns:
        GitHub-flavoured Markdown; systems measured here in bold.

    Example:
        ```python
        to_markdown(compare(["runs/a"]))
        ```
    """
    titles, *lines = _lines(rows, bold="**")
    lines = [titles, ["---"] * len(titles), *lines]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{table}\n\n{note}"


def _lines(rows: Sequence[dict], bold: str = "") -> list[list[str]]:
    """Return the table's titles, and a line a system, those measured here in bold."""
    systems, used = by_system(rows)
    lines = [["system", "dataset", *used, "distance", "protocol", "measured here", "source"]]
    for system, cells in systems.items():
        mark = bold if system.measured_here else ""
        lines.append(
            [
                f"{mark}{system.system}{mark}",
                system.dataset,
                *(_cell(cells.get(title)) for title in used),
                system.distance,
                system.protocol or "not stated",
                "yes" if system.measured_here else "no",
                system.source,
            ]
        )
    return lines


def to_csv(rows: Sequence[dict]) -> str:
    """Return one line a number, with a header.

    Args:
        rows: As `compare` gives.

    Returns:
        Comma-separated values; an empty cell for None.

    Example:
        ```python
        to_csv(compare(["runs/a"]))
        ```
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, _FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")


def to_json(rows: Sequence[dict]) -> str:
    """Return the rows and the note as JSON.

    Args:
        rows: As `compare` gives.

    Returns:
        An object with `rows` and `note`.

    Example:
        ```python
        to_json(compare(["runs/a"]))
        ```
    """
    return json.dumps({"rows": list(rows), "note": NOTE}, indent=2, ensure_ascii=False)


def _measured(run: Path) -> list[dict]:
    """Return a run's rows, averaged over sampling seeds."""
    measurements = read_metrics(run)
    if not measurements:
        raise MissingFileError(
            f"{run} holds no {METRICS_FILE} with numbers: run `balancing-vae evaluate {run}` first."
        )
    return [
        {
            "dataset": rows[0]["dataset"],
            "system": run.resolve().name + _normalization(row) + (images and f" ({images})"),
            **{name: row[name] for name in ("column", "value", "deviation", "repetitions")},
            **{name: row[name] for name in ("distance", "protocol")},
            "measured_here": True,
            "source": str(run / METRICS_FILE),
        }
        for images, rows in by_data(measurements).items()
        for row in summarise(_once(rows))
        if row["protocol"] is not None  # moments: no paper has them
    ]


def _once(measurements: list[dict]) -> list[dict]:
    """Return rows without normalisation once, though they are measured beside each mode."""
    unique = {}
    for row in measurements:
        mode = row.get("normalization") if row["normalized"] else None
        names = ("column", "normalized", "seed", "distance", "protocol")
        unique[mode, *(row[name] for name in names)] = row | {"normalization": mode}
    return list(unique.values())


def _normalization(row: dict) -> str:
    if not row["normalized"]:
        return ""
    mode = " (paper's mode)" if row["normalization"] == "paper" else ""
    return f", with normalisation{mode}"


def _published() -> list[dict]:
    return [
        {
            "dataset": row["dataset"],
            "system": row["system"] + (f" ({row['network']})" if "network" in row else ""),
            "column": row["column"],
            "value": row["value"],
            "deviation": row["deviation"],
            "repetitions": None,
            "distance": "FID",
            "protocol": row["protocol"],
            "measured_here": False,
            "source": published()["sources"][row["source"]]["title"],
        }
        for row in published()["rows"]
        if "quoted_from" not in row
    ]


def by_system(rows: Sequence[dict]) -> tuple[dict[System, dict[str, dict]], list[str]]:
    """Return the rows as lines of a table.

    Args:
        rows: As `compare` gives.

    Returns:
        For each system its row under each column's title; the titles that are in use.
    """
    place = {column: title for title, columns in _COLUMNS.items() for column in columns}
    systems: dict[System, dict[str, dict]] = {}
    for row in rows:
        system = System(*(row[name] for name in System._fields))
        systems.setdefault(system, {})[place.get(row["column"], row["column"])] = row
    titles = [
        title
        for title in dict.fromkeys([*_COLUMNS, *(row["column"] for row in rows)])
        if any(title in cells for cells in systems.values())
    ]
    return systems, titles


def _cell(row: dict | None) -> str:
    if row is None:
        return ""
    deviation = "" if row["deviation"] is None else f" ± {row['deviation']:.2g}"
    return f"{row['value']:.4g}{deviation}"
