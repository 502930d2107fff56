"""Former names: each works for one more minor version, and warns with the name to use instead."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

from balancing_vae.errors import InputError
from balancing_vae.errors import find_stack_level


def warn_deprecated(former: str, present: str, removed_in: str) -> None:
    """Warn that a name will be removed; the warning points to the user's line.

    Args:
        former: The former name that was used, such as "mode='paper'".
        present: The name to use instead.
        removed_in: The version that removes it, such as "0.3".

    Example:
        ```python
        with warnings.catch_warnings(record=True):
            warn_deprecated("old_name()", "new_name()", "0.3")
        ```
    """
    warnings.warn(
        f"{former} is deprecated and will be removed in version {removed_in}; use {present}.",
        DeprecationWarning,
        find_stack_level(),
    )


def renamed_argument(former: str, present: str, removed_in: str) -> Callable[[Callable], Callable]:
    """Return a decorator that lets a function take an argument by its former name, too.

    Args:
        former: The former name; it works as a keyword only.
        present: The current name.
        removed_in: The version that no longer accepts the former name.

    Example:
        ```python
        @renamed_argument("mode", "term", removed_in="0.3")
        def law(term="sigma"):
            return term
        ```
    """

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            if former in named:
                if present in named:
                    raise InputError(
                        f"{function.__name__}() got {present}= and its former name {former}=; "
                        f"remove {former}=."
                    )
                warn_deprecated(f"{function.__name__}({former}=...)", f"{present}=...", removed_in)
                named[present] = named.pop(former)
            return function(*arguments, **named)

        return call

    return decorate
