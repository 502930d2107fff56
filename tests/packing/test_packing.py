"""From a run to a weights folder: its files, the loss of precision, and the card."""

import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest

from balancing_vae import TwoStageVAE
from balancing_vae.cli import main
from balancing_vae.datasets.arrays import from_arrays
from balancing_vae.datasets.prepared import write_prepared
from balancing_vae.figures import contact_sheet
from balancing_vae.files.checksums import check_checksums
from balancing_vae.packing import pack
from balancing_vae.packing.card import model_card
from balancing_vae.packing.differences import largest_differences
from balancing_vae.storage.half import round_kernels
from tests.helpers.pipelines import as_if_trained
from tests.helpers.pipelines import digits_pipeline
from tests.helpers.pipelines import save_run
from tests.helpers.pipelines import tiny_images


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run in mixed_bfloat16, with a training state beside."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    save_run(folder, precision="mixed_bfloat16")
    (folder / "states").mkdir()
    (folder / "states" / "optimizer.npz").write_bytes(b"large")
    return folder


@pytest.fixture(scope="module")
def packed(run):
    """The run as a set, its kernels in float16, packed and evaluated by the command line."""
    folder, images = run.parent / "packed", run.parent / "x.npy"
    np.save(images, tiny_images(32, side=8))
    data = ["--data", str(images)]
    assert main(["pretrained", "pack", str(run), *data, "--out", str(folder), "--float16"]) == 0
    assert "None yet" in (folder / "README.md").read_text()
    words = ["--features", "pixels", "--seeds", "2"]
    assert main(["evaluate", str(folder), *data, *words]) == 0
    assert (
        main(["evaluate", str(folder), *data, *words, "--normalization", "latents_and_images"]) == 0
    )
    return folder


def test_the_set_holds_what_a_saved_folder_holds_and_no_training_states(packed):
    assert set(check_checksums(packed)) == {
        "README.md",
        "config.json",
        "decoder.keras",
        "history.csv",
        "metrics.json",
        "pretrained.json",
        "samplers/gaussian.npz",
        "samples.png",
        "stage1.weights.h5",
        "stage2.weights.h5",
    }


def test_only_kernels_are_rounded(packed, run):
    before, after = TwoStageVAE.load(run), TwoStageVAE.from_pretrained(packed)
    rounded = 0
    for stage in ("stage1", "stage2"):
        theirs = getattr(before, stage).get_weights()
        for ours, weight in zip(getattr(after, stage).get_weights(), theirs, strict=True):
            assert ours.dtype == weight.dtype
            if weight.ndim >= 2:
                weight = weight.astype(np.float16).astype(np.float32)
                rounded += 1
            np.testing.assert_array_equal(ours, weight)
    assert rounded > 10
    files = ("stage1.weights.h5", "stage2.weights.h5")
    sizes = [[(folder / file).stat().st_size for file in files] for folder in (packed, run)]
    assert all(after < before for after, before in zip(*sizes, strict=True))


def test_the_set_computes_in_float32_and_reports_the_differences(packed, run):
    vae = TwoStageVAE.from_pretrained(packed)
    assert vae.config.precision == "float32"
    facts = json.loads((packed / "pretrained.json").read_text())
    assert (facts["trained_in"], facts["kernels"]) == ("mixed_bfloat16", "float16")
    x = tiny_images(32, side=8)
    images = [v.reconstruct(x, seed=0) for v in (TwoStageVAE.load(run), vae)]
    difference = np.abs(images[0] - images[1])
    assert facts["deviations"][0]["largest"] == pytest.approx(difference.max(), rel=0.1)
    assert 0 < difference.max() < 0.05


def test_the_decoder_alone_gives_the_same_images(packed):
    z = np.random.default_rng(0).standard_normal((16, 2)).astype("float32")
    images = keras.saving.load_model(packed / "decoder.keras")(z)
    expected = TwoStageVAE.from_pretrained(packed).decode(z)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(images), expected, atol=1e-5)


def test_no_deviation_between_a_pipeline_and_itself():
    vae = as_if_trained(digits_pipeline())
    for row in largest_differences(vae, vae, tiny_images(8, side=8)):
        assert row["largest"] == row["mean"] == 0
        assert row["variance loss"][0] == row["variance loss"][1]


def test_the_card_follows_the_numbers(packed):
    card = (packed / "README.md").read_text()
    metrics = json.loads((packed / "metrics.json").read_text())["measurements"]
    plain = [
        row["value"]
        for row in metrics
        if (row["column"], row["metric"], row.get("normalization")) == ("GEN-2", "fid", None)
    ]
    modes = [row.get("normalization") for row in metrics]
    assert modes.count("latents_and_images") == modes.count("gated") == 2 * (3 + 1 + 3 + 3)
    assert f"| GEN-2 | FD(pixels) | `asperti2020` | {np.mean(plain):#.4g} ± " in card
    for words in (
        "balancing-vae train --preset digits-small --set latent_dim=2 ",
        "--set second_depth=1 --batch-size 16 --precision mixed_bfloat16 --out runs/packed",
        "precision: float32 -> mixed_bfloat16",
        "balancing-vae fit-sampler runs/packed gaussian",
        f"balancing-vae pretrained pack {packed.parent / 'tiny'} --data ",
        f" --out {packed} --float16",
        f"balancing-vae evaluate {packed}",
        "GEN-2, mode latents_and_images: ",
        "Licence of the data: CC BY 4.0",
        "Noise floor",
        "Trained in mixed_bfloat16; kernels stored in float16",
        "No FID",
        "Few images",
    ):
        assert words in card
    assert main(["pretrained", "card", str(packed)]) == 0
    assert (packed / "README.md").read_text() == card
    check_checksums(packed)


def test_info_shows_protocol_and_license(packed, capsys):
    assert main(["pretrained", "info", str(packed)]) == 0
    printed = capsys.readouterr().out
    assert "`asperti2020`" in printed and "CC BY 4.0" in printed and "mixed_bfloat16" in printed


def test_unsuitable_runs_cannot_be_packed(tmp_path, packed, run):
    digits_pipeline().save(tmp_path / "own")
    with pytest.raises(FileExistsError, match="not empty"):
        pack(run, packed, tiny_images(32, side=8))
    with pytest.raises(ValueError, match="did not start from a preset"):
        pack(tmp_path / "own", tmp_path / "set", tiny_images(32, side=8))
    with pytest.raises(FileNotFoundError, match="config.json is missing"):
        pack(tmp_path / "nowhere", tmp_path / "set", tiny_images(32, side=8))
    assert not (tmp_path / "set").exists()


def test_kernels_beyond_float16_are_refused(packed, tmp_path):
    import h5py

    path = tmp_path / "stage1.weights.h5"
    shutil.copy(packed / "stage1.weights.h5", path)
    with h5py.File(path, "r+") as file:
        file["decoder"].create_dataset("large", data=np.full((2, 2), 1e5, np.float32))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"decoder/large has values up to 1e\+05"):
        round_kernels(path)
    assert path.read_bytes() == before


def test_pack_is_a_function_however_it_is_imported_and_needs_no_keras():
    code = (
        "import sys, balancing_vae.packing.pack, balancing_vae.packing.card\n"
        "from balancing_vae.packing import pack, write_card\n"
        "assert callable(pack) and callable(write_card)\n"
        "assert not {'keras', 'tensorflow', 'jax', 'torch', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_sheet_of_a_set_shows_each_class(run, tmp_path, monkeypatch):
    labels = np.repeat([0, 1, 2, 3], 8)
    arrays = {"test": (np.repeat(labels.astype(np.uint8) * 20, 64).reshape(-1, 8, 8, 1), labels)}
    write_prepared(
        tmp_path / "data",
        "folder",
        from_arrays(arrays, {"source": {"file": "x"}, "classes": list("abcd")}),
    )
    shown = []
    monkeypatch.setattr(contact_sheet, "contact_sheet", lambda vae, x: shown.append(x) or {"": x})
    words = ["pretrained", "pack", str(run), "--data", str(tmp_path / "data")]
    assert main([*words, "--out", str(tmp_path / "set")]) == 0
    assert shown[0][:5, 0, 0, 0].tolist() == [0, 20, 40, 60, 0]


@pytest.mark.parametrize("gate_open", [True, False])
def test_a_card_says_why_rows_are_the_same(packed, tmp_path, gate_open):
    copy = tmp_path / "copy"
    shutil.copytree(packed, copy)
    description = json.loads((copy / "config.json").read_text())
    description["latent_normalization"]["gate_open"] = gate_open
    (copy / "config.json").write_text(json.dumps(description))
    assert ("it changes none of the samples" in model_card(copy)) is not gate_open
