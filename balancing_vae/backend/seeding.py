"""Initial weights from an explicit seed."""

import random
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def seeded_initializers(seed: int) -> Iterator[None]:
    """Make the initial weights of the layers built inside depend only on `seed`.

    Keras draws the seed of each initialiser from Python's global generator. Its state is
    restored afterwards.

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
