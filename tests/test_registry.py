"""Choices by name: bad arguments are refused before the call; errors within it are kept apart."""

from typing import Annotated

import pytest

from balancing_vae.registry import Registry
from balancing_vae.registry import check_arguments
from balancing_vae.registry import make
from balancing_vae.registry import parameters_of
from balancing_vae.schema import whole


class Base:
    def __init__(self, given, rate: float = 0.5, **kwargs):
        self.given, self.rate, self.others = given, rate, kwargs


class Child(Base):
    def __init__(self, given, width: int = 3, *, epochs: int = 1, **kwargs):
        super().__init__(given, **kwargs)
        self.width, self.epochs = width, epochs


class Outside:
    def __init__(self, **kwargs):
        pass


class Closed(Base, Outside):
    def __init__(self, given, name: str = "a"):
        super().__init__(given)


def build(image, width: Annotated[int, whole(above=0)], bias=True, *, rate=0.1, **others):
    return image, width, bias, rate, others


THINGS = Registry("thing", {"build": build, "child": Child}, Base)


def test_a_registry_is_a_dict_whose_errors_list_its_names():
    assert list(THINGS) == ["build", "child"] and "guess" not in THINGS
    with pytest.raises(ValueError, match=r"Unknown thing 'guess'; choose one of \['build', 'chi"):
        THINGS["guess"]
    with pytest.raises(ValueError, match="Unknown thing None"):
        THINGS.make(None, {})


def test_a_choice_is_made_from_given_arguments_and_those_of_the_user():
    assert THINGS.make("build", {"width": 2, "rate": 3}, image=1) == (1, 2, True, 3, {})
    child = THINGS.make("child", {"rate": 2, "epochs": 4}, given=7)
    assert (child.given, child.width, child.epochs, child.rate, child.others) == (7, 3, 4, 2, {})


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("build", {"width": 0}, "width must be positive, got 0"),
        ("build", {"width": 1, "bias": 1}, "bias must be true or false, got 1"),
        ("build", {"width": 1, "rate": "fast"}, "rate must be a number, got 'fast'"),
        ("build", {}, "The thing 'build' must be given width"),
        ("build", {"width": 1, "image": 1}, r"'build' does not take \['image'\], only \['bias',"),
        ("build", {"width": 1, "others": 1}, r"does not take \['others'\]"),
        ("child", {"depth": 1}, r"not take \['depth'\], only \['epochs', 'rate', 'width'\]"),
        ("child", {"self": 1}, r"not take \['self'\]"),
    ],
)
def test_arguments_are_refused_before_the_call(name, arguments, message):
    given = {"image": 0} if name == "build" else {"given": 0}
    for call in (THINGS.make, lambda *both, **given: THINGS.check(*both, given)):
        with pytest.raises(ValueError, match=message):
            call(name, arguments, **given)


def test_a_type_error_within_the_call_remains_a_type_error():
    def faulty(width=1):
        return "a" + width

    with pytest.raises(TypeError, match="concatenate"):
        make(faulty, "network 'faulty'", {"width": 2}, {})
    check_arguments(faulty, "network 'faulty'", {"width": 2})


def test_a_value_that_is_refused_within_the_call_is_the_users():
    def narrow(width=1):
        raise ValueError("width is too small\nand more")

    with pytest.raises(
        ValueError, match="^The network 'narrow' does not take {'width': 2}: width is too small$"
    ):
        make(narrow, "network 'narrow'", {"width": 2}, {})


def test_arguments_that_are_passed_on_are_found_in_base_classes():
    assert list(parameters_of(Child, Base)) == ["given", "width", "epochs", "rate"]
    assert list(parameters_of(Closed)) == ["given", "name"]
    assert list(parameters_of(Outside)) == []
