"""FID: images, features, statistics, distance; each step usable alone.

Apart from the rest of the package. The names below are imported when they are first used,
and TensorFlow only where a TensorFlow graph is run.

Example:
    ```python
    from balancing_vae import fid

    network = fid.load_inception("inception-2015-12-05.tgz")
    real = fid.measure(x_test, network, "asperti2020")
    fake = fid.measure(samples, network, "asperti2020", generated=True)
    fid.frechet_distance(real, fake)
    ```
"""

import importlib

_HOMES = {
    "PROTOCOLS": "protocols",
    "Protocol": "protocols",
    "get_protocol": "protocols",
    "prepare": "preprocessing",
    "network_input": "preprocessing",
    "extract": "features",
    "FeatureNetwork": "features",
    "load_inception": "inception_files",
    "TrustedSavedModel": "saved_model",
    "load_network": "scoring",
    "Classifier": "classifier",
    "train_classifier": "classifier",
    "Pixels": "pixels",
    "Statistics": "statistics",
    "measure": "measuring",
    "measure_part": "measuring",
    "cached_statistics": "cache",
    "frechet_distance": "distance",
    "frechet_distance_tfgan": "tfgan",
    "open_images": "files",
    "open_side": "scoring",
    "score": "scoring",
    "Column": "evaluation",
    "choose_images": "evaluation",
    "evaluate": "evaluation",
    "noise_floor": "evaluation",
    "summarise": "evaluation",
    "two_stage_columns": "evaluation",
    "read_metrics": "metrics_file",
    "effects": "renormalization",
    "effects_table": "renormalization",
    "published": "publications",
    "compare": "comparison",
    "to_markdown": "comparison",
    "to_csv": "comparison",
    "to_json": "comparison",
    "plot": "comparison_plot",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
