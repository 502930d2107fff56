"""Whether some images are unlike the others, as the first or last ones of sorted data."""

import warnings

import numpy as np

from balancing_vae.checks import as_float
from balancing_vae.errors import find_stack_level

# By chance, a mean differs by so many standard errors once in a billion times.
STANDARD_ERRORS = 6
# In standard deviations of single images. MNIST's last 2,000 images differ by 0.2 from the
# others, because other people wrote them; CIFAR-10's by more than 0.5 if sorted by class.
EFFECT = 0.3


def warn_if_unlike(some: np.ndarray, others: np.ndarray, which: str, advice: str) -> None:
    """Warn if some images differ from the others more than by chance.

    This compares the mean intensities of nine parts of the image, in each channel. Images
    sorted by class are recognised in this way, although their labels are not known.

    Args:
        some: Images that represent the first or last ones, [M, D, D, C].
        others: Images that represent the others, [N, D, D, C].
        which: What `some` are, for the message.
        advice: What to do, for the message.

    Warns:
        UserWarning: A mean differs by more than six standard errors, and by more than 0.3
            standard deviations of single images.

    Example:
        ```python
        warn_if_unlike(x[-500:], x[:-500], "The last 500 images", "shuffle the images")
        ```
    """
    if not len(some) or not len(others):
        return
    first, second = _means_of_parts(some), _means_of_parts(others)
    difference = np.abs(first.mean(0) - second.mean(0))
    by_chance = STANDARD_ERRORS * np.sqrt(1 / len(first) + 1 / len(second))
    spread = np.concatenate([first, second]).std(0)
    if np.any(difference > max(by_chance, EFFECT) * spread + np.finfo(np.float32).eps):
        warnings.warn(
            f"{which} differ from the others more than by chance, as in data sorted by class; "
            f"{advice}.",
            stacklevel=find_stack_level(),
        )


def _means_of_parts(x: np.ndarray) -> np.ndarray:
    """Return the mean intensities of nine parts of each image, [N, 9 C]."""
    rows = np.array_split(x, min(3, x.shape[1]), axis=1)
    parts = [part for row in rows for part in np.array_split(row, min(3, x.shape[2]), axis=2)]
    return np.concatenate([as_float(part).mean((1, 2), np.float64) for part in parts], axis=1)
