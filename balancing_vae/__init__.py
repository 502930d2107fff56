"""Two-stage variational autoencoders with computed gamma, in Keras 3.

The names below are imported when they are first used: the package itself imports neither
Keras nor a backend. The stub beside this file lists them; docs/api.md describes them.
"""

import lazy_loader

from balancing_vae.backend.serialization import register_with_keras

register_with_keras()

_imported, _, __all__ = lazy_loader.attach_stub(__name__, __file__)

# Names that need neither Keras nor a backend, which may be missing then.
_LIGHT = frozenset(
    {
        "BalancingVAEError",
        "Config",
        "ExistingFileError",
        "ImageNormalization",
        "InputError",
        "LatentNormalization",
        "MissingFileError",
        "MissingPackageError",
        "NonFiniteLossError",
        "NothingRescaledWarning",
        "ResourceError",
        "datasets",
        "evaluation",
        "experiments",
        "fid",
        "figures",
        "inactive_latents",
        "mean_std",
        "models",
        "mse",
        "presets",
        "pretrained",
        "variance_law",
        "variance_loss",
    }
)


def __getattr__(name: str):
    if name == "__version__":
        from balancing_vae.versions import installed_version

        return installed_version(__name__)
    if name in __all__ and name not in _LIGHT:
        from balancing_vae.checks import check_backend

        check_backend()
    return _imported(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
