"""Mixed-precision policies."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras


@contextmanager
def layer_precision(name: str) -> Iterator[None]:
    """Make the layers built inside compute in a precision; their weights stay float32.

    Everything that affects the balance is always float32: heads, likelihood, KL, gamma and the
    statistics of batch normalisation.

    Args:
        name: One of `config.PRECISIONS`.

    Example:
        ```python
        with layer_precision("mixed_bfloat16"):
            encoder, decoder = build_networks({"name": "resnet"}, (32, 32, 3), 64)
        ```
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
