"""Pretrained weights: found, downloaded, verified, refused."""

import http.server
import json
import shlex
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from balancing_vae import TwoStageVAE
from balancing_vae.cli import build_parser
from balancing_vae.cli import main
from balancing_vae.files.checksums import CHECKSUMS
from balancing_vae.files.checksums import check_checksums
from balancing_vae.files.checksums import sha256
from balancing_vae.files.checksums import write_checksums
from balancing_vae.packing.pack import pack
from balancing_vae.presets import preset_config
from balancing_vae.pretrained import BASE_URL
from balancing_vae.pretrained import PretrainedSet
from balancing_vae.pretrained import download
from balancing_vae.pretrained import find
from balancing_vae.pretrained import places
from balancing_vae.pretrained import pretrained_sets
from balancing_vae.pretrained.registry import train_command
from tests.helpers.paths import ROOT
from tests.helpers.pipelines import tiny_images
from tests.helpers.servers import serving_folder

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def published(tmp_path_factory, tiny_run):
    """A tiny set in the folder that a server would show."""
    folder = tmp_path_factory.mktemp("server")
    pack(tiny_run, folder / "weights" / "tiny", tiny_images(32, side=8))
    return folder / "weights"


@pytest.fixture
def server(published, tmp_path, monkeypatch):
    """Serve a copy of it; give the copy, its address and the requests so far."""
    folder = tmp_path / "weights"
    shutil.copytree(published, folder)
    pin = sha256(folder / "tiny" / CHECKSUMS)
    size = sum(len(data) for data in files(folder / "tiny").values())
    monkeypatch.setitem(pretrained_sets(), "tiny", PretrainedSet("tiny", "digits", pin, size, ""))
    monkeypatch.delenv(BASE_URL, raising=False)
    with serving_folder(folder) as (address, requests):
        yield folder / "tiny", address, requests


@pytest.fixture(autouse=True)
def cache_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache" / "balancing_vae" / "pretrained"


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_downloaded_once_and_loaded(server, cache, monkeypatch):
    folder, url, requests = server
    monkeypatch.setenv(BASE_URL, url + "/")
    vae = TwoStageVAE.from_pretrained("tiny")
    expected = TwoStageVAE.load(folder)
    np.testing.assert_array_equal(vae.generate(4, seed=0), expected.generate(4, seed=0))
    assert len(requests) == len(files(folder))
    assert files(cache / "tiny") == files(folder)
    assert [path.name for path in cache.iterdir()] == ["tiny"]
    monkeypatch.delenv(BASE_URL)
    assert find("tiny") == cache / "tiny" and len(requests) == len(files(folder))


def test_a_damaged_cache_is_downloaded_again(server, cache):
    folder, url, _ = server
    download("tiny", url)
    (cache / "tiny" / "stage1.weights.h5").write_bytes(b"damaged")
    with pytest.raises(FileNotFoundError, match=f"not as published, .*set {BASE_URL}"):
        find("tiny")
    assert find("tiny", url) == cache / "tiny"
    assert files(cache / "tiny") == files(folder)


def test_a_cache_that_only_matches_its_own_checksums_is_downloaded_again(server, cache):
    folder, url, _ = server
    download("tiny", url)
    (cache / "tiny" / "history.csv").write_text("other")
    write_checksums(cache / "tiny")
    assert files(download("tiny", url)) == files(folder)


@pytest.mark.parametrize("name", [CHECKSUMS, "stage2.weights.h5"])
def test_a_server_with_other_weights_leaves_nothing(server, cache, name):
    folder, url, _ = server
    (folder / name).write_bytes(b"other")
    with pytest.raises(
        ValueError, match=f"{name} does not have the published sha256 .* nothing was kept"
    ):
        download("tiny", url)
    assert files(cache) == {}


def test_a_download_of_larger_files_stops_at_the_known_size(server, cache):
    folder, url, _ = server
    with (folder / "stage2.weights.h5").open("ab") as file:
        file.truncate(10**10)
    with pytest.raises(ValueError, match="stage2.weights.h5 has more than .* nothing was kept"):
        download("tiny", url)
    assert files(cache) == {}


def test_a_failed_update_leaves_the_old_set(server, cache):
    folder, url, _ = server
    download("tiny", url)
    (cache / "tiny" / "history.csv").write_text("changed by hand")
    before = files(cache / "tiny")
    (folder / "history.csv").unlink()
    with pytest.raises(OSError, match=r"tiny/history\.csv could not be downloaded .*404"):
        download("tiny", url)
    assert files(cache / "tiny") == before


def test_a_truncated_file_leaves_nothing(server, cache, monkeypatch):
    folder, url, _ = server

    def half(self, source, target):
        target.write(source.read(100))

    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "copyfile", half)
    with pytest.raises((OSError, ValueError), match="nothing was kept"):
        download("tiny", url)
    assert files(cache) == {}


def test_an_interrupted_download_leaves_nothing(server, cache, monkeypatch):
    _, url, _ = server
    module = sys.modules[download.__module__]
    download_file = module.download_file

    def interrupted(address, *arguments):
        if address.endswith("stage2.weights.h5"):
            raise KeyboardInterrupt
        return download_file(address, *arguments)

    monkeypatch.setattr(module, "download_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        download("tiny", url)
    assert files(cache) == {}


def test_no_server_and_no_network(server):
    with pytest.raises(
        FileNotFoundError, match=f"no server is configured.*set {BASE_URL}.*--base-url"
    ):
        find("tiny")
    with pytest.raises(OSError, match="could not be downloaded .*nothing was kept"):
        find("tiny", "http://127.0.0.1:1")
    with pytest.raises(ValueError, match="must start with http"):
        find("tiny", "weights")


def test_a_cache_that_cannot_be_written_to(server, cache):
    cache.parent.mkdir(parents=True)
    cache.write_text("a file in the folder's place")
    with pytest.raises(OSError, match="The cache .* is not writable .*XDG_CACHE_HOME"):
        download("tiny", server[1])


def test_a_full_disk_leaves_nothing(server, cache, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys.modules[download.__module__], "download_file", full)
    with pytest.raises(OSError, match="No space left on device.*nothing was kept"):
        download("tiny", server[1])
    assert files(cache) == {}


def test_a_folder_of_a_newer_format(server):
    folder, url, _ = server
    description = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(description | {"format_version": 99}))
    write_checksums(folder)
    with pytest.raises(ValueError, match="format version 99.*update balancing_vae"):
        TwoStageVAE.from_pretrained(folder)


def test_a_path_comes_first_and_is_checked(server, tmp_path, monkeypatch):
    folder, _, _ = server
    monkeypatch.chdir(folder.parent)
    assert find("tiny") == Path("tiny") and find(folder) == folder == find(str(folder))
    (folder / "stage1.weights.h5").write_bytes(b"damaged")
    for name in ("tiny", folder, "./tiny"):
        with pytest.raises(ValueError, match=r"stage1\.weights\.h5 has another sha256"):
            TwoStageVAE.from_pretrained(name)
    with pytest.raises(FileNotFoundError, match="config.json is missing"):
        TwoStageVAE.from_pretrained("no/such/folder")


def test_package_before_checkout_before_cache(server, tmp_path, monkeypatch):
    folder, url, requests = server
    download("tiny", url)
    assert list(places("tiny")) == ["package", "checkout", "cache"]
    sets = {place: tmp_path / place for place in places("tiny")}
    monkeypatch.setattr(sys.modules[find.__module__], "places", lambda name: sets)
    before = len(requests)
    for place in ("checkout", "package"):
        shutil.copytree(folder, sets[place])
        assert find("tiny") == sets[place]
    assert len(requests) == before


def test_an_unknown_name():
    names = ", ".join(pretrained_sets())
    with pytest.raises(ValueError, match=f"the sets are {names}. Did you mean 'mnist'?"):
        TwoStageVAE.from_pretrained("mnits")


def test_the_list_says_where_each_set_is(server, cache, capsys):
    assert main(["pretrained", "list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    for name in ("digits", "mnist", "cifar10-small", "cifar10"):
        assert f"installed: {ROOT / 'weights' / name}" in lines[name]
    assert "not available. Not " in lines["celeba"]
    assert "not on this machine" in lines["tiny"] and "--base-url" in lines["tiny"]
    download("tiny", server[1])
    assert main(["pretrained", "list"]) == 0
    assert f"cached: {cache / 'tiny'}" in capsys.readouterr().out


def test_unpublished_sets_are_listed_with_their_commands(capsys):
    with pytest.raises(ValueError, match="forbids commercial use.*train --preset celeba"):
        TwoStageVAE.from_pretrained("celeba")
    assert main(["pretrained", "list"]) == 0
    printed = capsys.readouterr().out
    assert "forbids commercial use" in printed and "--source img_align_celeba.zip" in printed
    assert "digits-small" not in printed  # it is here, and needs no commands
    assert main(["pretrained", "info", "celeba"]) == 0
    assert "datasets prepare celeba" in capsys.readouterr().out


@pytest.mark.parametrize("name", pretrained_sets())
def test_the_training_commands_are_commands(name):
    for command in pretrained_sets()[name].training_commands:
        program, *words = shlex.split(command)
        assert program == "balancing-vae"
        build_parser().parse_args(words)


def test_the_training_command_says_what_it_changes():
    config = preset_config("digits-small", epochs=3, seed=7)
    assert train_command(config, "runs/a") == (
        "balancing-vae train --preset digits-small --epochs 3 --seed 7 --out runs/a"
    )


@pytest.mark.parametrize("name", pretrained_sets())
def test_the_sets_here_are_complete_and_are_the_published_ones(name):
    here = {place: p for place, p in places(name).items() if place != "cache" and p.is_dir()}
    pin = pretrained_sets()[name].sha256
    assert bool(here) == bool(pin)
    for folder in here.values():
        check_checksums(folder)
        assert sha256(folder / CHECKSUMS) == pin, "run tools/pin_weights.py when a set is final"
        size = sum(path.stat().st_size for path in folder.rglob("*"))
        assert size <= (1 if name == "digits" else 60) * MEGABYTE


def test_all_sets_together_are_small_enough():
    size = sum(path.stat().st_size for path in (ROOT / "weights").rglob("*") if path.is_file())
    assert size <= 120 * MEGABYTE


def test_the_digits_are_in_the_checkout():
    folder = find("digits")
    assert folder == ROOT / "weights" / "digits"
    vae = TwoStageVAE.from_pretrained("digits")
    z = np.random.default_rng(0).standard_normal((50, 16)).astype("float32")
    images = vae.decode(z)
    assert images.shape == (50, 8, 8, 1) and images.std(axis=0).mean() > 0.15
    alone = keras.saving.load_model(folder / "decoder.keras")(z)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(alone), images, atol=1e-5)


def test_verify_names_what_is_wrong(server, capsys):
    folder, _, _ = server
    assert main(["pretrained", "verify", "digits", str(folder)]) == 0
    assert capsys.readouterr().out.count("files is correct") == 2
    (folder / "samples.png").write_bytes(b"damaged")
    assert main(["pretrained", "verify", str(folder), "digits"]) == 2
    output = capsys.readouterr()
    assert "samples.png has another sha256" in output.err and "files is correct" in output.out
    assert main(["pretrained", "verify", "digit"]) == 2
    assert "Did you mean 'digits'?" in capsys.readouterr().err


def test_verify_distinguishes_another_set_from_the_published_one(server, cache, capsys):
    _, url, _ = server
    assert main(["pretrained", "download", "tiny", "--base-url", url]) == 0
    assert capsys.readouterr().out.strip() == str(cache / "tiny")
    assert main(["pretrained", "verify", "tiny"]) == 0
    (cache / "tiny" / "history.csv").write_text("other")
    write_checksums(cache / "tiny")
    assert main(["pretrained", "verify", "tiny"]) == 2
    assert "not the published set tiny" in capsys.readouterr().err
