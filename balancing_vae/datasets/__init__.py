"""Real images: prepared once into uint8 arrays on disk, then opened memory-mapped.

Nothing here needs Keras or a backend.

Example:
    ```python
    from balancing_vae import datasets

    x = datasets.load("digits", "train")  # uint8 [1285, 8, 8, 1], needs no preparation
    datasets.prepare("cifar10", "cifar-10-python.tar.gz", "data/cifar10", jpeg=True)
    x = datasets.load("cifar10", "train", "data")  # uint8 [50000, 32, 32, 3], memory-mapped
    y = datasets.load_labels("cifar10", "train", "data")  # int64 [50000]
    datasets.open_prepared("data/cifar10").description["splits"]["train"]["mean"]
    ```
"""

from balancing_vae.datasets.images import jpeg_round_trip
from balancing_vae.datasets.padding import pad
from balancing_vae.datasets.padding import unpad
from balancing_vae.datasets.prepared import Prepared
from balancing_vae.datasets.prepared import open_prepared
from balancing_vae.datasets.registry import DATASETS
from balancing_vae.datasets.registry import Dataset
from balancing_vae.datasets.registry import dataset
from balancing_vae.datasets.registry import load
from balancing_vae.datasets.registry import load_labels
from balancing_vae.datasets.registry import prepare
from balancing_vae.datasets.turns import in_turns

__all__ = [
    "DATASETS",
    "Dataset",
    "Prepared",
    "dataset",
    "in_turns",
    "jpeg_round_trip",
    "load",
    "load_labels",
    "open_prepared",
    "pad",
    "prepare",
    "unpad",
]
