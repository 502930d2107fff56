"""The effect of normalisation on each number, seed by seed."""

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass

from balancing_vae.evaluation.measurement import DATA
from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.evaluation.measurement import by_data
from balancing_vae.evaluation.measurement import mean_and_deviation
from balancing_vae.evaluation.measurement import naming
from balancing_vae.evaluation.measurement import with_deviation
from balancing_vae.fid.metrics import METRICS
from balancing_vae.figures.tables import Table
from balancing_vae.normalization import MODES


@dataclass(frozen=True)
class Effect:
    """One measure of one column, without and with normalisation, over sampling seeds.

    Attributes:
        column: `REC`, `GEN-1`, `GEN-2` or another.
        mode: The mode of normalisation.
        name: The metric's name in tables: `FID`, `FD(...)`, `mse`.
        protocol: The metric's protocol; None if it needs no features.
        plain: One value per seed, without normalisation.
        normalized: One value per seed, with normalisation.
        better: Number of seeds for which normalisation improves the value: a distance becomes
            smaller (a negative estimate counts as 0), a variance loss comes closer to 0, a
            deviation comes closer to the data's.
        worse: Number of seeds for which it makes the value worse.
    """

    column: str
    mode: str
    name: str
    protocol: str | None
    plain: list[float]
    normalized: list[float]
    better: int
    worse: int

    @property
    def changes(self) -> list[float]:
        """The change that normalisation makes to the value of each seed."""
        return [after - before for before, after in zip(self.plain, self.normalized, strict=True)]


def normalization_effects(measurements: Sequence[Measurement]) -> list[Effect]:
    """Pair the values without and with normalisation that belong to the same weights.

    Args:
        measurements: What `evaluate` or `read_metrics` returned.

    Returns:
        An effect for each column, mode and metric that was measured both ways. If there are
        several sets of images, the column names the set. Metrics that are not in `fid.METRICS`
        are left out, because it is not known which of their values are better.

    Example:
        ```python
        print(normalization_effects_table(normalization_effects(read_metrics("runs/mnist"))))
        ```
    """
    known = [one for one in measurements if one.metric in METRICS]
    name = naming(known)
    return [
        effect
        for images, group in by_data(known).items()
        for effect in _effects(group, f" ({images})" if images else "", name)
    ]


def _effects(
    rows: Sequence[Measurement], images: str, name: Callable[[Measurement], str]
) -> list[Effect]:
    values: dict[tuple, dict[int | None, float]] = {}
    for row in rows:
        place = (row.column, row.metric, name(row), row.protocol, row.weights_sha256)
        values.setdefault((row.normalization, place), {})[row.seed] = row.value
    of_data = {row.metric: row.value for row in rows if row.column == DATA}
    found = []
    for (mode, place), after in values.items():
        plain = values.get((None, place), {})
        seeds = sorted(set(plain) & set(after), key=str)
        if mode is None or not seeds:
            continue
        column, metric, shown, protocol, _ = place

        def badness(value: float, metric: str = metric) -> float:
            return METRICS[metric].badness(value, of_data.get(metric, 0.0))

        gains = [badness(plain[seed]) - badness(after[seed]) for seed in seeds]
        found.append(
            Effect(
                column + images,
                mode,
                shown,
                protocol,
                [plain[seed] for seed in seeds],
                [after[seed] for seed in seeds],
                sum(gain > 0 for gain in gains),
                sum(gain < 0 for gain in gains),
            )
        )
    return found


def normalization_effects_table(found: Sequence[Effect]) -> Table:
    """Return a table with the modes side by side: mean ± deviation over the seeds (n - 1).

    Args:
        found: What `normalization_effects` returned.

    Returns:
        The table, with one line for each metric of a column. The parentheses after a normalised
        number say for how many seeds it is better than the plain one.
    """
    modes = [mode for mode in MODES if any(effect.mode == mode for effect in found)]
    lines: dict[tuple, dict[str, Effect]] = {}
    for effect in found:
        place = (effect.column, effect.name, effect.protocol and f"`{effect.protocol}`")
        lines.setdefault(place, {})[effect.mode] = effect
    return Table(
        ["", "measure", "protocol", "plain", *modes],
        [
            [
                *place,
                _mean(next(iter(of_modes.values())).plain),
                *(
                    of_modes.get(mode)
                    and f"{_mean(of_modes[mode].normalized)} ({of_modes[mode].better} of "
                    f"{len(of_modes[mode].plain)})"
                    for mode in modes
                ),
            ]
            for place, of_modes in lines.items()
        ],
    )


def answer(effect: Effect) -> str:
    """Say in one sentence whether normalisation improves a value.

    Args:
        effect: An effect from `normalization_effects`.

    Returns:
        "yes", "no", "no difference" or "undecided", with the seeds and the change.

    Example:
        ```python
        answer(effect)  # "GEN-2, mode latents: yes, in 5 of 5 seeds (FD(pixels) -1.25 ± 0.1)"
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
    change = _mean(effect.changes, "+#.4g")
    return f"{effect.column}, mode {effect.mode}: {verdict} ({effect.name} {change})"


def _mean(values: Sequence[float], form: str = "#.4g") -> str:
    return with_deviation(*mean_and_deviation(values), form)
