"""Errors that the package raises on purpose can be distinguished from its bugs."""

import ast
import builtins
import pickle
from pathlib import Path

import pytest

import balancing_vae
from balancing_vae import errors

PACKAGE = Path(balancing_vae.__file__).parent
OF_OUR_OWN = {
    "ValueError": "InputError",
    "FileNotFoundError": "MissingFileError",
    "FileExistsError": "ExistingFileError",
    "OSError": "ResourceError",
    "ImportError": "MissingPackageError",
    "FloatingPointError": "NonFiniteLossError",
}


def raised_names(path: Path) -> list[str]:
    raises = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Raise)]
    calls = [node.exc.func if isinstance(node.exc, ast.Call) else node.exc for node in raises]
    return [call.id for call in calls if isinstance(call, ast.Name)]


@pytest.mark.parametrize("name", OF_OUR_OWN)
def test_each_error_is_also_a_builtin_error(name):
    error = getattr(errors, OF_OUR_OWN[name])("a sentence")
    assert isinstance(error, errors.BalancingVAEError)
    assert isinstance(error, getattr(builtins, name))
    assert str(error) == "a sentence"
    assert str(pickle.loads(pickle.dumps(error))) == "a sentence"


def test_the_package_raises_its_own_errors_only():
    found = {
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in PACKAGE.rglob("*.py")
        for name in raised_names(path)
        if name in OF_OUR_OWN
    }
    assert not found
