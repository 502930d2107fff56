"""The paper's tables and figures: one function returns the data, another draws it.

The names in the stub next to this file are imported when they are first used.

Example:
    ```python
    from balancing_vae import experiments

    experiments.draw_exact_cases(experiments.exact_cases(x_train / 255)).savefig("exact.png")
    ```
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
