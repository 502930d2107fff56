"""Former names: each keeps working for one minor version, and says what to use instead."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

from balancing_vae.errors import InputError
from balancing_vae.errors import find_stack_level


def warn_deprecated(former: str, present: str, removed_in: str) -> None:
    """Warn, at the user's line, of a name that will be removed.

    Args:
        former: What was used: "mode='paper'".
        present: What to use instead.
        removed_in: The version that will not have it any more: "0.3".

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
        present: The name that the function has.
        removed_in: The version that will not take it any more.

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
