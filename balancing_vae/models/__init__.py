"""The Keras models of a stage, one per file; their objectives, metrics and registry.

The names in `__init__.pyi` are imported when they are first used.

Example:
    ```python
    from balancing_vae import models

    models.MODELS["my_vae"] = MyVAE  # a subclass of models.Autoencoder
    ```
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
