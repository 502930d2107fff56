"""`balancing-vae datasets`: every layout on the command line, and errors in one sentence."""

import numpy as np

from balancing_vae import datasets
from balancing_vae.cli import main
from balancing_vae.datasets.published import sources
from tests.helpers.layouts import celeba_folder
from tests.helpers.layouts import cifar_arrays
from tests.helpers.layouts import cifar_binary
from tests.helpers.layouts import cifar_python
from tests.helpers.layouts import mnist_arrays
from tests.helpers.layouts import mnist_idx
from tests.helpers.layouts import tar_gz
from tests.helpers.layouts import zip_of


def prepare(name, source, out, *options):
    return main(["datasets", "prepare", name, "--source", str(source), "--out", str(out), *options])


def test_list_and_info_name_every_dataset(capsys):
    assert main(["datasets", "list"]) == 0
    listing = capsys.readouterr().out
    for name in ("cifar10", "celeba", "celeba140", "mnist", "fashion_mnist", "digits", "folder"):
        assert name in listing
        assert main(["datasets", "info", name]) == 0
        assert capsys.readouterr().out.startswith(f"{name}: ")


def test_every_layout_of_the_datasets_is_prepared(tmp_path, capsys, monkeypatch):
    python, checksums = cifar_python(tmp_path / "python", cifar_arrays())
    monkeypatch.setitem(sources()["cifar10"], "batches", checksums)
    binary = cifar_binary(tmp_path / "binary", cifar_arrays())
    faces = celeba_folder(tmp_path / "faces")
    part, one = "--allow-partial", ("--workers", "1")
    runs = [
        ("cifar10", python, part, "--jpeg", *one),
        ("cifar10", tar_gz(python), part),
        ("cifar10", binary, part),
        ("cifar10", tar_gz(binary), part),
        ("mnist", mnist_idx(tmp_path / "m", mnist_arrays()), part, "--pad"),
        ("fashion_mnist", mnist_idx(tmp_path / "f", mnist_arrays(), packed=True), part),
        ("celeba", faces, part, *one),
        ("celeba140", zip_of(faces), part, "--skip-broken", *one),
        ("folder", faces, "--side", "16", "--crop", "100", *one),
        ("folder", faces, "--side", "16", "--crop", "25,45,153,173", *one),
    ]
    for number, (name, source, *options) in enumerate(runs):
        out = tmp_path / f"out{number}"
        assert prepare(name, source, out, *options) == 0
        output = capsys.readouterr()
        # The bar is for terminals.
        assert f"{out}: {name}" in output.out and output.err == ""
        assert len(datasets.load(name, "train", out)) > 0
        assert main(["datasets", "info", str(out)]) == 0
        assert "sha256 of every array is correct" in capsys.readouterr().out


def test_errors_are_one_sentence_and_exit_code_2(tmp_path, capsys):
    out = tmp_path / "out"
    assert prepare("celeba", tmp_path / "absent", out) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1 and "absent does not exist" in errors[0]
    assert main(["datasets", "prepare", "celeba", "--out", str(out)]) == 2
    assert "img_align_celeba.zip" in capsys.readouterr().err
    assert prepare("imagenet", tmp_path, out) == 2
    assert prepare("mnist", tmp_path, out, "--jpeg") == 2
    assert "mnist does not take the option jpeg" in capsys.readouterr().err
    assert main(["datasets", "info", str(tmp_path)]) == 2
    assert not out.exists()


def test_skipped_images_are_named(tmp_path, capsys):
    faces = celeba_folder(tmp_path / "faces")
    (faces / "000003.jpg").write_bytes(b"")
    options = ("--allow-partial", "--workers", "1")
    assert prepare("celeba", faces, tmp_path / "out", *options) == 2
    assert "1 of 12 images cannot be used: 000003.jpg" in capsys.readouterr().err
    assert prepare("celeba", faces, tmp_path / "out", *options, "--skip-broken") == 0
    output = capsys.readouterr().out
    assert "1 broken images" in output and "000003.jpg" in output


def test_prepare_overwrites_if_asked(tmp_path, capsys):
    arguments = ["datasets", "prepare", "digits", "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert main(arguments) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == 0


def test_an_invalid_crop_is_refused(tmp_path, capsys):
    assert prepare("folder", tmp_path, tmp_path / "out", "--crop", "1,2") == 2
    assert "LEFT,TOP,RIGHT,BOTTOM" in capsys.readouterr().err


def test_labels_are_loaded_by_name(tmp_path):
    arrays = mnist_arrays()
    assert prepare("mnist", mnist_idx(tmp_path, arrays), tmp_path / "mnist", "--allow-partial") == 0
    labels = datasets.load_labels("mnist", "test", tmp_path)
    assert np.array_equal(labels, arrays["test"][1])
