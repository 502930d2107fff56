"""A table of measured numbers next to the published ones."""

import os
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import astuple
from dataclasses import dataclass
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.evaluation.measurement import NOISE_FLOOR
from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.evaluation.measurement import aggregate
from balancing_vae.evaluation.measurement import by_data
from balancing_vae.evaluation.measurement import naming
from balancing_vae.evaluation.measurement import with_deviation
from balancing_vae.evaluation.measurement import with_mode
from balancing_vae.evaluation.metrics_file import METRICS_FILE
from balancing_vae.evaluation.metrics_file import read_metrics
from balancing_vae.evaluation.publications import published_numbers
from balancing_vae.fid.metrics import METRICS
from balancing_vae.figures.tables import Table
from balancing_vae.normalization import MODES

# Two crops of the same faces. The table shows both and names them.
_FAMILY = {"celeba140": "celeba"}
# For each column of the table, in order: the columns of papers that it shows.
_COLUMNS = {
    "REC": ("REC",),
    "GEN-1 / N": ("GEN-1", "N", "GEN"),
    "GEN-2 / GMM": ("GEN-2", "GMM"),
    NOISE_FLOOR: (NOISE_FLOOR,),
}
# Plain numbers first.
_MODES = (None, *MODES)
NOTE = (
    "The number after ± is a standard deviation: over sampling seeds of one training in rows "
    "measured here, over trainings in published rows. Only numbers of one protocol can be compared."
)


@dataclass(frozen=True)
class Number:
    """A number of a comparison.

    Attributes:
        dataset: Name of the dataset.
        system: The source of the images, and whether they are normalised.
        column: `REC`, `GEN-1` or another.
        value: The number.
        deviation: Its deviation; None if unknown.
        repetitions: The number of values that it is the mean of; None if unknown.
        metric: The metric's name in tables: `FID`, `FD(...)`, `mse`.
        protocol: Name of the protocol; None if it has none, or none is stated.
        measured_here: True for a measurement, false for a published number.
        source: A file or a paper.
    """

    dataset: str
    system: str
    column: str
    value: float
    deviation: float | None
    repetitions: int | None
    metric: str
    protocol: str | None
    measured_here: bool
    source: str


class Line(NamedTuple):
    """The key that groups numbers into one table row."""

    dataset: str
    system: str
    metric: str
    protocol: str | None
    measured_here: bool
    source: str


class Comparison(list):
    """The numbers that `compare` returns; they print as a table.

    Attributes:
        note: The text below the table.
        left_out: One line for each run or group of numbers that was left out, with the reason.
    """

    def __init__(
        self, numbers: Iterable[Number] = (), note: str = NOTE, left_out: Sequence[str] = ()
    ):
        super().__init__(numbers)
        self.note = note
        self.left_out = tuple(left_out)

    def table(self, bold: str = "") -> Table:
        """Return a table with one line for each `Line`, and the notes below it.

        Args:
            bold: Text to put before and after the names of systems measured here.
        """
        keys, used = by_line(self)
        titles = ["system", "dataset", *used, "metric", "protocol", "measured here", "source"]
        lines = []
        for key, cells in keys.items():
            mark = bold if key.measured_here else ""
            numbers = [cells.get(title) for title in used]
            lines.append(
                [
                    f"{mark}{key.system}{mark}",
                    key.dataset,
                    *("" if n is None else with_deviation(n.value, n.deviation) for n in numbers),
                    key.metric,
                    key.protocol or ("" if key.measured_here else "not stated"),
                    "yes" if key.measured_here else "no",
                    key.source,
                ]
            )
        return Table(titles, lines, self._notes())

    def numbers(self) -> Table:
        """Return a table with one line for each number, for other programs."""
        titles = [field.name for field in fields(Number)]
        return Table(titles, [astuple(number) for number in self], self._notes())

    def __str__(self) -> str:
        return self.table(bold="**").markdown()

    def _repr_html_(self) -> str:
        return self.table().html()

    def _notes(self) -> str:
        used = {number.source for number in self}
        of_sources = [
            f"{source['title']}: {source['note']}."
            for source in published_numbers()["sources"].values()
            if source["title"] in used and "note" in source
        ]
        left_out = [f"Left out: {line}" for line in self.left_out]
        return "\n".join([self.note, *of_sources, *left_out])


def compare(runs: Sequence[str | os.PathLike], dataset: str | None = None) -> Comparison:
    """Return the numbers measured for some runs, and the published ones on the same data.

    Args:
        runs: Folders with a `metrics.json`.
        dataset: Name of the dataset; None uses the runs' own.

    Returns:
        The numbers. The measured ones come first; they are means over sampling seeds. Its
        `left_out` names what is left out: numbers of other data, and published numbers that
        only repeat another paper's.

    Raises:
        FileNotFoundError: A run has not been evaluated.
        ValueError: The runs use several datasets and `dataset` is None, or nothing is published
            on the dataset.

    Example:
        ```python
        print(compare(["runs/a"], "cifar10"))
        ```
    """
    measured = {Path(run): aggregate(measurements_of(run)) for run in runs}
    families = {_family(_dataset(one)) for means in measured.values() for one in means}
    if dataset is None and len(families) != 1:
        raise InputError(
            f"The runs use {len(families)} datasets ({', '.join(sorted(families))}); choose one "
            "with --dataset."
        )
    family = _family(dataset) if dataset else families.pop()
    known = {_family(row["dataset"]) for row in published_numbers()["rows"]}
    if dataset is not None and family not in known | families:
        raise InputError(
            f"Nothing is published here on {dataset!r}; choose one of {', '.join(sorted(known))}."
        )
    numbers, left_out = [], []
    for run, means in measured.items():
        fitting, others = _of_family(means, family)
        fitting, floors = beside_their_floors(fitting)
        left_out += [f"{run}, {reason}" for reason in (*others, *floors)]
        numbers += numbers_of(run.resolve().name, fitting, str(run / METRICS_FILE))
    theirs, quoted = _published(family)
    return Comparison([*numbers, *theirs], left_out=[*left_out, *quoted])


def measurements_of(run: str | os.PathLike) -> list[Measurement]:
    """Return the measurements of a run.

    Args:
        run: Its folder.

    Returns:
        The measurements in its `metrics.json`.

    Raises:
        FileNotFoundError: It has not been evaluated.
        ValueError: The file is damaged.
    """
    measurements = read_metrics(run)
    if not measurements:
        raise MissingFileError(
            f"{run} has no {METRICS_FILE} with numbers; run `balancing-vae evaluate {run}` first."
        )
    return measurements


def numbers_of(system: str, means: Sequence[Measurement], source: str) -> list[Number]:
    """Return means as numbers of a comparison.

    Args:
        system: The source of the images.
        means: What `aggregate` returned.
        source: The file that has the numbers.

    Returns:
        The numbers, sorted by metric; for each metric, the plain numbers come first.
    """
    name = naming(means)
    order = {metric: place for place, metric in enumerate(METRICS)}
    means = sorted(
        means,
        key=lambda one: (order.get(one.metric, len(order)), _MODES.index(one.normalization)),
    )
    return [
        Number(
            _dataset(one),
            with_mode(system, one.normalization) + (images and f" ({images})"),
            one.column,
            one.value,
            one.deviation,
            one.repetitions,
            name(one),
            one.protocol,
            True,
            source,
        )
        for images, group in by_data(means).items()
        for one in group
    ]


def beside_their_floors(means: Sequence[Measurement]) -> tuple[list[Measurement], list[str]]:
    """Leave out the noise floors that were measured at other numbers of images.

    Args:
        means: What `aggregate` returned.

    Returns:
        The means that can be compared, and one line for each mean that was left out.
    """
    names = ("metric", "protocol", "features", "features_sha256", "dataset", "data_sha256")
    counts: dict[tuple, set[int]] = {}
    for one in means:
        if one.column != NOISE_FLOOR:
            place = tuple(getattr(one, name) for name in names)
            counts.setdefault(place, set()).add(one.real_count)
    kept, left_out = [], []
    for one in means:
        beside = counts.get(tuple(getattr(one, name) for name in names), {one.real_count})
        if one.column == NOISE_FLOOR and one.real_count not in beside:
            left_out.append(
                f"the noise floor of {one.name}: it was measured at {one.real_count:,} images, the "
                f"other numbers at {', '.join(f'{n:,}' for n in sorted(beside))}."
            )
        else:
            kept.append(one)
    return kept, left_out


def _of_family(means: Sequence[Measurement], family: str) -> tuple[list[Measurement], list[str]]:
    fitting = [one for one in means if _family(_dataset(one)) == family]
    others = {_dataset(one) for one in means} - {_dataset(one) for one in fitting}
    what = "the" if fitting else "all"
    reasons = (
        [f"{what} numbers measured on other data: {', '.join(sorted(others))}."] if others else []
    )
    return fitting, reasons


def _published(family: str) -> tuple[list[Number], list[str]]:
    """Return the published numbers on a dataset, and a line about those that only quote others."""
    rows = [row for row in published_numbers()["rows"] if _family(row["dataset"]) == family]
    own = [row for row in rows if "quoted_from" not in row]
    numbers = [
        Number(
            row["dataset"],
            row["system"] + (f" ({row['network']})" if "network" in row else ""),
            row["column"],
            row["value"],
            row["deviation"],
            None,
            METRICS["fid"].title,
            row["protocol"],
            False,
            published_numbers()["sources"][row["source"]]["title"],
        )
        for row in own
    ]
    quoted = len(rows) - len(own)
    lines = [f"{quoted} published numbers that only repeat another paper's."] if quoted else []
    return numbers, lines


def _dataset(one: Measurement) -> str:
    return one.dataset or "unknown"


def _family(dataset: str) -> str:
    return _FAMILY.get(dataset, dataset)


def by_line(numbers: Sequence[Number]) -> tuple[dict[Line, dict[str, Number]], list[str]]:
    """Group numbers into the lines of a table.

    Args:
        numbers: What `compare` returned.

    Returns:
        The numbers of each line by column title, and the titles in use.
    """
    place = {column: title for title, columns in _COLUMNS.items() for column in columns}
    lines: dict[Line, dict[str, Number]] = {}
    for number in numbers:
        line = Line(*(getattr(number, name) for name in Line._fields))
        lines.setdefault(line, {})[place.get(number.column, number.column)] = number
    titles = [
        title
        for title in dict.fromkeys([*_COLUMNS, *(number.column for number in numbers)])
        if any(title in cells for cells in lines.values())
    ]
    return lines, titles
