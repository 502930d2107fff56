"""The command line, as a user calls it."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from balancing_vae import TwoStageVAE
from balancing_vae.checks import as_float
from balancing_vae.cli import COMMANDS
from balancing_vae.cli import build_parser
from balancing_vae.cli import main
from balancing_vae.datasets import open_prepared
from balancing_vae.datasets.arrays import from_arrays
from balancing_vae.datasets.prepared import write_prepared
from balancing_vae.evaluation.columns import choose_images
from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.evaluation.metrics_file import of_run
from balancing_vae.evaluation.metrics_file import write_metrics
from balancing_vae.fid.cache import content_sha256
from balancing_vae.moments import mse
from balancing_vae.presets import preset_config
from balancing_vae.presets import preset_names
from balancing_vae.storage.fingerprint import fingerprint
from tests.helpers.paths import GOLDEN
from tests.helpers.pipelines import as_if_trained
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    vae = as_if_trained(tiny_pipeline())
    vae.fit_normalization(tiny_images())
    folder = tmp_path_factory.mktemp("cli") / "saved"
    vae.save(folder)
    return folder


def command(*words) -> int:
    return main([str(word) for word in words])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_shows_an_example(capsys, name):
    with pytest.raises(SystemExit) as exit:
        build_parser().parse_args([name.replace("_", "-"), "--help"])
    assert exit.value.code == 0
    assert f"example:\n  balancing-vae {name.replace('_', '-')}" in capsys.readouterr().out


def test_generate_writes_the_same_samples_for_the_same_seed(saved, tmp_path):
    for name in ("a", "b"):
        assert (
            command("generate", saved, "-n", 11, "--seed", 5, "--out", tmp_path / f"{name}.npy")
            == 0
        )
    a, b = (np.load(tmp_path / f"{name}.npy", allow_pickle=False) for name in ("a", "b"))
    assert a.dtype == np.uint8 and a.shape == (11, 4, 4, 1)
    np.testing.assert_array_equal(a, b)
    expected = TwoStageVAE.load(saved).generate(11, seed=5)
    np.testing.assert_allclose(a / 255, expected, atol=0.5 / 255 + 1e-6)


def test_generate_writes_a_folder_of_pngs(saved, tmp_path):
    words = ("generate", saved, "-n", 3, "--stage", 1, "--plain", "--seed", 0, "--out")
    assert command(*words, tmp_path / "samples") == 0
    assert command(*words, tmp_path / "samples.npy") == 0
    array = np.load(tmp_path / "samples.npy", allow_pickle=False)
    files = sorted((tmp_path / "samples").iterdir())
    assert [f.name for f in files] == ["00000.png", "00001.png", "00002.png"]
    for file, image in zip(files, array, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(file)), image[..., 0])


def test_reconstruct_prints_the_error(saved, tmp_path, capsys):
    np.save(tmp_path / "x.npy", tiny_images())
    words = ("reconstruct", saved, "--data", tmp_path / "x.npy", "--out", tmp_path / "y.npy")
    assert command(*words) == 0
    assert np.load(tmp_path / "y.npy").shape == (24, 4, 4, 1)
    assert "24 images" in capsys.readouterr().out


def test_import_checkpoint_measures_gamma_and_deviation(tmp_path, capsys):
    with np.load(GOLDEN / "golden.npz", allow_pickle=False) as golden:
        np.save(tmp_path / "x.npy", golden["x_train"])
        np.savez(
            tmp_path / "reference.npz",
            images=golden["x_test"],
            x=(golden["x_test"] / 255).astype("float32"),
            mu=golden["eval/z_mean"],
            sigma=np.exp(golden["eval/z_logsd"]),
        )
    words = ("import-checkpoint", GOLDEN / "stage2", "--out", tmp_path / "imported")
    words += ("--data", tmp_path / "x.npy", "--reference", tmp_path / "reference.npz")
    assert command(*words) == 0
    printed = capsys.readouterr().out
    assert "none missing, none left over" in printed
    deviations = [float(line.split()[-1]) for line in printed.splitlines() if "difference" in line]
    assert len(deviations) == 3 and max(deviations) < 1e-4
    loaded = TwoStageVAE.load(tmp_path / "imported")
    assert loaded.config.image_shape == (16, 16, 3)
    gammas = [float(stage.balancing.gamma) for stage in (loaded.stage1, loaded.stage2)]
    assert gammas == pytest.approx([0.29, 0.63], abs=0.03)


def test_the_frame_of_padded_images_is_removed_where_they_are_shown(tmp_path):
    from balancing_vae.figures.contact_sheet import contact_sheet

    vae = as_if_trained(tiny_pipeline(padding=1))
    vae.fit_normalization(tiny_images())
    vae.save(tmp_path / "saved")
    np.save(tmp_path / "x.npy", tiny_images())
    words = ("generate", tmp_path / "saved", "-n", 3, "--out", tmp_path / "samples.npy")
    assert command(*words) == 0
    words = ("reconstruct", tmp_path / "saved", "--data", tmp_path / "x.npy")
    assert command(*words, "--out", tmp_path / "y.npy") == 0
    assert np.load(tmp_path / "samples.npy").shape == (3, 2, 2, 1)
    assert np.load(tmp_path / "y.npy").shape == (24, 2, 2, 1)
    rows = contact_sheet(vae, tiny_images(), columns=4)
    assert {images.shape for images in rows.values()} == {(4, 2, 2, 1)}


def test_a_sheet_has_one_row_if_normalization_changes_nothing():
    from balancing_vae.figures.contact_sheet import contact_sheet

    vae = as_if_trained(tiny_pipeline())
    vae.fit_normalization(tiny_images(), "latents")
    titles = list(contact_sheet(vae, tiny_images(), columns=4))
    assert titles[2:5] == [
        "stage 1, plain = normalised",
        "stage 2, plain (1)",
        "stage 2, normalised (1)",
    ]
    vae.fit_normalization(tiny_images(), "latents_and_images")
    titles = list(contact_sheet(vae, tiny_images(), columns=4))
    assert titles[2:4] == ["stage 1, plain", "stage 1, normalised"]


def test_python_removes_the_frame_in_the_same_place():
    vae = as_if_trained(tiny_pipeline(padding=1))
    framed = vae.generate(3, seed=0, normalize=False, keep_padding=True)
    assert framed.shape == (3, 4, 4, 1)
    images = vae.generate(3, seed=0, normalize=False)
    z = vae.sample_latents(3, seed=0, normalize=False)
    np.testing.assert_array_equal(images, framed[:, 1:-1, 1:-1])
    np.testing.assert_array_equal(images, vae.decode(z))
    np.testing.assert_array_equal(framed, vae.decode(z, keep_padding=True))
    x = tiny_images()
    for normalize in (False, True):
        vae.fit_normalization(x, mode="latents_and_images")
        framed = vae.reconstruct(x, normalize, keep_padding=True)
        assert framed.shape == x.shape
        np.testing.assert_array_equal(vae.reconstruct(x, normalize), framed[:, 1:-1, 1:-1])
    # What is measured is measured with the frame, as the data have it.
    assert vae.evaluate(x).value("REC", "mse") == pytest.approx(
        mse(as_float(x), vae.reconstruct(x, keep_padding=True))
    )


def test_generate_prints_the_fresh_seed_that_gives_the_images_again(saved, tmp_path, capsys):
    def generate(name, *words):
        assert command("generate", saved, "-n", 5, *words, "--out", tmp_path / name) == 0
        return np.load(tmp_path / name), capsys.readouterr().out.split("seed ")[1].split(",")[0]

    first, seed = generate("a.npy")
    second, other = generate("b.npy")
    assert seed != other and (first != second).any()
    again, given = generate("c.npy", "--seed", seed)
    assert given == seed
    np.testing.assert_array_equal(first, again)


def test_train_without_a_preset_says_what_it_chose(tmp_path, capsys):
    images = np.random.default_rng(0).integers(0, 256, (40, 10, 10, 3), dtype=np.uint8)
    contents = from_arrays({"train": (images, None), "val": (images[:8], None)}, {})
    write_prepared(tmp_path / "photos", "folder", contents)
    words = ("train", "--data", tmp_path / "photos", "--out", tmp_path / "run", "--epochs", 1)
    words += ("--epochs2", 1, "--set", "latent_dim=3", "--set", "second_dim=4")
    assert command(*words) == 0
    said = capsys.readouterr().out.splitlines()[0]
    assert said.startswith("no preset: chosen for 40 images of 10x10x3: network")
    assert '{"name": "conv", "base_dim": 32, "num_scale": 1}' in said
    assert "batch_size 2, lr 0.001, lr_epochs 1" in said and "--set NAME=VALUE changes any" in said
    assert "latent_dim" not in said and ", epochs" not in said
    run = TwoStageVAE.load(tmp_path / "run")
    assert run.config.preset is None
    assert (run.config.latent_dim, run.config.batch_size, run.config.epochs) == (3, 2, 1)
    assert command("generate", tmp_path / "run", "-n", 2, "--out", tmp_path / "x.npy") == 0
    assert np.load(tmp_path / "x.npy").shape == (2, 10, 10, 3)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((40, 9, 9, 3), "square images of an even side; got 9x9.*--side 8"),
        ((40, 8, 10, 3), "square images of an even side; got 8x10.*--side 8"),
        ((40, 8, 8), r"shape \[N, D, D, C\], got \(40, 8, 8\); store the array with four axes"),
    ],
)
def test_train_without_a_preset_refuses_images_without_a_suitable_network(
    shape, message, tmp_path, capsys
):
    np.save(tmp_path / "x.npy", np.zeros(shape, np.uint8))
    words = ("train", "--data", tmp_path / "x.npy", "--out", tmp_path / "run")
    assert command(*words) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "run").exists()
    assert command("train", "--out", tmp_path / "run") == 2
    assert "Give the images with --data" in capsys.readouterr().err


def test_a_run_uses_the_padding_of_its_prepared_data(tmp_path, capsys, monkeypatch):
    from balancing_vae import datasets
    from balancing_vae.cli.data import preparation_changes

    class Prepared:
        padding = 2
        description = {"jpeg": None}

    monkeypatch.setattr(datasets, "open_prepared", lambda folder: Prepared())
    assert preparation_changes(tmp_path, "cifar10") == {"padding": 2}
    assert "JPEG round trip" in capsys.readouterr().err
    Prepared.description = {"jpeg": {"quality": 75}}
    assert preparation_changes(tmp_path, "cifar10") == {"padding": 2}
    assert capsys.readouterr().err == ""
    assert preparation_changes(None, "digits") == {}


def test_reproduce_prints_and_draws(tmp_path, capsys, monkeypatch, saved):
    from balancing_vae.experiments import figure4 as fig4

    rows = [
        {
            **{"dataset": "digits", "kind": kind, "mse": x, "variance_loss": x},
            **{"generated_variance_loss": x + 0.3 - y, "variance_loss_within": 2 * x},
        }
        for kind, x, y in (("dense", 0.1, 0.1), ("conv", 0.2, 0.4))
    ]
    monkeypatch.setattr(fig4, "fig4", lambda images, path, smoke, seed: rows)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert command("reproduce", "fig4", "--smoke", "--out", tmp_path / "fig4") == 0
    out = capsys.readouterr().out
    assert "all 2 networks: slope 1.000, correlation 1.0000" in out
    assert "within each image: slope 2.000, correlation 1.0000" in out
    assert "generated images lose more variance than reconstructed ones: 1 of 2" in out
    assert (tmp_path / "fig4/fig4.png").is_file()
    assert (tmp_path / "fig4/fig4_losses.png").is_file()
    np.save(tmp_path / "x.npy", tiny_images())
    words = ("reproduce", "normalization", saved, "--data", tmp_path / "x.npy", "--seeds", 2)
    words += ("--features", "pixels", "--protocol", "ttur", "--samples", 8, 16)
    assert command(*words, "--out", tmp_path / "normalization") == 0
    assert "FD(pixels), protocol ttur, 24 real images" in capsys.readouterr().out
    assert (tmp_path / "normalization/saved.png").is_file()
    words = ("reproduce", "stage2-causes", saved, "--data", tmp_path / "x.npy", "--samples", 16)
    words += ("--features", "pixels", "--protocol", "ttur", "--causes", "the run's own")
    assert command(*words, "--out", tmp_path / "causes") == 0
    assert "the run's own" in capsys.readouterr().out
    assert (tmp_path / "causes/saved.png").is_file()
    words = ("reproduce", "faces", saved, "--data", tmp_path / "x.npy", "--out", tmp_path / "faces")
    assert command(*words) == 0
    assert "latents is divided by its standard deviation" in capsys.readouterr().out
    plain, both = (Image.open(tmp_path / f"faces/fig{number}.png") for number in (5, 6))
    # Two sheets side by side are wider than one.
    assert both.size[0] > 1.5 * plain.size[0]


@pytest.mark.parametrize(
    ("words", "said", "pictures"),
    [
        (["kl"], "5 1 1.629", ["kl.png"]),
        (["averages"], "near ones", ["averages.png", "curve.png", "bound.png"]),
        (["linear"], "largest difference between the autoencoder's mse", ["linear.png"]),
        (["law", "--epochs", 1], "including shift", ["law.png"]),
        (["stage2"], "256 test images", []),
    ],
)
def test_reproduce_shows_the_smaller_claims(words, said, pictures, tmp_path, capsys, monkeypatch):
    from balancing_vae.experiments import linear_autoencoder

    monkeypatch.setattr(linear_autoencoder, "STOPPING_RULE", {"maxiter": 3})
    where = ["--out", tmp_path / "out"] if pictures else []
    assert command("reproduce", *words, *where) == 0
    assert said in " ".join(capsys.readouterr().out.split())
    assert sorted(path.name for path in tmp_path.glob("out/*")) == sorted(pictures)


@pytest.mark.parametrize(
    "words",
    [
        ("law", "--epochs", 0),
        ("overfit", "--data", "absent"),
        ("balancing", "--trainings", 0),
        ("balancing", "--epochs", 0),
        ("normalization", "--seeds", 0),
        ("normalization", "--samples", 1),
        ("stage2-causes", "absent"),
        ("fig4", "--data", "absent"),
        ("faces", "absent"),
    ],
)
def test_reproduce_refuses_invalid_requests(words, tmp_path, capsys):
    assert command("reproduce", *words, "--out", tmp_path / "out") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_table_trains_evaluates_and_compares(tmp_path, monkeypatch, capsys):
    called = []

    def pretend_to_train(config, x, x_val, run, command, resume):
        called.append(("train", config.seed, resume))
        assert (config.preset, len(x), x_val) == ("cifar10-small", 30, None)
        run.mkdir(parents=True, exist_ok=True)
        description = {"format_version": 5, "config": config.to_dict(), "versions": {}}
        description |= {"trained_epochs": {"stage1": 1, "stage2": 1}, "samplers": []}
        description |= {"latent_normalization": None, "image_normalization": None}
        (run / "config.json").write_text(json.dumps(description))
        (run / "stage1.weights.h5").write_bytes(weights)
        return 0

    def pretend_to_evaluate(run, data, network, protocol, command):
        called.append(("evaluate", command))
        about = {"features": "pixels", "protocol": protocol}
        about["data_sha256"] = content_sha256(choose_images(open_prepared(data).images("test")))
        row = Measurement("GEN-2", "fid", 80.0, 10, 10, seed=0, **about)
        write_metrics(run, of_run([row], fingerprint(run), "cifar10", str(data), command))

    weights = b"first"
    images = np.random.default_rng(0).integers(0, 256, (30, 32, 32, 3), dtype="uint8")
    splits = {"train": (images, None), "test": (images[:9], None)}
    write_prepared(tmp_path / "d", "cifar10", from_arrays(splits, {}))
    monkeypatch.setattr("balancing_vae.cli.train.train", pretend_to_train)
    monkeypatch.setattr(
        "balancing_vae.cli.train.resumed_config",
        lambda run, data, preset, changes: preset_config(preset, **changes),
    )
    monkeypatch.setattr("balancing_vae.cli.evaluate.evaluate_run", pretend_to_evaluate)
    words = ("reproduce", "table1", "--data", tmp_path / "d", "--budget", "small")
    words += ("--trainings", 2, "--features", "pixels", "--out", tmp_path / "out")
    assert command(*words) == 0
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if "computed gamma, small budget" in line]
    assert "| 80 ± 0 | FD(pixels) | asperti2020 | yes | 2 trainings |" in line
    assert "Budget of the rows measured here: preset cifar10-small, 20 + 60 epochs of 30" in out
    given = " ".join(["balancing-vae", *map(str, words)])
    evaluated = ("evaluate", given)
    assert called == [("train", 0, False), evaluated, ("train", 1, False), evaluated]
    # A second time nothing is evaluated again, and finished trainings are only looked at.
    assert command(*words) == 0
    assert called[4:] == [("train", 0, True), ("train", 1, True)]
    # Another protocol is another measurement of the same trainings, and so are other weights in
    # the same folder, and other images in the same place.
    again = ["train", "evaluate", "train", "evaluate"]
    assert command(*words, "--protocol", "ttur") == 0
    assert [call[0] for call in called[6:]] == again
    weights = b"second"
    assert command(*words) == 0
    assert [call[0] for call in called[10:]] == again
    splits["test"] = (images[9:18], None)
    write_prepared(tmp_path / "d", "cifar10", from_arrays(splits, {}), overwrite=True)
    assert command(*words) == 0
    assert [call[0] for call in called[14:]] == again
    assert command(*words) == 0
    assert [call[0] for call in called[18:]] == ["train", "train"]
    # A training that was killed before it had a description is begun again.
    for path in (tmp_path / "out" / "small" / "seed1").iterdir():
        path.unlink()
    assert command(*words) == 0
    assert [call[2] for call in called[20:] if call[0] == "train"] == [True, False]
    # Features that are not there show before anything is trained.
    before = len(called)
    assert command(*words, "--features", "classifier:absent") == 2
    assert len(called) == before


def test_presets_are_listed_and_described(capsys):
    assert command("presets", "list") == 0
    listed = capsys.readouterr().out
    assert [line.split()[0] for line in listed.splitlines()] == preset_names()
    assert "CelebA as in the paper's Table 2" in listed
    assert command("presets", "info", "celeba") == 0
    shown = capsys.readouterr().out
    for name, value in preset_config("celeba").to_dict().items():
        assert re.search(rf"^  {name} +{re.escape(json.dumps(value))}$", shown, re.MULTILINE)
    assert command("presets", "info", "celebra") == 2
    assert "Did you mean 'celeba'?" in capsys.readouterr().err
