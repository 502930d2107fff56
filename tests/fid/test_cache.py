"""Cached statistics are found by content, protocol and features, and by nothing else."""

import hashlib
import shutil
from dataclasses import replace

import numpy as np
import pytest

from balancing_vae.fid import cache
from balancing_vae.fid.cache import cache_folder
from balancing_vae.fid.cache import cached_statistics
from balancing_vae.fid.cache import content_sha256
from balancing_vae.fid.networks.pixels import Pixels
from balancing_vae.fid.protocols import PROTOCOLS
from balancing_vae.fid.statistics import Statistics

IMAGES = np.random.default_rng(0).integers(0, 256, (100, 4, 4, 3), dtype="uint8")


@pytest.fixture
def measured(monkeypatch):
    """Count how often statistics are computed."""
    calls, measure = [], cache.measure

    def counting(*arguments):
        calls.append(arguments)
        return measure(*arguments)

    monkeypatch.setattr(cache, "measure", counting)
    return calls


class OtherPixels(Pixels):
    sha256 = hashlib.sha256(b"other").hexdigest()


def test_computed_once(measured):
    first = cached_statistics(IMAGES, Pixels(), "ttur")
    second = cached_statistics(IMAGES.copy(), Pixels(), "ttur")
    assert len(measured) == 1
    for name, value in vars(first).items():
        np.testing.assert_array_equal(getattr(second, name), value)
    assert (second.protocol, second.features, second.count) == ("ttur", "pixels", 100)


def changed(images):
    images = images.copy()
    images[-1, -1, -1, -1] ^= 1
    return images


@pytest.mark.parametrize(
    "arguments",
    [
        (changed(IMAGES), Pixels(), "ttur"),
        (IMAGES[:99], Pixels(), "ttur"),
        (IMAGES.reshape(100, 2, 8, 3), Pixels(), "ttur"),
        (IMAGES, Pixels(), "clean"),
        (IMAGES, Pixels(), replace(PROTOCOLS["ttur"], quantization="none")),
        (IMAGES, OtherPixels(), "ttur"),
    ],
)
def test_any_change_is_computed_again(measured, arguments):
    cached_statistics(IMAGES, Pixels(), "ttur")
    cached_statistics(*arguments)
    assert len(measured) == 2


def test_both_sides_are_cached_separately_if_the_protocol_treats_them_differently(measured):
    for protocol, computed in (("ttur", 1), ("dai2019", 3)):
        for generated in (False, True):
            cached_statistics(IMAGES, Pixels(), protocol, generated)
        assert len(measured) == computed


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half an archive"])
def test_a_broken_file_is_rebuilt(measured, content):
    first = cached_statistics(IMAGES, Pixels(), "ttur")
    (file,) = (cache_folder() / "statistics").iterdir()
    file.write_bytes(content)
    with pytest.warns(UserWarning, match="The cache is broken and rebuilt"):
        second = cached_statistics(IMAGES, Pixels(), "ttur")
    np.testing.assert_array_equal(second.sigma, first.sigma)
    cached_statistics(IMAGES, Pixels(), "ttur")
    assert len(measured) == 2


def test_the_content_and_not_the_file_is_hashed(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert content_sha256(mapped) == content_sha256(IMAGES)
    assert content_sha256(IMAGES.astype("float32")) != content_sha256(IMAGES)


def test_a_cache_that_cannot_be_written_causes_only_a_warning(monkeypatch, measured):
    expected = cached_statistics(IMAGES, Pixels(), "clean")
    folder = cache_folder() / "statistics"
    shutil.rmtree(folder)
    folder.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="statistics cannot be kept in the cache .* writable"):
        found = cached_statistics(IMAGES, Pixels(), "clean")
    np.testing.assert_array_equal(found.sigma, expected.sigma)
    assert len(measured) == 2


def test_a_file_with_the_name_of_another_is_rebuilt(measured):
    expected = cached_statistics(IMAGES, Pixels(), "ttur")
    (file,) = (cache_folder() / "statistics").iterdir()
    Statistics.from_features(np.zeros((3, 48))).save(file)
    with pytest.warns(UserWarning, match="The cache is broken and rebuilt: .*expected .'ttur'"):
        found = cached_statistics(IMAGES, Pixels(), "ttur")
    np.testing.assert_array_equal(found.mu, expected.mu)
    assert len(measured) == 2


def test_few_images_are_kept_as_their_factor(measured):
    first = cached_statistics(IMAGES[:20], Pixels(), "clean")
    second = cached_statistics(IMAGES[:20], Pixels(), "clean")
    assert len(measured) == 1
    np.testing.assert_array_equal(second.covariance.rows, first.covariance.rows)
    (file,) = (cache_folder() / "statistics").iterdir()
    assert file.stat().st_size < 20_000
