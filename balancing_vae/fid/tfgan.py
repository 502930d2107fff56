"""TF-GAN as a second engine for the distance: the code behind the published numbers.

The last release of `tensorflow-gan`, 2.1.0, does not import on TensorFlow 2.16 and later
(tensorflow/gan issue 55). The following causes are replaced only during its import:

- `tf.estimator`: TF-GAN derives one class from its `SessionRunHook`. Replacement: `object`.
- TF-GAN's subpackage `estimator`, which its other parts do not use: an empty module.
- `tensorflow_hub`, which needs `pkg_resources`: an empty module, because TF-GAN only imports
  the name.
- `distutils`, which Python 3.12 removed: TF-GAN and TF-Probability compare version numbers with
  it. Replacement: `packaging`.

The replacements are in `sys.modules` only during the import. Code that computes a distance is
not changed. TF-GAN's Hub wrapper and estimators do not work after this import; this package does
not use them.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from types import SimpleNamespace

import numpy as np

from balancing_vae.errors import MissingPackageError


def frechet_distance_tfgan(first: np.ndarray, second: np.ndarray) -> float:
    """Return TF-GAN's `frechet_classifier_distance_from_activations`.

    The same formula as `frechet_distance`, by two singular value decompositions in
    float64; the result is cast back to the dtype of the features.

    Args:
        first: Features of one side, float array [n, d]; all of them are held in memory.
        second: Features of the other, [m, d].

    Returns:
        The squared Fréchet distance.

    Raises:
        ImportError: `tensorflow-gan` is not installed.

    Example:
        ```python
        frechet_distance_tfgan(np.concatenate(list(extract(a, network, "asperti2020"))), b)
        ```
    """
    tensorflow_gan = import_tensorflow_gan()
    return float(tensorflow_gan.eval.frechet_classifier_distance_from_activations(first, second))


def import_tensorflow_gan() -> ModuleType:
    """Return the module `tensorflow_gan`, imported with the installed TensorFlow.

    Returns:
        The module; its `eval` works.

    Raises:
        ImportError: `tensorflow-gan` or one of its dependencies is not installed.

    Example:
        ```python
        import_tensorflow_gan().eval.frechet_classifier_distance_from_activations
        ```
    """
    if sys.modules.get("tensorflow_gan"):
        return sys.modules["tensorflow_gan"]
    try:
        with _stand_ins():
            import tensorflow_gan
            import tensorflow_probability

            # TF-Probability loads its parts on first use, and looks at versions then.
            tensorflow_probability.stats.covariance  # noqa: B018
    except ImportError as error:
        sys.modules.pop("tensorflow_gan", None)
        raise MissingPackageError(
            f"The engine tfgan needs TF-GAN ({error}): install it with "
            "`pip install 'balancing_vae[tfgan]'`."
        ) from error
    return tensorflow_gan


@contextmanager
def _stand_ins() -> Iterator[None]:
    """Install the replacements, and restore everything afterwards."""
    import tensorflow
    from packaging.version import Version

    names = (
        "distutils",
        "distutils.version",
        "tensorflow_gan.python.estimator",
        "tensorflow_hub",
    )
    modules = {name: ModuleType(name) for name in names}
    vars(modules["distutils"])["version"] = modules["distutils.version"]
    vars(modules["distutils.version"])["LooseVersion"] = Version
    before = {name: sys.modules[name] for name in names if name in sys.modules}
    sys.modules.update(modules)
    tensorflow.estimator = SimpleNamespace(SessionRunHook=object)
    try:
        yield
    finally:
        del tensorflow.estimator
        for name in names:
            del sys.modules[name]
        sys.modules.update(before)
