"""What is measured of a pipeline: REC, GEN-1 and GEN-2, and further samplers."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from functools import partial
from typing import Protocol as Interface

import numpy as np

from balancing_vae.normalization import ImageNormalization
from balancing_vae.normalization import LatentNormalization
from balancing_vae.training.posterior import draw

# As many as every published number of these models is of.
IMAGES = 10_000

Posterior = tuple[np.ndarray, np.ndarray]


class Pipeline(Interface):
    """What `two_stage_columns` needs of a pipeline; `TwoStageVAE` is one."""

    def fitted_normalizations(self) -> tuple[LatentNormalization, ImageNormalization]:
        """Return the normalisations of latents and of images; refuse where there are none."""

    def encode(self, x: np.ndarray) -> Posterior:
        """Return `mu` and `sigma` [n, L] of the images `x`."""

    def sample_latents(
        self, n: int, stage: int = 2, *, normalize: bool, seed: int, sampler: str | None = None
    ) -> np.ndarray:
        """Return latents [n, L] of GEN-1 or GEN-2, or from the sampler of that name."""

    def decode(self, z: np.ndarray, keep_padding: bool) -> np.ndarray:
        """Return images in [0, 1] of latents."""


@dataclass(frozen=True)
class Column:
    """One kind of generated image to measure.

    Attributes:
        name: `REC`, `GEN-1`, `GEN-2`, or what a table calls it.
        make: From a seed to float images in [0, 1], [n, h, w, c], by the mode of their
            normalisation (None: not normalised). Where normalisation changes nothing, it
            yields the same array again.
        paired: Whether each image is the reconstruction of the real image in its place.
    """

    name: str
    make: Callable[[int], Iterator[tuple[str | None, np.ndarray]]]
    paired: bool = False


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
) -> list[Column]:
    """Return REC, GEN-1 and GEN-2, each without and with normalisation.

    They are the images of `reconstruct` and `generate` with the same seed. `real` is encoded
    once; what is plain and normalised is decoded once where the latents are the same.

    Args:
        pipeline: A trained `TwoStageVAE`, or anything with its methods.
        real: The images that are reconstructed.
        samplers: Names of further samplers of the pipeline, each for a column `GEN (name)`.
        posterior: What `pipeline.encode(real)` returned, where it is at hand.
        samples: How many images are generated; as many as `real` by default.

    Returns:
        Three columns, and one for each further sampler.

    Raises:
        ValueError: The normalisation is not fitted.

    Example:
        ```python
        evaluate(two_stage_columns(vae, real), real, load_inception(), "asperti2020")
        ```
    """
    of_latents, of_images = pipeline.fitted_normalizations()
    mode = of_latents.mode

    @cache
    def encoded() -> Posterior:
        return pipeline.encode(real) if posterior is None else posterior

    def reconstructions(seed: int) -> Iterator[tuple[str | None, np.ndarray]]:
        images = pipeline.decode(draw(*encoded(), seed), keep_padding=True)
        yield None, images
        yield mode, of_images.apply(images, generated=False)

    count = len(real) if samples is None else samples

    def generated(seed: int, **drawn_from) -> Iterator[tuple[str | None, np.ndarray]]:
        plain, normalized = (
            pipeline.sample_latents(count, normalize=normalize, seed=seed, **drawn_from)
            for normalize in (False, True)
        )
        images = pipeline.decode(plain, keep_padding=True)
        yield None, images
        if not np.array_equal(plain, normalized):
            images = pipeline.decode(normalized, keep_padding=True)
        yield mode, of_images.apply(images, generated=True)

    return [
        Column("REC", reconstructions, paired=True),
        Column("GEN-1", partial(generated, stage=1)),
        Column("GEN-2", partial(generated, stage=2)),
        *(Column(f"GEN ({name})", partial(generated, sampler=name)) for name in samplers),
    ]
