"""What normalisation changes: each number without and with it, seed by seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from statistics import stdev

from balancing_vae.evaluation.metrics_file import by_data


@dataclass(frozen=True)
class Effect:
    """One measure of one column, without and with normalisation, over sampling seeds.

    Attributes:
        column: `REC`, `GEN-1`, `GEN-2` or another.
        mode: Of the normalisation: "reference" or "paper"; None where unknown.
        distance: `FID`, `FD(...)`, or the name of a moment.
        protocol: Of the distance; None for moments.
        plain: A value a seed.
        normalized: Likewise, of the same seeds.
        better: In how many of the seeds normalisation makes it better: a distance or an
            error smaller, a variance loss nearer to 0, a deviation nearer to the data's.
        worse: In how many it makes it worse.
    """

    column: str
    mode: str | None
    distance: str
    protocol: str | None
    plain: list[float]
    normalized: list[float]
    better: int
    worse: int

    @property
    def changes(self) -> list[float]:
        """What normalisation adds, seed by seed."""
        return [after - before for before, after in zip(self.plain, self.normalized, strict=True)]


def effects(rows: Sequence[dict]) -> list[Effect]:
    """Pair what was measured without and with normalisation.

    Args:
        rows: As `evaluate` gives, or a run's `metrics.json`.

    Returns:
        An effect for each column and measure that was measured both ways; where there are
        several sets of images, the column names them.

    Example:
        ```python
        print(effects_table(effects(read_metrics("runs/mnist"))))
        ```
    """
    return [
        effect
        for images, group in by_data(rows).items()
        for effect in _effects(group, f" ({images})" if images else "")
    ]


def _effects(rows: Sequence[dict], images: str) -> list[Effect]:
    values: dict[tuple, dict[int, float]] = {}
    for row in rows:
        place = (row["column"] + images, row.get("normalization"), row["distance"], row["protocol"])
        values.setdefault((place, row["normalized"]), {})[row["seed"]] = row["value"]
    data_std = next((row["value"] for row in rows if row["column"] == "data"), 0.0)
    found = []
    for (place, normalized), plain in values.items():
        after = values.get((place, True), {})
        seeds = sorted(set(plain) & set(after), key=str)
        if normalized or not seeds:
            continue
        target = data_std if place[2] == "mean std" else 0.0
        gains = [abs(plain[seed] - target) - abs(after[seed] - target) for seed in seeds]
        found.append(
            Effect(
                *place,
                [plain[seed] for seed in seeds],
                [after[seed] for seed in seeds],
                sum(gain > 0 for gain in gains),
                sum(gain < 0 for gain in gains),
            )
        )
    return found


def effects_table(found: Sequence[Effect]) -> str:
    """Return a table, a line an effect.

    Args:
        found: As `effects` gives.

    Returns:
        GitHub-flavoured Markdown: mean ± deviation over the seeds (n - 1).
    """
    lines = [
        "| | mode | measure | protocol | plain | normalised | change | better in |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for effect in found:
        cells = [
            effect.column,
            effect.mode or "-",
            effect.distance,
            f"`{effect.protocol}`" if effect.protocol else "-",
            with_deviation(effect.plain),
            with_deviation(effect.normalized),
            with_deviation(effect.changes, sign="+"),
            f"{effect.better} of {len(effect.plain)}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def answer(effect: Effect) -> str:
    """Say in a sentence whether normalisation makes something better.

    Args:
        effect: One of what `effects` gives.

    Returns:
        "yes", "no", "no difference" or "undecided", with the seeds and the change.

    Example:
        ```python
        answer(effect)  # "GEN-2, mode paper: yes, in 5 of 5 seeds (FD(pixels) -1.25 ± 0.1)"
        ```
    """
    count = len(effect.plain)
    if effect.better == effect.worse == 0:
        verdict = "no difference"
    elif effect.better == count:
        verdict = f"yes, in {count} of {count} seeds"
    elif effect.worse == count:
        verdict = f"no, worse in {count} of {count} seeds"
    else:
        verdict = f"undecided, better in {effect.better} of {count} seeds"
    change = with_deviation(effect.changes, sign="+")
    mode = f", mode {effect.mode}" if effect.mode else ""
    return f"{effect.column}{mode}: {verdict} ({effect.distance} {change})"


def with_deviation(values: Sequence[float], sign: str = "") -> str:
    """Return "mean ± deviation" (n - 1), the mean alone of a single value."""
    deviation = f" ± {stdev(values):.2g}" if len(values) > 1 else ""
    return f"{mean(values):{sign}#.4g}{deviation}"
