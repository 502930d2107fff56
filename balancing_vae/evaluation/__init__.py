"""Measure a pipeline by registered metrics; tables; comparison with published numbers.

Example:
    ```python
    from balancing_vae import evaluation, fid

    network = fid.load_inception("inception-2015-12-05.tgz")
    real = evaluation.choose_images(x_test)
    columns = evaluation.two_stage_columns(vae, real)
    measurements = evaluation.evaluate(columns, real, network, "asperti2020")
    print(evaluation.measured_table(measurements))
    ```
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
