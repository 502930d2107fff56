"""The settings of these tests: a warning that this package causes is an error."""

import warnings

import pytest


@pytest.mark.parametrize("category", [UserWarning, DeprecationWarning, RuntimeWarning])
def test_a_warning_from_this_package_is_an_error(category):
    code = compile("warnings.warn('careful', category)", "module.py", "exec")
    inside = {"warnings": warnings, "category": category}
    for module in ("balancing_vae", "balancing_vae.storage.weights"):
        with pytest.raises(category, match="careful"):
            exec(code, {**inside, "__name__": module})
    with pytest.warns(category, match="careful"):
        exec(code, {**inside, "__name__": "somebody_elses"})


def test_a_division_by_zero_in_this_package_is_an_error():
    code = compile("numpy.ones(2) / numpy.zeros(2)", "module.py", "exec")
    with pytest.raises(RuntimeWarning, match="divide by zero"):
        exec(code, {"numpy": __import__("numpy"), "__name__": "balancing_vae.moments"})
