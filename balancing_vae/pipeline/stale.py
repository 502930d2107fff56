"""Stale parts, fitted to latents that have changed since: stage 2, samplers, normalisation."""

import time

from balancing_vae.config import SECOND_STAGE
from balancing_vae.errors import InputError

NORMALIZATION = "normalization"
# Earlier than any time in this process, so that a part saved as stale is stale after loading.
LONG_AGO = -1


def now() -> int:
    """Return a number that increases with time."""
    return time.monotonic_ns()


def stale_parts(vae) -> list[str]:
    """Return the parts that were fitted before their latents were changed by training.

    Args:
        vae: A `TwoStageVAE`.

    Returns:
        Names: "second_stage", fitted samplers, "normalization".

    Example:
        ```python
        vae.stage1.fit(x_train, epochs=5)
        stale_parts(vae)    # ["second_stage", "normalization"]
        ```
    """
    moved = vae.stage1.last_trained
    parts = []
    if vae.stage2 is not None and vae.stage2.last_trained < moved:
        parts.append(SECOND_STAGE)
    parts += [name for name in vae.fitted_samplers if vae.fitted_at.get(name, 0) < moved]
    if vae.latent_normalization is not None:
        last = max(stage.last_trained for stage in vae.stages.values())
        if vae.fitted_at.get(NORMALIZATION, 0) < last:
            parts.append(NORMALIZATION)
    return parts


def mark_stale(vae, parts: list[str]) -> None:
    """Mark parts as stale that were stale when they were saved.

    Args:
        vae: A `TwoStageVAE` that has just been loaded.
        parts: The result of `stale_parts` before saving.
    """
    for name in parts:
        if name == SECOND_STAGE:
            vae.stage2.last_trained = LONG_AGO
        else:
            vae.fitted_at[name] = LONG_AGO


def check_fresh(vae, name: str) -> None:
    """Raise if a part is stale.

    Args:
        vae: A `TwoStageVAE`.
        name: "prior", "second_stage", a fitted sampler's name, or "normalization".

    Raises:
        ValueError: It was fitted to latents that have changed since.
    """
    if name not in stale_parts(vae):
        return
    remedies = {
        SECOND_STAGE: "Stage 2 is stale: stage 1 was trained after it, and its latents have "
        "moved; train it again by fit(x), or stage2.fit(encode(x)).",
        NORMALIZATION: "The normalisation is stale: a stage was trained after it was fitted; call "
        "fit_normalization(x) again, or pass normalize=False.",
    }
    raise InputError(
        remedies.get(name)
        or f"The sampler {name!r} is stale: stage 1 was trained after it was fitted, and its "
        f"latents have moved; call fit_sampler({name!r}, x) again."
    )
