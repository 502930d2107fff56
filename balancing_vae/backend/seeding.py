"""Initial weights from an explicit seed."""

import random
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def seeded_initializers(seed: int) -> Iterator[None]:
    """Make the layers built inside start from weights that only `seed` decides.

    Keras draws the seed of each initialiser from Python's global generator; its state is
    put back afterwards.

    Args:
        seed: A non-negative integer.

    Example:
        ```python
        with seeded_initializers(0):
            encoder, decoder = build_networks({"name": "resnet"}, (32, 32, 3), 64)
        ```
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
