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

# Real images compared with as many other real images: what a perfect model would score.
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
        real_count: Number of real images that were used.
        generated_count: Number of images on the other side that were used.
        normalization: Mode of normalisation; None if not normalised.
        seed: Sampling seed; None for a mean, and if nothing is drawn.
        deviation: For a mean, the standard deviation (n - 1) over its repetitions. For a single
            number, its uncertainty if the metric computes one.
        repetitions: The number of values that this one is the mean of.
        protocol: Name of the protocol; None if the metric needs no features.
        features: Name of the features; None if the metric needs none.
        features_sha256: Hash of the feature network; None if it has no weights.
        dataset: Name of the dataset; None if unknown.
        data: Path of the images.
        data_sha256: Hash of the real images' content.
        against: Split of the real images: "test", or "train" as in the original program's two
            earlier versions. Older files do not have this field; they mean "test".
        command: The command line of the measurement.
        versions: Versions of the packages that affect the number.
        weights_sha256: Hash of the pipeline's weights; None if they were not used or are
            unknown.
        fitted_sha256: Hash of the fitted sampler and the saved normalisation that were used.

    Raises:
        ValueError: A field has an invalid value.

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
        """The metric's name in tables: FID for Inception's features only, otherwise FD(...)."""
        if self.metric in METRICS:
            return METRICS[self.metric].name_in_tables(self.features)
        # The metric was registered when this was measured, and is not registered now.
        title = self.metric.replace("_", " ")
        return title if self.protocol is None else f"{title} ({self.features or 'unknown'})"

    def to_dict(self) -> dict:
        """Return the fields that are not at their defaults, as plain data."""
        return {
            name: value
            for name, value in asdict(self).items()
            if value is not None and not (name == "repetitions" and value == 1)
        }


def mean_and_deviation(values: Iterable[float]) -> tuple[float, float | None]:
    """Return the mean and the standard deviation (n - 1), which is None for a single value."""
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
        label: The name of the images, or of the system, without normalisation.
        mode: Mode of normalisation; None leaves the label unchanged.
        among: All modes that are shown together. A single one is not named.

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
    """Return means over sampling seeds, or over trainings.

    Only numbers of the same data, features, mode and numbers of images are averaged together.
    Applied to the means of several runs, it averages over trainings.

    Args:
        measurements: What `evaluate`, `read_metrics` or this function returned.

    Returns:
        A mean for each kind, in the order of their first numbers. `deviation` is taken over the
        repetitions; it is None for a single number. Seeds, commands and the runs' hashes are
        left out.

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
    """Group measurements by their real images, so that only comparable numbers are compared.

    Args:
        measurements: What `read_metrics` returned.

    Returns:
        The measurements of each set of images by its title. The title is empty if there is only
        one set; otherwise it is the dataset's name and the start of its hash. The title of
        training images says so.

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
    """Return a function that gives each measurement's metric an unambiguous name.

    Args:
        measurements: All measurements that are shown together.

    Returns:
        A function from a measurement to its `name`. If several networks share a name, the
        start of the network's hash is added.
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
