"""Look up a registered name, check its arguments, and build it.

The arguments are compared with the signature before the call. An error inside the call, such as
a `TypeError`, is therefore a bug of the called function and is never blamed on the user's input.
"""

import inspect
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from typing import TypeVar

from balancing_vae.errors import InputError
from balancing_vae.schema import Rule
from balancing_vae.schema import anything
from balancing_vae.schema import real
from balancing_vae.schema import rule_of
from balancing_vae.schema import text
from balancing_vae.schema import truth

T = TypeVar("T", bound=Callable[..., Any])

NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Registry(dict[str, T]):
    """Functions or classes of one kind by name. A new one is added as one more item.

    An unknown name is refused with a list of the registered names.

    Args:
        kind: The kind of item, for messages, such as "network".
        items: The items by name.
        base: The base class of the registered classes. Arguments that a class passes to its
            parents by `**kwargs` count as its own up to this class.

    Example:
        ```python
        NETWORKS = Registry("network", {"conv": conv_networks})
        NETWORKS.make("conv", {"base_dim": 16}, image_shape=(8, 8, 1), latent_dim=4)
        ```
    """

    def __init__(self, kind: str, items: Mapping[str, T], base: type = object):
        super().__init__(items)
        self.kind = kind
        self.base = base

    def __missing__(self, name: str) -> T:
        raise InputError(f"Unknown {self.kind} {name!r}; choose one of {sorted(self)}.")

    def check(self, name: str, arguments: Mapping[str, object], given: Iterable[str] = ()) -> None:
        """Raise if `make` would refuse this name or these arguments, without calling anything.

        Args:
            name: The name.
            arguments: The user's arguments by name.
            given: Names of the arguments that the caller sets itself.

        Raises:
            ValueError: The name is not registered, or an argument is unknown, missing or
                invalid.
        """
        check_arguments(self[name], f"{self.kind} {name!r}", arguments, given, self.base)

    def make(self, name: str, arguments: Mapping[str, object], /, **given) -> Any:
        """Call the function or class that is registered under a name.

        Args:
            name: The name.
            arguments: The user's arguments by name.
            **given: Arguments that the caller sets itself.

        Returns:
            The result of the call.

        Raises:
            ValueError: The name is not registered, or it does not take these arguments.
        """
        return make(self[name], f"{self.kind} {name!r}", arguments, given, self.base)


def make(
    function: Callable,
    what: str,
    arguments: Mapping[str, object],
    given: Mapping[str, object],
    base: type = object,
) -> Any:
    """Check the user's arguments, then call a function with them.

    Args:
        function: A function or class.
        what: Its description for messages, such as "network 'conv'".
        arguments: The user's arguments by name.
        given: Arguments by name that the caller sets itself.
        base: As in `Registry`.

    Returns:
        The function's result.

    Raises:
        ValueError: The function does not take these arguments.

    Example:
        ```python
        make(keras.optimizers.SGD, "optimizer 'sgd'", {"momentum": 0.9}, {"learning_rate": 0.1})
        ```
    """
    check_arguments(function, what, arguments, given, base)
    try:
        return function(**given, **arguments)
    except InputError:
        raise
    except (ValueError, OverflowError) as error:  # how Keras refuses a value
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"The {what} does not take {dict(arguments)}: {reason}") from error


def check_arguments(
    function: Callable,
    what: str,
    arguments: Mapping[str, object],
    given: Iterable[str] = (),
    base: type = object,
) -> None:
    """Raise if a function does not take these arguments, without calling it.

    Args:
        function: A function or class.
        what: Its description for messages.
        arguments: The user's arguments by name.
        given: Names of the arguments that the caller sets itself.
        base: As in `Registry`.

    Raises:
        ValueError: An argument is unknown, missing, or does not fit its type hint or default.
    """
    takes = {n: p for n, p in parameters_of(function, base).items() if n not in set(given)}
    if unknown := sorted(set(arguments) - set(takes)):
        raise InputError(f"The {what} does not take {unknown}, only {sorted(takes)}.")
    required = {name for name, parameter in takes.items() if parameter.default is parameter.empty}
    if missing := sorted(required - set(arguments)):
        raise InputError(f"The {what} must be given {', '.join(missing)}.")
    for name, value in arguments.items():
        _rule(takes[name])(value, name)


def parameters_of(function: Callable, base: type = object) -> dict[str, inspect.Parameter]:
    """Return the named parameters of a function, or of a class's constructor.

    Args:
        function: A function or class.
        base: The class at which to stop following `**kwargs` to the parents' parameters.

    Returns:
        The parameters by name, without `*args` and `**kwargs`.

    Example:
        ```python
        list(parameters_of(WarmUpBeta, BalancingStrategy))  # ["beta", "steps"]
        ```
    """
    found: dict[str, inspect.Parameter] = {}
    for constructor in _constructors(function, base):
        parameters = inspect.signature(constructor).parameters
        for name, parameter in parameters.items():
            if parameter.kind in NAMED:
                found.setdefault(name, parameter)
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
            break
    if isinstance(function, type):
        found.pop("self", None)
    return found


def _constructors(function: Callable, base: type) -> list[Callable]:
    if not isinstance(function, type):
        return [function]
    # Keras classes have a `__new__` that hides the signature of `__init__`.
    return [
        vars(parent)["__init__"]
        for parent in function.__mro__
        if issubclass(parent, base) and parent is not object and "__init__" in vars(parent)
    ]


def _rule(parameter: inspect.Parameter) -> Rule:
    """Return the rule of a parameter's type hint or, without a hint, of its default."""
    if parameter.annotation is not parameter.empty:
        return rule_of(parameter.annotation)
    return {bool: truth, int: real(), float: real(), str: text}.get(
        type(parameter.default), anything
    )
