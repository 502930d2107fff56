"""What is measured: REC, GEN-1, GEN-2 and further samplers of a pipeline."""

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

# As many as every published number of these models is of.
IMAGES = 10_000

Posterior = tuple[np.ndarray, np.ndarray]
Normalization = tuple[LatentNormalization, ImageNormalization]


class Pipeline(Interface):
    """What `two_stage_columns` needs of a pipeline; `TwoStageVAE` is one."""

    config: Config

    def fitted_normalizations(self) -> Normalization:
        """Return the normalisations of latents and of images; refuse where there are none."""

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
        name: `REC`, `GEN-1`, `GEN-2`, or what a table calls it.
        make: From a seed to float images in [0, 1], [n, h, w, c], by the mode of their
            normalisation (None: not normalised, the first). Where two in a row are alike, it
            yields the same array again.
        paired: Whether each image is the reconstruction of the real image in its place.
        arrays: How many arrays `make` yields, for the progress bar.
    """

    name: str
    make: Callable[[int], Iterator[tuple[str | None, np.ndarray]]]
    paired: bool = False
    arrays: int = 2


def choose_images(images: np.ndarray, count: int = IMAGES) -> np.ndarray:
    """Return real images in an order of their own, at most `count` of them.

    The order is shuffled once and for all (seed 0), as the original program shuffles its
    test images: parts of them and incomplete batches then do not depend on the order of
    classes. Fewer images are the first ones of more.

    Args:
        images: uint8 array [N, h, w, c]; may be memory-mapped.
        count: How many are wanted.

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
    once; what is plain and normalised is drawn once, and decoded once where the latents are the
    same.

    Args:
        pipeline: A trained `TwoStageVAE`, or anything with its methods.
        real: The images that are reconstructed.
        samplers: Names of further samplers of the pipeline, each for a column `GEN (name)`.
        posterior: What `pipeline.encode(real)` returned, where it is at hand.
        samples: How many images are generated; as many as `real` by default.
        normalizations: Those to measure, by mode, as `TwoStageVAE.measure_normalizations` gives
            them; None: the fitted one.

    Returns:
        Three columns, and one for each further sampler.

    Raises:
        ValueError: The normalisation is not fitted.

    Warns:
        NothingRescaledWarning: Mode "gated" is among them, and its gate is shut.

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
        # Those that leave the images as they are come first: the same array twice in a row.
        for mode, (_, of_images) in sorted(
            normalizations.items(), key=lambda item: item[1][1].rescales(generated=False)
        ):
            target = of_images.target if of_images.rescales(generated=False) else None
            if target != last:
                normalized, last = of_images.apply(images, generated=False), target
            yield mode, images if target is None else normalized

    def generated(name: str, seed: int) -> Iterator[tuple[str | None, np.ndarray]]:
        # Whole batches, as the pipeline draws them: some modes rescale batch by batch.
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
        # Those that change least come first: latents are decoded once.
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
