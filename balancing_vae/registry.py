"""Look up a registered name, check its arguments, and build it.

The arguments are compared with the signature before the call. So whatever goes wrong within it,
such as a `TypeError`, is a fault of what is called and is never taken for the user's.
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
    """Things of one kind by name. A new one is one more item.

    An unknown name is refused with a list of those that there are.

    Args:
        kind: What they are, for messages, such as "network".
        items: The things by name.
        base: The class that classes among them are made of. Arguments that a class passes on
            to its parents by `**kwargs` count as its own up to this class.

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
        """Refuse a name and arguments that `make` would refuse before its call.

        Args:
            name: The name.
            arguments: Arguments by name that the user chose.
            given: Names of those that are not the user's to choose.

        Raises:
            ValueError: There is no such name, an argument is unknown, missing, or not what it
                must be.
        """
        check_arguments(self[name], f"{self.kind} {name!r}", arguments, given, self.base)

    def make(self, name: str, arguments: Mapping[str, object], /, **given) -> Any:
        """Call what has a name.

        Args:
            name: The name.
            arguments: Arguments by name that the user chose.
            **given: Arguments that are not the user's to choose.

        Returns:
            What the call returns.

        Raises:
            ValueError: There is no such name, or it does not take these arguments.
        """
        return make(self[name], f"{self.kind} {name!r}", arguments, given, self.base)


def make(
    function: Callable,
    what: str,
    arguments: Mapping[str, object],
    given: Mapping[str, object],
    base: type = object,
) -> Any:
    """Call a function with arguments that a user chose, after a look at them.

    Args:
        function: A function or class.
        what: What it is, for messages, such as "network 'conv'".
        arguments: Arguments by name that the user chose.
        given: Arguments by name that are not the user's to choose.
        base: As in `Registry`.

    Returns:
        What the function returns.

    Raises:
        ValueError: It does not take these arguments.

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
    except (ValueError, OverflowError) as error:  # Keras refuses values so
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"The {what} does not take {dict(arguments)}: {reason}") from error


def check_arguments(
    function: Callable,
    what: str,
    arguments: Mapping[str, object],
    given: Iterable[str] = (),
    base: type = object,
) -> None:
    """Refuse arguments that a function does not take, without calling it.

    Args:
        function: A function or class.
        what: What it is, for messages.
        arguments: Arguments by name that the user chose.
        given: Names of those that are not the user's to choose.
        base: As in `Registry`.

    Raises:
        ValueError: An argument is unknown, missing, or not what its type hint or its default
            says.
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
    """Return what a function takes by name, or a class for its constructor.

    Args:
        function: A function or class.
        base: The class at which the search for what `**kwargs` pass on to parents ends.

    Returns:
        The parameters by name; neither `*args` nor `**kwargs`.

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
    # Keras gives its classes a `__new__`, which hides the signature of `__init__`.
    return [
        vars(parent)["__init__"]
        for parent in function.__mro__
        if issubclass(parent, base) and parent is not object and "__init__" in vars(parent)
    ]


def _rule(parameter: inspect.Parameter) -> Rule:
    """Return the rule of a parameter's type hint, or of its default where it has none."""
    if parameter.annotation is not parameter.empty:
        return rule_of(parameter.annotation)
    return {bool: truth, int: real(), float: real(), str: text}.get(
        type(parameter.default), anything
    )
