"""FID in separate steps: images, features, statistics, distance.

It is independent of the rest of the package. Its names are imported when they are first used,
and TensorFlow is imported only to run a TensorFlow graph.

Example:
    ```python
    from balancing_vae import fid

    network = fid.load_inception("inception-2015-12-05.tgz")
    real = fid.measure(x_test, network, "asperti2020")
    fake = fid.measure(samples, network, "asperti2020", generated=True)
    fid.frechet_distance(real, fake)
    ```
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
