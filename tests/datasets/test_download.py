"""Downloads are checked before they are kept, and CelebA is never downloaded."""

import hashlib

import pytest

from balancing_vae import datasets
from balancing_vae.datasets.download import download_source
from balancing_vae.datasets.published import sources
from tests.helpers.layouts import mnist_arrays
from tests.helpers.layouts import mnist_idx
from tests.helpers.servers import serving_folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "balancing_vae" / "mnist"


@pytest.fixture
def host(tmp_path):
    """Serve four tiny idx files; give their folder, what is published about them, the log."""
    folder = mnist_idx(tmp_path / "host", mnist_arrays(), packed=True)
    files = {
        path.name: {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "size": path.stat().st_size,
        }
        for path in folder.iterdir()
    }
    with serving_folder(folder) as (address, requests):
        yield folder, {"base": f"{address}/", "files": files}, requests


def test_downloaded_once_and_prepared(host, cache, tmp_path, monkeypatch):
    _, published, requests = host
    monkeypatch.setitem(sources(), "mnist", sources()["mnist"] | published)
    for _ in range(2):
        prepared = datasets.prepare(
            "mnist", None, tmp_path / "out", allow_partial=True, overwrite=True
        )
    assert prepared.counts == {"train": 7, "test": 3}
    assert len(requests) == 4
    assert sorted(path.name for path in cache.iterdir()) == sorted(published["files"])


def test_a_download_with_another_checksum_leaves_no_file(host, cache):
    folder, published, _ = host
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(b"changed")
    with pytest.raises(
        ValueError, match=r"t10k-images.*\.gz does not have the published sha256 .*--source"
    ):
        download_source("mnist", published)
    assert "t10k-images-idx3-ubyte.gz" not in [path.name for path in cache.iterdir()]


def test_a_larger_file_is_not_downloaded(host, cache):
    folder, published, _ = host
    with (folder / "t10k-images-idx3-ubyte.gz").open("ab") as file:
        file.truncate(10**10)
    match = r"t10k-images-idx3-ubyte\.gz has more than the published .* bytes.*--source"
    with pytest.raises(ValueError, match=match):
        download_source("mnist", published)
    assert "t10k-images-idx3-ubyte.gz" not in [path.name for path in cache.iterdir()]


def test_a_damaged_file_in_the_cache_is_downloaded_again(host, cache):
    folder, published, _ = host
    download_source("mnist", published)
    (cache / "train-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    download_source("mnist", published)
    for path in folder.iterdir():
        assert (cache / path.name).read_bytes() == path.read_bytes()


def test_a_host_without_the_file_is_reported(host, cache):
    folder, published, _ = host
    (folder / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(
        OSError, match="could not be downloaded .*404.*by other means and give --source"
    ):
        download_source("mnist", published)


def test_a_cache_that_cannot_be_written_to(host, cache):
    cache.parent.parent.mkdir(parents=True)
    cache.parent.write_text("a file in the folder's place")
    with pytest.raises((ValueError, OSError), match="balancing_vae") as refusal:
        download_source("mnist", host[1])
    assert "discarded" not in str(refusal.value)


def test_a_host_that_does_not_answer(cache):
    published = {"base": "http://127.0.0.1:1/", "files": {"a.gz": {"sha256": "0" * 64, "size": 9}}}
    with pytest.raises(OSError, match=r"http://127\.0\.0\.1:1/a\.gz could not be downloaded"):
        download_source("mnist", published)


@pytest.mark.parametrize("name", ["celeba", "celeba140"])
def test_celeba_is_not_downloaded_and_the_message_explains_how_to_get_it(name, tmp_path):
    with pytest.raises(ValueError, match=r"img_align_celeba\.zip.*mmlab.*put both into"):
        datasets.prepare(name, None, tmp_path / "out")
    with pytest.raises(ValueError, match="Give a folder of images"):
        datasets.prepare("folder", None, tmp_path / "out", side=8)


def test_published_datasets_have_checksums_and_sizes():
    for name in ("cifar10", "mnist", "fashion_mnist"):
        assert datasets.dataset(name).downloadable
        for about in sources()[name]["files"].values():
            assert len(bytes.fromhex(about["sha256"])) == 32
            assert about["size"] > 4000
    assert not datasets.dataset("celeba").downloadable
