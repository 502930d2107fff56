"""Two-stage variational autoencoders with computed gamma, in Keras 3.

The names below are imported when they are first used: the package itself imports neither
Keras nor a backend.
"""

import importlib

from balancing_vae.backend.serialization import register_with_keras

_HOMES = {
    "TwoStageVAE": "pipeline",
    "VAE": "models.vae",
    "LatentVAE": "models.latent_vae",
    "Config": "config",
    "GammaBalancing": "training.callbacks",
    "ComputedGamma": "balancing",
    "FixedBeta": "balancing",
    "FixedGamma": "balancing",
    "LearnedGamma": "balancing",
    "WarmUpBeta": "balancing",
    "update_running_mse": "balancing.rule",
}

# Modules that need neither Keras nor a backend.
_MODULES = ("datasets", "presets")

__all__ = sorted([*_HOMES, *_MODULES])

register_with_keras()


def __getattr__(name: str):
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name == "__version__":
        from balancing_vae.versions import installed_version

        return installed_version(__name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from balancing_vae.checks import check_backend

    check_backend()
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
