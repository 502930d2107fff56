"""Two-stage variational autoencoders with computed gamma, in Keras 3.

Public names are imported when they are first used: the package itself imports neither Keras nor
a backend. `__init__.pyi` lists the names; docs/api.md describes them.
"""

import lazy_loader

from balancing_vae.backend.serialization import register_with_keras

register_with_keras()

_imported, _, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str):
    if name == "__version__":
        from balancing_vae.versions import installed_version

        return installed_version(__name__)
    return _imported(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
