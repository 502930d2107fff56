"""The kinds of images to measure: REC, GEN-1, GEN-2 and further samplers of a pipeline."""

import warnings
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from functools import partial
from typing import Protocol as Interface

import numpy as np

from balancing_vae.config import SECOND_STAGE
from balancing_vae.config import Config
from balancing_vae.errors import find_stack_level
from balancing_vae.normalization import ImageNormalization
from balancing_vae.normalization import LatentNormalization
from balancing_vae.normalization import NothingRescaledWarning
from balancing_vae.training.posterior import draw

# All published numbers of these models use this many images.
IMAGES = 10_000

Posterior = tuple[np.ndarray, np.ndarray]
Normalization = tuple[LatentNormalization, ImageNormalization]


class Pipeline(Interface):
    """The methods that `two_stage_columns` needs of a pipeline; `TwoStageVAE` has them."""

    config: Config

    def fitted_normalizations(self) -> Normalization:
        """Return the normalisations of latents and of images; raise an error if there are none."""

    def encode(self, x: np.ndarray) -> Posterior:
        """Return `mu` and `sigma` [n, L] of the images `x`."""

    def sample_latents(self, n: int, *, normalize: bool, seed: int, sampler: str) -> np.ndarray:
        """Return latents [n, L] from the sampler of that name."""

    def decode(self, z: np.ndarray, keep_padding: bool) -> np.ndarray:
        """Return images in [0, 1] of latents."""


@dataclass(frozen=True)
class Column:
    """One kind of generated image to measure.

    Attributes:
        name: `REC`, `GEN-1`, `GEN-2` or another title in tables.
        make: Takes a seed and yields pairs of a mode of normalisation and float images in
            [0, 1], [n, h, w, c]. The first mode is None: not normalised. If two consecutive
            pairs have equal images, it yields the same array object again.
        paired: Whether image i is the reconstruction of real image i.
        arrays: Number of arrays that `make` yields, for the progress bar.
    """

    name: str
    make: Callable[[int], Iterator[tuple[str | None, np.ndarray]]]
    paired: bool = False
    arrays: int = 2


def choose_images(images: np.ndarray, count: int = IMAGES) -> np.ndarray:
    """Return at most `count` real images in a fixed, shuffled order.

    The order is always the same (seed 0). The original program shuffles its test images, too:
    subsets and incomplete batches then do not depend on the order of classes. A smaller `count`
    gives the first images of a larger one.

    Args:
        images: uint8 array [N, h, w, c]; may be memory-mapped.
        count: Number of images.

    Returns:
        uint8 array [min(N, count), h, w, c], in memory.

    Example:
        ```python
        real = choose_images(datasets.load("cifar10", "test", "data"))
        ```
    """
    order = np.random.default_rng(0).permutation(len(images))[:count]
    return images[order]


def two_stage_columns(
    pipeline: Pipeline,
    real: np.ndarray,
    samplers: Sequence[str] = (),
    posterior: Posterior | None = None,
    samples: int | None = None,
    normalizations: Mapping[str, Normalization] | None = None,
) -> list[Column]:
    """Return REC, GEN-1 and GEN-2, each without and with normalisation.

    They are the images of `reconstruct` and `generate` with the same seed. `real` is encoded
    once. Plain and normalised images share their draws, and equal latents are decoded once.

    Args:
        pipeline: A trained `TwoStageVAE`, or any object with its methods.
        real: The images to reconstruct.
        samplers: Names of further samplers of the pipeline, each for a column `GEN (name)`.
        posterior: What `pipeline.encode(real)` returned; None computes it.
        samples: Number of generated images (default: as many as `real`).
        normalizations: The normalisations to measure, by mode, from
            `TwoStageVAE.measure_normalizations`; None uses the fitted one.

    Returns:
        Three columns, and one for each further sampler.

    Raises:
        ValueError: The normalisation is not fitted.

    Warns:
        NothingRescaledWarning: The modes include "gated", and its gate is shut.

    Example:
        ```python
        evaluate(two_stage_columns(vae, real), real, load_inception(), "asperti2020")
        ```
    """
    if normalizations is None:
        fitted = pipeline.fitted_normalizations()
        normalizations = {fitted[0].mode: fitted}
    for of_latents, _ in normalizations.values():
        if reason := of_latents.left_alone(SECOND_STAGE):
            warnings.warn(reason, NothingRescaledWarning, find_stack_level())

    @cache
    def encoded() -> Posterior:
        return pipeline.encode(real) if posterior is None else posterior

    def reconstructions(seed: int) -> Iterator[tuple[str | None, np.ndarray]]:
        images = pipeline.decode(draw(*encoded(), seed), keep_padding=True)
        yield None, images
        last = None
        # Modes that leave the images unchanged come first, so that equal arrays are consecutive.
        for mode, (_, of_images) in sorted(
            normalizations.items(), key=lambda item: item[1][1].rescales(generated=False)
        ):
            target = of_images.target if of_images.rescales(generated=False) else None
            if target != last:
                normalized, last = of_images.apply(images, generated=False), target
            yield mode, images if target is None else normalized

    def generated(name: str, seed: int) -> Iterator[tuple[str | None, np.ndarray]]:
        # Draw whole batches, as the pipeline does, because some modes rescale each batch.
        size = pipeline.config.batch_size
        n = len(real) if samples is None else samples
        drawn = pipeline.sample_latents(
            -(-n // size) * size, normalize=False, seed=seed, sampler=name
        )
        latents = {
            mode: of_latents.apply(drawn, name, size)[:n]
            for mode, (of_latents, _) in normalizations.items()
        }
        z = drawn[:n]
        images = pipeline.decode(z, keep_padding=True)
        yield None, images
        # Modes that keep the latents come first, so that equal latents are decoded once.
        for mode in sorted(
            normalizations,
            key=lambda mode: (
                not np.array_equal(latents[mode], drawn[:n]),
                normalizations[mode][1].rescales(generated=True),
            ),
        ):
            if not np.array_equal(latents[mode], z):
                z = latents[mode]
                images = pipeline.decode(z, keep_padding=True)
            yield mode, normalizations[mode][1].apply(images, generated=True)

    of_stages = {f"GEN-{i}": name for i, name in enumerate(pipeline.config.samplers, start=1)}
    arrays = 1 + len(normalizations)
    drawn_from = of_stages | {f"GEN ({name})": name for name in samplers}
    return [
        Column("REC", reconstructions, paired=True, arrays=arrays),
        *(
            Column(title, partial(generated, name), arrays=arrays)
            for title, name in drawn_from.items()
        ),
    ]
