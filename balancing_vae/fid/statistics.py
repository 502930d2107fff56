"""Mean and covariance of features: streaming, mergeable, in float64."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import replace

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.fid.covariance import Covariance
from balancing_vae.fid.covariance import Factor
from balancing_vae.fid.covariance import weighted_sum
from balancing_vae.fid.statistics_file import read_fields
from balancing_vae.fid.statistics_file import write_fields

# Rows per block that is merged: a few megabytes, and large enough that the matrix product takes
# more time than the merging.
_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Statistics:
    """Mean and covariance of a set of features, and their origin.

    Attributes:
        mu: Mean, float64 [d].
        covariance: The sum of squares divided by `count - ddof`: float64 [d, d], or, for fewer
            images than features, a `Factor` of n d numbers.
        count: Number of images; None if a file of another tool does not have it.
        ddof: See `covariance`.
        protocol: Name of the images' protocol; None if unknown.
        features: Name of the features, `inception` or another; None if unknown.
        features_sha256: Hash of the network's content; None if it has no weights.

    Example:
        ```python
        left, right = Statistics.from_features(a), Statistics.from_features(b)
        left.merge(right)  # the same as Statistics.from_features(np.concatenate([a, b]))
        ```
    """

    mu: np.ndarray
    covariance: Covariance
    count: int | None
    ddof: int = 1
    protocol: str | None = None
    features: str | None = None
    features_sha256: str | None = None

    @property
    def sigma(self) -> np.ndarray:
        """The covariance as a matrix, float64 [d, d]."""
        covariance = self.covariance
        return covariance.whole() if isinstance(covariance, Factor) else covariance

    @classmethod
    def from_features(cls, features: np.ndarray, ddof: int = 1) -> "Statistics":
        """Return the statistics of features that are all in memory.

        Args:
            features: Real array [n, d]. A single row has a covariance of zeros, which is only
                useful for merging.
            ddof: The covariance divides by n - `ddof`.

        Returns:
            Statistics without a protocol's name.

        Raises:
            ValueError: `features` is not a matrix with a row, or holds NaN or infinity.

        Example:
            ```python
            Statistics.from_features(np.random.default_rng(0).normal(size=(100, 8))).count  # 100
            ```
        """
        return cls.from_batches([features], ddof=ddof)

    @classmethod
    def from_batches(cls, batches: Iterable[np.ndarray], ddof: int = 1) -> "Statistics":
        """Return the statistics of batches of features; memory does not grow with their number.

        Blocks of rows are merged with the pairwise formula of Chan, Golub and LeVeque
        (1979), equations 2.1; see `merge`.

        Args:
            batches: Real arrays [n_i, d], n_i of any size.
            ddof: The covariance divides by n - `ddof`.

        Returns:
            Statistics without a protocol's name.

        Raises:
            ValueError: There is no row, or a row has NaN or infinity (the message names the
                image, counted from 0 over all batches).

        Example:
            ```python
            Statistics.from_batches(extract(images, network, "ttur"))
            ```
        """
        total = None
        for block in _blocks(batches):
            mu = block.mean(axis=0)
            scatter = Factor(block - mu)
            sigma = weighted_sum([(1 / _degrees(len(block), ddof), scatter)])
            part = cls(mu, sigma, len(block), ddof)
            total = part if total is None else total.merge(part)
        if total is None:
            raise InputError("There are no features to take statistics of; give at least two.")
        return total

    def merge(self, other: "Statistics") -> "Statistics":
        """Return the statistics of both sets together.

        With the sums of squares S = sigma (n - ddof) and d = mu_2 - mu_1,

            mu = mu_1 + d n_2 / n,  S = S_1 + S_2 + d d' n_1 n_2 / n

        (Chan, Golub, LeVeque 1979, eq. 2.1). This is exact for any split.

        Args:
            other: Statistics of other images in the same features.

        Returns:
            Statistics with this object's protocol and features.

        Raises:
            ValueError: The two differ in protocol, features or size, or lack a count.

        Example:
            ```python
            Statistics.load("part0.npz").merge(Statistics.load("part1.npz"))
            ```
        """
        refuse_mixture(self, other)
        if self.count is None or other.count is None:
            raise InputError(
                "Statistics without a count cannot be merged: recompute them from the images."
            )
        if self.ddof != other.ddof:
            raise InputError(
                f"Covariances over n - {self.ddof} and n - {other.ddof} cannot be merged: "
                "recompute one of them."
            )
        count = self.count + other.count
        difference = other.mu - self.mu
        scatters = [
            (_degrees(self.count, self.ddof), self.covariance),
            (_degrees(other.count, self.ddof), other.covariance),
            (self.count * other.count / count, Factor(difference[None])),
        ]
        degrees = _degrees(count, self.ddof)
        return replace(
            self,
            mu=self.mu + difference * (other.count / count),
            covariance=weighted_sum([(weight / degrees, term) for weight, term in scatters]),
            count=count,
        )

    def save(self, path: str | os.PathLike, factored: bool = False) -> None:
        """Write a `.npz` that other FID tools read too (`mu`, `sigma`).

        The file also has `count`, `ddof`, `protocol`, `features` and `features_sha256`, if they
        are known. It is written completely or not at all.

        Args:
            path: The file to write; its name should end in `.npz`.
            factored: Whether to write a small `factor` instead of `sigma` if there are fewer
                images than features. Only this package reads such a file.

        Raises:
            OSError: The file cannot be written.

        Example:
            ```python
            statistics.save("cifar10_test.npz")
            ```
        """
        fields = dict(vars(self))
        covariance = fields.pop("covariance")
        if factored and isinstance(covariance, Factor):
            write_fields(path, factor=covariance.rows, **fields)
        else:
            write_fields(path, sigma=self.sigma, **fields)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Statistics":
        """Read a `.npz` with `mu` and `sigma`, of this package or of another tool.

        Args:
            path: The file. Nothing in it is unpickled.

        Returns:
            The statistics; fields that the file does not have are None.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is damaged, or does not have valid statistics: `sigma` must be
                symmetric and positive semi-definite (to 1e-6), all numbers must be real, and
                counts must be whole.

        Example:
            ```python
            Statistics.load("cifar10_test.npz").mu.shape  # (2048,)
            ```
        """
        return cls(**read_fields(path))


def refuse_mixture(first: Statistics, second: Statistics) -> None:
    """Raise if two statistics cannot be compared.

    A field that one of them does not have is not checked.

    Args:
        first: Statistics.
        second: Statistics.

    Raises:
        ValueError: They differ in protocol, in features, in the network's hash or in the
            number of features.

    Example:
        ```python
        refuse_mixture(Statistics.load("a.npz"), Statistics.load("b.npz"))
        ```
    """
    for attribute, what in (
        ("protocol", "protocols"),
        ("features", "features"),
        ("features_sha256", "feature networks (sha256)"),
    ):
        one, other = getattr(first, attribute), getattr(second, attribute)
        if one is not None and other is not None and one != other:
            raise InputError(
                f"These statistics are of two {what}, {one} and {other}; a distance between "
                "them means nothing: recompute one of them from its images."
            )
    if first.mu.shape != second.mu.shape:
        raise InputError(
            f"These statistics have {len(first.mu)} and {len(second.mu)} features; a distance "
            "needs the same features on both sides: recompute one of them from its images."
        )


def check_rows(rows: np.ndarray, first: int = 0) -> None:
    """Raise if an array is not a matrix of finite features.

    Args:
        rows: Real array [n, d].
        first: Number of the first image, for the message.

    Raises:
        ValueError: It is not a matrix, or has NaN or infinity; the message names the image.

    Example:
        ```python
        check_rows(np.zeros((100, 2048)))
        ```
    """
    if rows.ndim != 2:
        raise InputError(f"Features of shape {rows.shape} were given; expected [n, d].")
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise InputError(
            f"The features of image {first + int(np.argmin(finite))} hold NaN or infinity: "
            "look at that image, and at the network."
        )


def _degrees(count: int, ddof: int) -> int:
    """Return the divisor of a sum of squares; for a single image, the sum is 0 anyway."""
    return max(count - ddof, 1)


def _blocks(batches: Iterable[np.ndarray]) -> Iterable[np.ndarray]:
    """Yield all rows as float64 blocks; all but the last have at least `_BLOCK` rows."""
    waiting: list[np.ndarray] = []
    rows = seen = 0
    for batch in batches:
        batch = np.asarray(batch, dtype=np.float64)
        check_rows(batch, first=seen)
        seen += len(batch)
        rows += len(batch)
        waiting.append(batch)
        if rows >= _BLOCK:
            yield np.concatenate(waiting)
            waiting, rows = [], 0
    if rows:
        yield np.concatenate(waiting)
