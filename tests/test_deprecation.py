"""Old names still work; the warning gives the user's line and the version that removes the name."""

import re
import warnings

import numpy as np
import pytest

from balancing_vae import TwoStageVAE
from balancing_vae import variance_law
from balancing_vae.deprecation import renamed_argument
from balancing_vae.schema import Spelling
from balancing_vae.versions import installed_version


@renamed_argument("mode", "term", removed_in="0.3")
def law(z, term="sigma"):
    """A law."""
    return z, term


def test_a_former_argument_works_and_warns_at_the_line_that_uses_it():
    with pytest.warns(
        DeprecationWarning, match=r"law\(mode=\.\.\.\) .* in version 0.3; use term"
    ) as found:
        assert law(1, mode="mu") == (1, "mu")
    assert found[0].filename == __file__
    with warnings.catch_warnings(action="error"):
        assert law(1, term="mu") == law(1, "mu") == (1, "mu")
    assert law.__doc__ == "A law."


def test_an_argument_given_under_both_names_is_refused():
    with pytest.raises(ValueError, match="got term= and its former name mode=; remove mode="):
        law(1, term="mu", mode="mu")


def test_a_former_value_warns_at_the_line_of_the_user_at_any_depth(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), np.uint8)
    vae = TwoStageVAE.from_pretrained("digits")
    with pytest.warns(DeprecationWarning, match="mode='paper' is deprecated") as found:
        vae.fit_normalization(images, mode="paper")
    assert {one.filename for one in found if one.category is DeprecationWarning} == {__file__}


def test_files_with_former_values_are_read_without_a_warning():
    spelling = Spelling("mode", ("gated",), {"reference": "gated"}, removed_in="0.3")
    with warnings.catch_warnings(action="error"):
        assert spelling.present("reference") == spelling.given("gated") == "gated"


def test_no_former_name_outlives_its_last_version():
    """Fails in the version that must remove a name: search for `removed_in`."""
    mu = sigma = np.ones((2, 2))
    with pytest.warns(DeprecationWarning) as found:
        variance_law(mu, sigma, mode="sigma")
        variance_law(mu, sigma, "paper")
    for warning in found:
        removed_in = re.search(r"in version ([\d.]+);", str(warning.message))[1]
        assert [int(n) for n in installed_version("balancing_vae").split(".")[:2]] < [
            int(n) for n in removed_in.split(".")
        ]
