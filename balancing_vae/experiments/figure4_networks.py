"""The networks of figure 4: four kinds in several sizes."""

import keras

from balancing_vae.experiments.iterative import iterative_networks
from balancing_vae.networks import build_networks

# Sizes and latents for each dataset. The widest dense networks are meant to overfit.
_DIGITS = [
    *[("dense", {"width": width, "depth": 2}, 8) for width in (32, 128, 512)],
    ("dense", {"width": 512, "depth": 2}, 2),
    ("dense", {"width": 1024, "depth": 2}, 16),
    ("dense", {"width": 1024, "depth": 3}, 32),
    *[("conv", {"base_dim": 8, "num_scale": 2}, latents) for latents in (2, 4, 8)],
    *[("conv", {"base_dim": 32, "num_scale": 2}, latents) for latents in (4, 16, 32)],
    *[("resnet", {"base_dim": 4, "num_scale": 2, "fc_dim": 64}, latents) for latents in (2, 4, 8)],
    *[("resnet", {"base_dim": 8, "num_scale": 2, "fc_dim": 128}, n) for n in (4, 8, 16)],
    *[("iterative", {"steps": steps, "width": 64}, 4 * steps) for steps in (1, 2, 4)],
    *[("iterative", {"steps": steps, "width": 256}, 4 * steps) for steps in (2, 4, 8)],
]
_LARGER = [
    ("dense", {"width": 128, "depth": 2}, 8),
    ("dense", {"width": 512, "depth": 3}, 32),
    ("conv", {"base_dim": 8, "num_scale": 3}, 8),
    ("conv", {"base_dim": 16, "num_scale": 3}, 32),
    ("resnet", {"base_dim": 4, "num_scale": 4, "fc_dim": 128}, 8),
    ("resnet", {"base_dim": 8, "num_scale": 4, "fc_dim": 128}, 32),
    ("iterative", {"steps": 4, "width": 256}, 16),
    ("iterative", {"steps": 8, "width": 256}, 32),
]
KINDS = ("dense", "conv", "resnet", "iterative")


def fig4_networks(image_shape: tuple[int, int, int]) -> list[dict]:
    """Return the networks that figure 4 trains on images of a shape.

    Args:
        image_shape: Side, side, channels.

    Returns:
        Dicts of `kind`, `sizes` and `latent_dim`: 24 for the digits (8x8) and 8 for larger
        images. If the side is not a power of two, the residual networks are left out.

    Example:
        ```python
        len(fig4_networks((8, 8, 1)))   # 24
        ```
    """
    side = image_shape[0]
    chosen = _DIGITS if side <= 8 else _LARGER
    return [
        {"kind": kind, "sizes": sizes, "latent_dim": latent_dim}
        for kind, sizes, latent_dim in chosen
        if kind != "resnet" or side & (side - 1) == 0
    ]


def build(
    kind: str, sizes: dict, latent_dim: int, image_shape: tuple[int, int, int]
) -> tuple[keras.Model, keras.Model]:
    """Build the encoder and decoder of one of figure 4's networks.

    Args:
        kind: "dense", "conv", "resnet" or "iterative".
        sizes: Arguments of networks of that kind.
        latent_dim: Latent size; for "iterative", that of all steps together.
        image_shape: Side, side, channels.

    Returns:
        The encoder and the decoder.

    Example:
        ```python
        encoder, decoder = build("dense", {"width": 64}, 8, (8, 8, 1))
        ```
    """
    if kind == "iterative":
        return iterative_networks(image_shape, latent_dim, **sizes)
    return build_networks({"name": kind, **sizes}, image_shape, latent_dim)
