"""A prepared dataset is complete or absent, memory-mapped, and matches its dataset.json."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from balancing_vae import datasets
from balancing_vae.datasets.array_writer import ArrayWriter
from balancing_vae.datasets.arrays import from_arrays
from balancing_vae.datasets.parallel import map_ordered
from balancing_vae.datasets.prepared import Contents
from balancing_vae.datasets.prepared import write_prepared
from tests.helpers.layouts import celeba_folder
from tests.helpers.layouts import random_images
from tests.helpers.processes import HANG
from tests.helpers.processes import environment


@pytest.fixture
def prepared(tmp_path):
    return datasets.prepare("digits", None, tmp_path / "digits")


def test_arrays_are_mapped_and_read_only(prepared):
    images = prepared.images("train")
    assert isinstance(images, np.memmap) and not images.flags.writeable
    assert np.array_equal(images, datasets.load("digits", "train"))
    assert np.array_equal(prepared.labels("train"), datasets.load_labels("digits", "train"))


def test_description_says_what_the_arrays_hold(prepared):
    description = json.loads((prepared.folder / "dataset.json").read_text())
    assert description["name"] == "digits"
    assert set(description["versions"]) == {"balancing_vae", "numpy", "pillow", "libjpeg"}
    for split, about in description["splits"].items():
        images = prepared.images(split)
        assert about["count"] == len(images)
        assert about["sha256"] == hashlib.sha256(images.tobytes()).hexdigest()
        scaled = images.astype(np.float64) / 255
        np.testing.assert_allclose(about["mean"], scaled.mean(axis=(0, 1, 2)), rtol=1e-12)
        np.testing.assert_allclose(about["std"], scaled.std(axis=(0, 1, 2)), rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=6), st.integers(1, 4), st.sampled_from([1, 3]))
def test_the_file_does_not_depend_on_the_pieces(tmp_path_factory, lengths, side, channels):
    images = random_images(sum(lengths), side, channels)
    folder = tmp_path_factory.mktemp("writer")
    with ArrayWriter(folder / "pieces.npy", images.shape[1:]) as writer:
        for piece in np.split(images, np.cumsum(lengths)):
            writer.append(piece)
    np.save(folder / "whole.npy", images)
    assert (folder / "pieces.npy").read_bytes() == (folder / "whole.npy").read_bytes()


def test_writer_refuses_other_images(tmp_path):
    with ArrayWriter(tmp_path / "a.npy", (4, 4, 3)) as writer:
        with pytest.raises(ValueError, match="do not fit"):
            writer.append(np.zeros((1, 4, 4, 3), np.float32))
        with pytest.raises(ValueError, match="do not fit"):
            writer.append(np.zeros((1, 5, 4, 3), np.uint8))


def test_load_finds_a_dataset_at_its_path_or_below_a_root(prepared):
    for root in (prepared.folder, prepared.folder.parent):
        assert datasets.load("digits", "val", root).shape == (256, 8, 8, 1)
    with pytest.raises(ValueError, match="holds digits, not mnist"):
        datasets.load("mnist", "train", prepared.folder)
    with pytest.raises(FileNotFoundError, match="not a prepared dataset"):
        datasets.load("mnist", "train", prepared.folder.parent)
    with pytest.raises(ValueError, match="no split 'dev'; it has train, val, test"):
        datasets.load("digits", "dev", prepared.folder)


def test_all_datasets_except_the_digits_need_a_root():
    assert datasets.load("digits", "test").shape == (256, 8, 8, 1)
    with pytest.raises(ValueError, match="needs a root"):
        datasets.load("cifar10", "train")
    with pytest.raises(ValueError, match="no split 'dev'"):
        datasets.load("digits", "dev")
    with pytest.raises(ValueError, match="Unknown dataset 'imagenet'; choose one of cifar10"):
        datasets.load("imagenet", "train")


def test_digits_keep_all_images_and_classes():
    splits = [datasets.load("digits", split) for split in ("train", "val", "test")]
    assert sum(map(len, splits)) == 1797
    assert {len(split) for split in splits} == {1285, 256}
    for split in ("train", "val", "test"):
        assert set(datasets.load_labels("digits", split)) == set(range(10))
    assert splits[0].dtype == np.uint8 and splits[0].max() == 255


def test_images_without_labels(tmp_path):
    contents = from_arrays({"train": (random_images(3, 4, 3), None)}, {})
    prepared = write_prepared(tmp_path / "x", "folder", contents)
    assert prepared.labels("train") is None and prepared.classes is None
    assert prepared.counts == {"train": 3}


def test_a_changed_array_is_found(prepared):
    path = prepared.folder / "val.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"val\.npy has the sha256"):
        prepared.verify()


def test_changed_labels_are_found(prepared):
    labels = np.array(prepared.labels("test"))
    labels[0] += 1
    np.save(prepared.folder / "test_labels.npy", labels)
    with pytest.raises(ValueError, match=r"test_labels\.npy has the sha256"):
        prepared.verify()
    np.save(prepared.folder / "test_labels.npy", labels[1:])
    with pytest.raises(ValueError, match=r"test_labels\.npy holds labels of shape"):
        prepared.labels("test")


def test_pickled_objects_are_never_read(prepared):
    # Unpickling this would make a folder.
    trap = prepared.folder.parent / "trapped"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(trap),)

    objects = np.array([Trap()], dtype=object)
    np.save(prepared.folder / "train.npy", objects, allow_pickle=True)
    with pytest.raises(ValueError, match=r"train\.npy is not a complete array of plain numbers"):
        prepared.images("train")
    assert not trap.exists()


def test_a_cut_array_is_named(prepared):
    path = prepared.folder / "train.npy"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"train\.npy is not a complete array"):
        prepared.images("train")
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"train\.npy is not a complete array"):
        prepared.images("train")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"train\.npy is missing"):
        prepared.images("train")


def test_another_array_in_its_place_is_named(prepared):
    np.save(prepared.folder / "train.npy", np.zeros((5, 8, 8, 1), np.float32))
    with pytest.raises(ValueError, match=r"train\.npy holds float32 \(5, 8, 8, 1\)"):
        prepared.images("train")


@pytest.mark.parametrize("text", ["", "[]", "{}", "not json", '{"format_version": 1}'])
def test_a_damaged_description_is_named(prepared, text):
    (prepared.folder / "dataset.json").write_text(text)
    with pytest.raises(ValueError, match=r"dataset\.json"):
        datasets.open_prepared(prepared.folder)


def test_a_later_format_is_refused(prepared):
    path = prepared.folder / "dataset.json"
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 2'))
    with pytest.raises(ValueError, match="format version 2, but this program reads 1"):
        datasets.open_prepared(prepared.folder)


def test_prepare_overwrites_only_when_allowed(prepared):
    with pytest.raises(FileExistsError, match="--overwrite"):
        datasets.prepare("digits", None, prepared.folder)
    # And it says so before it looks at the source, which may take long.
    with pytest.raises(FileExistsError, match="--overwrite"):
        datasets.prepare("mnist", prepared.folder.parent / "absent", prepared.folder)
    again = datasets.prepare("digits", None, prepared.folder, overwrite=True)
    assert again.description == prepared.description


def test_options_that_do_not_apply_are_refused(tmp_path):
    with pytest.raises(ValueError, match="mnist does not take the option jpeg; it takes pad"):
        datasets.prepare("mnist", tmp_path, tmp_path / "out", jpeg=True)
    with pytest.raises(ValueError, match="digits does not take the option pad; it takes none"):
        datasets.prepare("digits", None, tmp_path / "out", pad=True)
    with pytest.raises(ValueError, match="digits takes no source"):
        datasets.prepare("digits", tmp_path, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_source_is_never_overwritten(tmp_path):
    source = celeba_folder(tmp_path / "faces", 2)
    for out in (source, source.parent):
        with pytest.raises(ValueError, match="contains the source itself"):
            datasets.prepare("folder", source, out, overwrite=True, side=8, workers=1)
    assert len(list(source.iterdir())) == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers):
    assert list(map_ordered(abs, range(-50, 0), workers)) == list(range(50, 0, -1))


def test_a_worker_that_dies_is_reported(tmp_path):
    contents = Contents((4, 4, 3), map_ordered(os._exit, [3], workers=2), 1, {})
    with pytest.raises(ChildProcessError, match="A worker process died.*--workers 1"):
        write_prepared(tmp_path / "out", "folder", contents)
    assert list(tmp_path.iterdir()) == []


def run_python(code, **options):
    """Run code in a fresh process from the repository's root."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    # A limit on the size of a file makes its writes fail as a full disk does.
    process = run_python(f"""
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        from balancing_vae.cli import main
        raise SystemExit(main(["datasets", "prepare", "digits", "--out", {str(tmp_path / "x")!r}]))
    """)
    _, errors = process.communicate(timeout=HANG)
    assert process.returncode == 2, errors
    assert f"{tmp_path / 'x'} could not be written" in errors
    assert "free some space" in errors
    assert list(tmp_path.iterdir()) == []


def test_a_kill_leaves_no_dataset_and_no_workers(tmp_path):
    source = celeba_folder(tmp_path, 150)
    out = tmp_path / "out"
    process = run_python(f"""
        import time
        import balancing_vae.datasets.array_writer as array_writer
        from balancing_vae import datasets

        append = array_writer.ArrayWriter.append
        def slow_append(self, images):
            append(self, images)
            print("under way", flush=True)
            time.sleep({HANG})
        array_writer.ArrayWriter.append = slow_append
        if __name__ == "__main__":
            datasets.prepare("celeba", {str(source)!r}, {str(out)!r}, allow_partial=True, workers=2)
    """)
    assert process.stdout.readline() == "under way\n"
    workers = children_of(process.pid)
    assert len(workers) >= 2
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=HANG)
    assert not out.exists()
    deadline = time.monotonic() + HANG
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = list(filter(is_running, workers))
    for worker in left:
        os.kill(worker, signal.SIGKILL)
    assert not left


def children_of(pid):
    tasks = Path(f"/proc/{pid}/task")
    return [
        int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()
    ]


def is_running(pid):
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return "State:\tZ" not in status


def test_import_needs_neither_keras_nor_a_backend():
    heavy = ["keras", "tensorflow", "torch", "jax", "sklearn", "pooch", "matplotlib"]
    process = run_python(f"""
        import sys
        import balancing_vae.datasets.decoding
        print([name for name in {heavy!r} if name in sys.modules])
    """)
    output, errors = process.communicate(timeout=HANG)
    assert output == "[]\n", errors
