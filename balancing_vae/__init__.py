"""Two-stage variational autoencoders with computed gamma, in Keras 3.

The names below are imported when they are first used: the package itself imports neither
Keras nor a backend.
"""

import importlib

_HOMES = {
    "TwoStageVAE": "pipeline",
    "VAE": "vae",
    "LatentVAE": "vae",
    "Config": "config",
    "GammaBalancing": "callbacks",
    "ComputedGamma": "balancing",
    "FixedBeta": "balancing",
    "FixedGamma": "balancing",
    "LearnedGamma": "balancing",
    "WarmUpBeta": "balancing",
    "update_running_mse": "balancing.rule",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from balancing_vae.checks import check_backend

    check_backend()
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
