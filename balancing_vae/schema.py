"""Rules for the form of data, declared once and checked when it is read.

A rule is a function of a value and its name. It raises an `InputError` if the value is not
valid. Larger rules are built from smaller ones.
"""

import dataclasses
import inspect
import json
import math
import numbers
import types
import typing
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from typing import Any

from balancing_vae.deprecation import warn_deprecated
from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError

# `Any`: JSON can hold anything until a rule has checked it.
Rule = Callable[[Any, str], None]

MAX_JSON_BYTES = 64 * 2**20
LONGEST_SHOWN = 80


def whole(least: int | None = None, above: int | None = None, most: int | None = None) -> Rule:
    """Return the rule of a whole number in a range; bools are refused."""
    return _number("a whole number", numbers.Integral, least, above, most)


def real(least: float | None = None, above: float | None = None, most: float | None = None) -> Rule:
    """Return the rule of a finite number in a range."""
    return _number("a number", numbers.Real, least, above, most)


def truth(value: object, name: str) -> None:
    """Check that a value is a bool."""
    _require(isinstance(value, bool), value, name, "true or false")


def text(value: object, name: str) -> None:
    """Check that a value is a string."""
    _require(isinstance(value, str), value, name, "a string")


def anything(value: object, name: str) -> None:
    """Accept every value."""


def one_of(*choices: object) -> Rule:
    """Return the rule of a value that must be one of `choices`."""

    def check(value: Any, name: str) -> None:
        fits = any(type(value) is type(choice) and value == choice for choice in choices)
        _require(fits, value, name, f"one of {choices}")

    return check


@dataclasses.dataclass(frozen=True)
class Spelling:
    """The rule of a value that is chosen by name and may still have a former name.

    Attributes:
        what: The kind of choice, for messages, such as "mode".
        names: The current names.
        former: The current name by former name.
        removed_in: The version in which functions stop accepting the former names. Files that
            contain them will always be readable.

    Example:
        ```python
        modes = Spelling("mode", ("gated", "latents"), {"reference": "gated"}, removed_in="0.3")
        modes.present("reference")  # "gated"
        ```
    """

    what: str
    names: tuple[str, ...]
    former: Mapping[str, str]
    removed_in: str

    def __call__(self, value: Any, name: str) -> None:
        """Check that a value is a current or a former name."""
        if not (isinstance(value, str) and value in self.former):
            one_of(*self.names)(value, name)

    def present(self, spelling: str) -> str:
        """Return the current name for a current or former one; refuse any other."""
        self(spelling, self.what)
        return self.former.get(spelling, spelling)

    def given(self, spelling: str) -> str:
        """Return the current name of the given one; warn if it is a former name."""
        name = self.present(spelling)
        if name != spelling:
            warn_deprecated(f"{self.what}={spelling!r}", f"{self.what}={name!r}", self.removed_in)
        return name

    def first(self, name: str) -> str:
        """Return the oldest name of a choice, so that hashes of it stay the same."""
        name = self.present(name)
        return next((old for old, new in self.former.items() if new == name), name)


def named(value: object, name: str) -> None:
    """Check that a value is a dict with a name, such as `{"name": "fixed", "gamma": 0.1}`."""
    fits = isinstance(value, Mapping) and isinstance(value.get("name"), str)
    _require(fits, value, name, 'a dict with a "name"')
    mapping(anything)(value, name)


def optional(rule: Rule) -> Rule:
    """Return the rule of a value that may be None (in JSON `null`) instead."""

    def check(value: Any, name: str) -> None:
        if value is not None:
            rule(value, name)

    return check


def sequence(rule: Rule, length: int | None = None, of: str | None = None) -> Rule:
    """Return the rule of a list or tuple.

    Args:
        rule: The rule of each member.
        length: The required number of members; any by default.
        of: Description of the whole for the message, such as "two names".
    """
    of = of or ("a list" if length is None else f"a list of {length}")

    def check(values: Any, name: str) -> None:
        fits = isinstance(values, list | tuple) and length in (None, len(values))
        _require(fits, values, name, of)
        for i, value in enumerate(values):
            rule(value, f"{name}[{i}]")

    return check


def mapping(rule: Rule) -> Rule:
    """Return the rule of a dict with arbitrary string keys and one rule for all values."""

    def check(values: Any, name: str) -> None:
        fits = isinstance(values, Mapping) and all(isinstance(key, str) for key in values)
        _require(fits, values, name, "a dict")
        for key, value in values.items():
            rule(value, _member(name, key))

    return check


def record(
    required: Mapping[str, Rule],
    optional: Mapping[str, Rule] | None = None,
    others: Rule | None = None,
) -> Rule:
    """Return the rule of a dict whose keys are known.

    Args:
        required: The rules of the required keys.
        optional: The rules of the optional keys.
        others: The rule of all other keys; None refuses them.
    """
    rules = {**(optional or {}), **required}

    def check(values: Any, name: str) -> None:
        mapping(anything)(values, name)
        if missing := sorted(set(required) - set(values)):
            raise InputError(f"{name} must have {', '.join(missing)}.")
        if others is None and (unknown := sorted(set(values) - set(rules))):
            raise InputError(f"{name} must not have {unknown}; there are {sorted(rules)}.")
        for key, value in values.items():
            rule = rules.get(key, others)
            if rule is not None:
                rule(value, _member(name, key))

    return check


def rule_of(annotation: Any) -> Rule:
    """Return the rule that a type hint stands for.

    Args:
        annotation: `int`, `float`, `bool` or `str`; one of them `| None`; or `Annotated[type,
            rule]` with an explicit rule. Any other hint accepts every value.

    Returns:
        The rule.

    Example:
        ```python
        rule_of(Annotated[float, real(above=0)])(-1.0, "lr")   # lr must be positive, got -1.0.
        ```
    """
    if isinstance(annotation, dataclasses.InitVar):
        return rule_of(annotation.type)
    if typing.get_origin(annotation) is Annotated:
        return annotation.__metadata__[0]
    if isinstance(annotation, types.UnionType):
        kind, *others = [part for part in typing.get_args(annotation) if part is not type(None)]
        return anything if others else optional(rule_of(kind))
    rules: dict[Any, Rule] = {bool: truth, int: whole(), float: real(), str: text}
    return rules.get(annotation, anything)


def fields_of(cls: type) -> Rule:
    """Return the rule of a dict of a dataclass's fields, made from its type hints.

    Args:
        cls: A dataclass. Fields without a default are required.

    Returns:
        The rule.
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    required: dict[str, Rule] = {}
    others: dict[str, Rule] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        (required if parameter.default is parameter.empty else others)[name] = rule_of(hints[name])
    return record(required, others)


def check_fields(instance: Any, **given: object) -> None:
    """Check every field of a dataclass instance by the rule of its type hint.

    Args:
        instance: The instance.
        **given: Values of its `InitVar`s, which the instance does not store.

    Raises:
        ValueError: A field breaks its rule.

    Example:
        ```python
        def __post_init__(self):
            check_fields(self)
        ```
    """
    hints = typing.get_type_hints(type(instance), include_extras=True)
    kept = {field.name: getattr(instance, field.name) for field in dataclasses.fields(instance)}
    for name, value in (kept | given).items():
        rule_of(hints[name])(value, name)


def read_json(path: Path, rule: Rule, remedy: str = "copy it again") -> Any:
    """Read a JSON file and check its content.

    Args:
        path: The file.
        rule: The rule of its content.
        remedy: How the user can fix a damaged file, for the message.

    Returns:
        The content of the file.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not JSON, is larger than 64 MiB, or breaks the rule. The
            message names the file, the value, and what was expected.

    Example:
        ```python
        read_json(Path("state.json"), record({"epoch": whole(least=0)}))
        ```
    """
    if not path.is_file():
        raise MissingFileError(f"{path} is missing or not a file; {remedy}.")
    if path.stat().st_size > MAX_JSON_BYTES:
        raise InputError(f"{path} is damaged: larger than {MAX_JSON_BYTES:,} bytes; {remedy}.")
    try:
        content = json.loads(path.read_text("utf-8"))
        rule(content, "the content")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {str(error).rstrip('.')}; {remedy}.") from error
    return content


def _number(kind, type_, least, above, most) -> Rule:
    def check(value: Any, name: str) -> None:
        _require(isinstance(value, type_) and not isinstance(value, bool), value, name, kind)
        if above is not None:
            words = "positive" if above == 0 else f"above {above}"
            _require(value > above, value, name, words)
        if least is not None and not value >= least:
            if least == 0:
                raise InputError(f"{name} must not be negative, got {_shown(value)}.")
            _require(False, value, name, f"at least {least}")
        _require(most is None or value <= most, value, name, f"at most {most}")
        _require(_is_finite(value), value, name, "finite")

    return check


def _is_finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the range of floats
        return False


def _member(name: str, key: str) -> str:
    # A plain name such as "config" prefixes a member's name; a phrase ("the content") does not.
    return key if " " in name else f"{name}.{key}"


def _require(fits: bool, value: object, name: str, expected: str) -> None:
    if not fits:
        raise InputError(f"{name} must be {expected}, got {_shown(value)}.")


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}..."
