"""A measured number with its provenance; means over several."""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import replace
from statistics import mean
from statistics import stdev
from typing import Annotated

from balancing_vae.fid.metrics import METRICS
from balancing_vae.normalization import MODE
from balancing_vae.schema import check_fields
from balancing_vae.schema import mapping
from balancing_vae.schema import one_of
from balancing_vae.schema import optional
from balancing_vae.schema import real
from balancing_vae.schema import text
from balancing_vae.schema import whole

# Real images against as many other real ones: what a perfect model would still show.
NOISE_FLOOR = "noise floor"
# The real images alone.
DATA = "data"
SPLITS = ("test", "train")


@dataclass(frozen=True)
class Measurement:
    """A metric's value for one kind of image, or the mean of such values.

    Attributes:
        column: `REC`, `GEN-1`, `GEN-2`, `GEN (gaussian)`, `data`, `noise floor`.
        metric: Its name in `fid.METRICS`.
        value: The number.
        real_count: Real images that entered.
        generated_count: Images of the other side that entered.
        normalization: Mode of the normalisation; None: not normalised.
        seed: Sampling seed; None where nothing is drawn, and of a mean.
        deviation: Of a single number how far it may be off, where the metric tells that; of a
            mean the standard deviation (n - 1) over its repetitions.
        repetitions: How many numbers the value is the mean of.
        protocol: Name of the protocol; None where the metric needs no features.
        features: Name of the features; None likewise.
        features_sha256: Hash of their network; None where it has no weights.
        dataset: Name of the dataset; None where unknown.
        data: Where the images lay.
        data_sha256: Hash of the real images' content.
        against: Split of the data that the real images are of: "test", or "train" as in the
            original program's two earlier versions. Earlier files do not say it: test.
        command: The command line that measured.
        versions: Versions of the packages that decide the number.
        weights_sha256: Hash of the pipeline's weights; None where they had no part or are
            unknown.
        fitted_sha256: Hash of the fitted sampler and the saved normalisation that took part.

    Raises:
        ValueError: A field is not what it must be.

    Example:
        ```python
        row = Measurement("GEN-2", "fid", 69.4, 9984, 9984, seed=0, protocol="asperti2020",
                          features="inception", dataset="cifar10")
        row.name  # "FID"
        ```
    """

    column: str
    metric: str
    value: Annotated[float, real()]
    real_count: Annotated[int, whole(least=1)]
    generated_count: Annotated[int, whole(least=1)]
    normalization: Annotated[str | None, optional(MODE)] = None
    seed: Annotated[int | None, optional(whole(least=0))] = None
    deviation: Annotated[float | None, optional(real(least=0))] = None
    repetitions: Annotated[int, whole(least=1)] = 1
    protocol: str | None = None
    features: str | None = None
    features_sha256: str | None = None
    dataset: str | None = None
    data: str | None = None
    data_sha256: str | None = None
    against: Annotated[str, one_of(*SPLITS)] = "test"
    command: str | None = None
    versions: Annotated[dict[str, str] | None, optional(mapping(text))] = None
    weights_sha256: str | None = None
    fitted_sha256: str | None = None

    def __post_init__(self):
        check_fields(self)
        if self.normalization is not None:
            object.__setattr__(self, "normalization", MODE.present(self.normalization))

    @property
    def name(self) -> str:
        """What to print beside the number: FID in Inception's features only, else FD(...)."""
        if self.metric in METRICS:
            return METRICS[self.metric].name_in_tables(self.features)
        # Measured where there was a metric of that name.
        title = self.metric.replace("_", " ")
        return title if self.protocol is None else f"{title} ({self.features or 'unknown'})"

    def to_dict(self) -> dict:
        """Return the fields that say something, as plain data."""
        return {
            name: value
            for name, value in asdict(self).items()
            if value is not None and not (name == "repetitions" and value == 1)
        }


def mean_and_deviation(values: Iterable[float]) -> tuple[float, float | None]:
    """Return the mean and the standard deviation (n - 1), None of a single value."""
    values = list(values)
    return mean(values), stdev(values) if len(values) > 1 else None


def with_deviation(value: float, deviation: float | None, form: str = ".4g") -> str:
    """Return a number as tables show it, such as "69.4 ± 1".

    Args:
        value: The number.
        deviation: Its deviation; None leaves it out.
        form: Format of the number.

    Returns:
        The text.
    """
    return f"{value:{form}}" + ("" if deviation is None else f" ± {deviation:.2g}")


def with_mode(label: str, mode: str | None, among: Collection[str | None] | None = None) -> str:
    """Return a label that says how images are normalised, such as "GEN-2, normalised (gated)".

    Args:
        label: What the images, or the system, are called without normalisation.
        mode: Mode of the normalisation; None leaves the label as it is.
        among: The modes of all that is shown together: a single one is not named.

    Returns:
        The label.

    Example:
        ```python
        with_mode("GEN-2", "gated", [None, "gated"])  # GEN-2, normalised
        ```
    """
    if mode is None:
        return label
    is_named = among is None or len(set(among) - {None}) > 1
    return f"{label}, normalised" + (f" ({mode})" if is_named else "")


def aggregate(measurements: Iterable[Measurement]) -> list[Measurement]:
    """Return means over what differs in the draw alone: sampling seeds, or trainings.

    Numbers of other data, other features, other modes or other counts of images are not
    averaged together. Applied to the means of several runs it averages over trainings.

    Args:
        measurements: As `evaluate` or `read_metrics` gives, or what this function returned.

    Returns:
        A mean for each kind, in the order of their first numbers. `deviation` is over the
        repetitions, None of a single one. Seeds, commands and the runs' hashes are left out.

    Example:
        ```python
        aggregate(read_metrics("runs/a"))  # over sampling seeds
        aggregate(m for run in runs for m in aggregate(read_metrics(run)))  # over trainings
        ```
    """
    groups: dict[tuple, list[Measurement]] = {}
    for one in measurements:
        groups.setdefault(_kind(one), []).append(one)
    means = []
    for group in groups.values():
        value, deviation = mean_and_deviation(one.value for one in group)
        means.append(
            replace(
                group[0],
                value=value,
                deviation=deviation,
                repetitions=len(group),
                seed=None,
                data=None,
                command=None,
                versions=None,
                weights_sha256=None,
                fitted_sha256=None,
            )
        )
    return means


def _kind(one: Measurement) -> tuple:
    names: tuple[str, ...] = ("column", "normalization", "metric", "protocol", "features")
    names += ("features_sha256", "dataset", "data_sha256", "against")
    names += ("real_count", "generated_count")
    return tuple(getattr(one, name) for name in names)


def by_data(measurements: Iterable[Measurement]) -> dict[str, list[Measurement]]:
    """Return measurements by the images they are of, so that only like is set beside like.

    Args:
        measurements: As `read_metrics` gives.

    Returns:
        The measurements of each set of images, under "" where there is but one, else under
        its name and the start of its hash; "training images" is said of these.

    Example:
        ```python
        for images, rows in by_data(read_metrics("runs/a")).items():
            print(images, aggregate(rows))
        ```
    """
    groups: dict[tuple, list[Measurement]] = {}
    for one in measurements:
        groups.setdefault((one.dataset, one.data_sha256, one.against), []).append(one)
    titles = {}
    for key, group in groups.items():
        name, sha256, against = key
        words = [f"{name} {_start(sha256)}"] if len(groups) > 1 else []
        words += ["against training images"] if against == "train" else []
        titles[", ".join(words)] = group
    return titles


def naming(measurements: Sequence[Measurement]) -> Callable[[Measurement], str]:
    """Return what names the metric of each of some measurements, and tells all apart.

    Args:
        measurements: All that are shown together.

    Returns:
        From a measurement to its `name`; where features of one name come from several
        networks, with the start of the network's hash.
    """
    networks: dict[str, set] = {}
    for one in measurements:
        networks.setdefault(one.name, set()).add(one.features_sha256)

    def name(one: Measurement) -> str:
        if len(networks[one.name]) == 1:
            return one.name
        return f"{one.name}, network {_start(one.features_sha256)}"

    return name


def _start(sha256: str | None) -> str:
    return "unknown" if sha256 is None else sha256[:8]
