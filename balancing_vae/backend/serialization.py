"""Register this package's classes with Keras's serialisation.

A saved model names its classes, and Keras looks these names up among the registered ones. A
class is registered when its module is imported. `import balancing_vae` imports no module that
needs Keras, so it registers only the names. When Keras looks a name up, its module is imported.
"""

import importlib
import sys

from balancing_vae.backend.choice import check_backend
from balancing_vae.backend.watched_import import WatchingFinder

PACKAGE = "balancing_vae"
# A test checks that this is complete.
CLASSES = {
    "Adam": "training.optimizer",
    "Autoencoder": "models.autoencoder",
    "Capacity": "balancing.capacity",
    "ComputedGamma": "balancing.computed",
    "Conv2DTranspose": "layers.transposed_convolution",
    "CyclicalBeta": "balancing.cyclical",
    "FixedBeta": "balancing.beta",
    "FixedGamma": "balancing.fixed",
    "GECO": "balancing.geco",
    "ImageEncoder": "networks.image_encoder",
    "LatentVAE": "models.latent_vae",
    "Latest": "models.metrics",
    "LearnedGamma": "balancing.learned",
    "OptimalGamma": "balancing.optimal",
    "RegularizedAutoencoder": "models.rae",
    "RightSpectralNormConv2D": "layers.right_spectral_norm",
    "RightSpectralNormConv2DTranspose": "layers.right_spectral_norm",
    "RightSpectralNormDense": "layers.right_spectral_norm",
    "SpectralNormConv2D": "layers.spectral_norm",
    "SpectralNormDense": "layers.spectral_norm",
    "UnbiasedBatchNormalization": "layers.unbiased_batch_normalization",
    "VAE": "models.vae",
    "WarmUpBeta": "balancing.warm_up",
    "ZeroDebiasedBatchNormalization": "layers.batch_normalization",
}


def register_with_keras() -> None:
    """Register the names with Keras, now or as soon as Keras is imported.

    If Keras is not imported yet, the backend is checked before its import, regardless of which
    module imports it.
    """
    if sys.modules.get("keras") is not None:
        _register(sys.modules["keras"])
    elif _WATCH not in sys.meta_path:
        sys.meta_path.insert(0, _WATCH)


class _Unimported:
    """Represents, in Keras's registry, a class whose module is not imported yet."""

    def __init__(self, name: str):
        self.name = name

    def from_config(self, config: dict):
        """Import the class and make an instance of it; its module registers it."""
        module = importlib.import_module(f"{PACKAGE}.{CLASSES[self.name]}")
        return getattr(module, self.name).from_config(config)


def _check_and_register(keras, execute) -> None:
    check_backend()
    execute(keras)
    _register(keras)


def _register(keras) -> None:
    registered = keras.saving.get_custom_objects()
    for name in CLASSES:
        registered.setdefault(f"{PACKAGE}>{name}", _Unimported(name))


_WATCH = WatchingFinder({"keras": _check_and_register})
