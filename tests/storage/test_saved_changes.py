"""Commands change no more of an existing folder than they must."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from balancing_vae import TwoStageVAE
from balancing_vae.cli import main
from balancing_vae.errors import BalancingVAEError
from balancing_vae.fid.scoring import open_side
from balancing_vae.fid.statistics import Statistics
from balancing_vae.files.checksums import check_checksums
from balancing_vae.files.formats import WEIGHTS
from balancing_vae.files.targets import output_folder
from balancing_vae.packing.pack import pack
from tests.helpers.command_lines import contents
from tests.helpers.pipelines import tiny_images


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "x.npy"
    np.save(path, tiny_images(32, side=8))
    return path


@pytest.fixture(scope="module")
def packed(tmp_path_factory, tiny_run):
    folder = tmp_path_factory.mktemp("packed")
    shutil.copytree(tiny_run, folder / "run")
    pack(folder / "run", folder / "set", tiny_images(32, side=8), float16=True)
    return folder


@pytest.fixture
def weights(tmp_path, packed):
    """A weights folder with kernels in float16, beside its run."""
    for name in ("run", "set"):
        shutil.copytree(packed / name, tmp_path / name)
    return tmp_path / "set"


def changed(before: dict, after: dict) -> set[str]:
    return {name for name in before | after if before.get(name) != after.get(name)}


def test_fitting_a_sampler_writes_it_the_description_and_their_checksums(weights, data):
    before = contents(weights)
    said = json.loads(before["config.json"])
    words = ["fit-sampler", str(weights), "mixture", "--components", "2", "--data", str(data)]
    assert main(words) == 0
    found = changed(before, contents(weights))
    assert found == {"config.json", "SHA256SUMS", "samplers/mixture.npz"}
    assert said.pop("samplers") == ["gaussian"]
    says = json.loads((weights / "config.json").read_text())
    assert says.pop("samplers") == ["gaussian", "mixture"]
    assert list(says.pop("commands")) == ["mixture"] and said.pop("commands") == {}
    assert says == said
    vae = TwoStageVAE.from_pretrained(weights)
    assert set(vae.samplers) == {"prior", "second_stage", "gaussian", "mixture"}
    assert "samplers/mixture.npz" in check_checksums(weights)
    # A sampler that is there is replaced, the others stay.
    before = contents(weights)
    assert main([*words[:4], "3", *words[5:]]) == 0
    assert changed(before, contents(weights)) <= {
        "config.json",
        "SHA256SUMS",
        "samplers/mixture.npz",
    }
    assert len(TwoStageVAE.from_pretrained(weights).samplers["mixture"].weights) == 3


def test_pictures_of_faces_are_saved_in_the_run(weights, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    for folder in (run, weights):
        before = contents(folder)
        assert main(["reproduce", "faces", str(folder), "--data", str(data)]) == 0
        found = changed(before, contents(folder)) - {"SHA256SUMS", "figures"}
        assert found == {"figures/fig5.png", "figures/fig6.png"}
    assert "figures/fig5.png" in check_checksums(weights)
    assert not (tmp_path / "runs").exists()


def test_only_pictures_of_our_own_are_replaced(weights, data, tmp_path, capsys):
    words = ["reproduce", "faces", str(weights), "--data", str(data), "--out"]
    words.append(str(tmp_path / "pictures"))
    assert main(words) == 0
    first = contents(tmp_path / "pictures")
    assert main([*words, "--seed", "1"]) == 0
    assert changed(first, contents(tmp_path / "pictures")) == {"fig5.png", "fig6.png"}
    Image.new("RGB", (9, 9)).save(tmp_path / "pictures" / "fig6.png")
    before = contents(tmp_path)
    assert main(words) == 2
    assert "fig6.png already exists, and this program did not write it" in capsys.readouterr().err
    assert contents(tmp_path) == before


def test_pictures_are_not_put_among_a_runs_own_files(weights, data, tmp_path, capsys):
    before = contents(tmp_path)
    words = ["reproduce", "faces", str(weights), "--data", str(data), "--out"]
    assert main([*words, str(tmp_path / "run")]) == 2
    assert "run is a run; give --out another folder" in capsys.readouterr().err
    assert contents(tmp_path) == before


def test_packing_never_replaces_a_run_and_saving_never_replaces_a_set(weights, tmp_path):
    vae = TwoStageVAE.load(tmp_path / "run")
    with pytest.raises(FileExistsError, match="it holds README.md, SHA256SUMS, decoder.keras and"):
        vae.save(weights, overwrite=True)
    other = tmp_path / "other"
    vae.save(other)
    with pytest.raises(FileExistsError, match="lacks a valid pretrained.json"):
        pack(tmp_path / "run", other, tiny_images(32, side=8), overwrite=True)
    with pytest.raises(ValueError, match="contains the source itself"):
        pack(tmp_path / "run", tmp_path / "run", tiny_images(32, side=8), overwrite=True)
    with pytest.raises(ValueError, match="ends in .keras"):
        vae.save(tmp_path / "v.keras")
    assert output_folder(weights, WEIGHTS, overwrite=True) == weights


# .npz, as commands write it and `fid` reads it.


def test_samples_in_an_npz_are_measured_like_those_in_an_npy(weights, data, tmp_path, capsys):
    for ending in (".npy", ".npz"):
        out = str(tmp_path / f"samples{ending}")
        assert main(["generate", str(weights), "-n", "16", "--seed", "0", "--out", out]) == 0
    with np.load(tmp_path / "samples.npz", allow_pickle=False) as archive:
        assert archive.files == ["images"]
        np.testing.assert_array_equal(archive["images"], np.load(tmp_path / "samples.npy"))
    capsys.readouterr()
    printed = []
    for ending in (".npy", ".npz"):
        words = ["fid", str(data), str(tmp_path / f"samples{ending}"), "--features", "pixels"]
        assert main([*words, "--protocol", "ttur"]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


def test_which_array_of_an_npz_counts(tmp_path):
    images = tiny_images(32, side=8)
    np.savez(tmp_path / "theirs.npz", images)  # arr_0
    np.savez(tmp_path / "both.npz", images[:3], images=images)
    for name in ("theirs", "both"):
        np.testing.assert_array_equal(open_side(tmp_path / f"{name}.npz"), images)
    np.savez(tmp_path / "statistics.npz", mu=np.zeros(2), sigma=np.eye(2), arr_0=images)
    assert isinstance(open_side(tmp_path / "statistics.npz"), Statistics)
    np.savez(tmp_path / "labels.npz", np.zeros(3))
    with pytest.raises(ValueError, match=r"arr_0 of shape \(3,\); expected images"):
        open_side(tmp_path / "labels.npz")
    np.savez(tmp_path / "objects.npz", np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="objects.npz"):
        open_side(tmp_path / "objects.npz")
    np.savez(tmp_path / "others.npz", x=images)
    with pytest.raises(ValueError, match="others.npz"):
        open_side(tmp_path / "others.npz")


def test_a_damaged_npz_is_refused_or_read_as_it_was(tmp_path):
    images, path = tiny_images(2, side=8), tmp_path / "x.npz"
    np.savez_compressed(path, images=images)
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole[: random.integers(1, len(whole) + 1)])
        for place in random.integers(0, len(damaged), random.integers(0, 4)):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged)
        try:
            found = open_side(path)
        except ValueError as error:
            assert "x.npz" in str(error) and isinstance(error, BalancingVAEError)
        else:
            np.testing.assert_array_equal(found, images)
