"""Figures and tables in one style.

The names in `__init__.pyi` are imported when they are first used.

Example:
    ```python
    from balancing_vae import figures

    print(figures.Table.of([{"epoch": 1, "mse": 0.02}]))
    figures.draw_images({"data": x_test[:8], "samples": vae.generate(8)})
    ```
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
