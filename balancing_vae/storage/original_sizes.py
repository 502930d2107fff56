"""The kind and sizes of a network, from the shapes in an original checkpoint."""

import math
import re

import numpy as np

from balancing_vae.config import original_kl_weight
from balancing_vae.errors import InputError
from balancing_vae.storage.checkpoint import without_automatic_numbers


def infer_sizes(variables: dict[str, np.ndarray]) -> dict:
    """Read the network's kind and sizes from the names and shapes in a checkpoint.

    A checkpoint does not record whether stage 1 was trained with cross-entropy. If it was, set
    `likelihood="bernoulli"` yourself.

    Args:
        variables: The result of `read_variables`.

    Returns:
        Fields of `Config`: image_shape, latent_dim, network, second_dim, second_depth,
        balancing, kl_weight; for TwoStageVAE also second_stage_noise.

    Raises:
        ValueError: These are not variables of BalancingVAE or TwoStageVAE.

    Example:
        ```python
        config = Config(**infer_sizes(read_variables("model/stage2")))
        ```
    """
    shapes = {n: np.shape(v) for n, v in without_automatic_numbers(variables).items()}
    if "stage1/encoder/conv1/w" in shapes:
        network_sizes = _infogan_sizes
    elif "stage1/encoder/conv2d#0/kernel" in shapes:
        network_sizes = _wae_sizes
    else:
        network_sizes = _resnet_sizes
    try:
        latent_dim, second_dim = shapes["stage2/encoder/fc0/kernel"]
        sizes = network_sizes(shapes)
    except KeyError as error:
        raise InputError(
            f"This is not a checkpoint of BalancingVAE or TwoStageVAE: it has no variable {error}."
        ) from None
    learned = {"balancing": {"name": "learned"}, "kl_weight": 1.0, "second_stage_noise": True}
    computed = {
        "balancing": {"name": "computed"},
        "kl_weight": original_kl_weight(sizes["image_shape"], latent_dim),
    }
    return {
        **sizes,
        "latent_dim": latent_dim,
        "second_dim": second_dim,
        "second_depth": _count(shapes, r"stage2/encoder/fc(\d+)/kernel"),
        **(learned if "stage1/decoder/loggamma_x" in shapes else computed),
    }


def _resnet_sizes(shapes: dict[str, tuple]) -> dict:
    kernel_size, _, channels, base_dim = shapes["stage1/encoder/conv0/kernel"]
    doublings = _count(shapes, r"stage1/decoder/up(\d+)/conv2d_transpose#0/kernel")
    side = 2 ** (doublings + 1)
    return {
        "image_shape": (side, side, channels),
        "network": {
            "name": "resnet",
            "base_dim": base_dim,
            "num_scale": _count(shapes, r"stage1/encoder/scale(\d+)/block0/layer0/kernel"),
            "block_per_scale": _count(shapes, r"stage1/encoder/scale0/block(\d+)/layer0/kernel"),
            "depth_per_block": _count(shapes, r"stage1/encoder/scale0/block0/layer(\d+)/kernel"),
            "kernel_size": kernel_size,
            "fc_dim": shapes["stage1/encoder/fc/block0/layer0/kernel"][1],
        },
    }


def _infogan_sizes(shapes: dict[str, tuple]) -> dict:
    channels = shapes["stage1/encoder/conv1/w"][2]
    # The layer has 128 channels at a quarter of the side.
    side = 4 * math.isqrt(shapes["stage1/decoder/fc2/Matrix"][1] // 128)
    return {"image_shape": (side, side, channels), "network": {"name": "infogan"}}


def _wae_sizes(shapes: dict[str, tuple]) -> dict:
    channels = shapes["stage1/encoder/conv2d#0/kernel"][2]
    # The layer has 1024 channels at an eighth of the side.
    side = 8 * math.isqrt(shapes["stage1/decoder/dense#0/kernel"][1] // 1024)
    return {"image_shape": (side, side, channels), "network": {"name": "wae"}}


def _count(shapes: dict[str, tuple], pattern: str) -> int:
    return sum(1 for name in shapes if re.fullmatch(pattern, name))
