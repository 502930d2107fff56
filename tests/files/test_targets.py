"""Output paths: devices and pipes are refused, links followed, other programs' folders kept."""

import ast
import json
import os
import shutil
import socket
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from balancing_vae.errors import BalancingVAEError
from balancing_vae.files import formats
from balancing_vae.files.atomic import atomic_file
from balancing_vae.files.atomic import atomic_folder
from balancing_vae.files.formats import PICTURES
from balancing_vae.files.formats import PREPARED
from balancing_vae.files.formats import SAVED
from balancing_vae.files.images import write_images
from balancing_vae.files.targets import output_file
from balancing_vae.files.targets import output_folder
from tests.helpers.command_lines import contents
from tests.helpers.command_lines import run_all
from tests.helpers.paths import ROOT
from tests.helpers.paths import SAVED_FOLDERS

FORMAT_2 = SAVED_FOLDERS / "format-2"
RUN_FILES = ("config.json", "history.csv", "stage1.weights.h5", "stage2.weights.h5")
IMAGES = np.linspace(0, 1, 2 * 4 * 4, dtype=np.float32).reshape(2, 4, 4, 1)


@pytest.fixture
def run(tmp_path):
    """A saved folder, in a folder to work in."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in RUN_FILES:
        shutil.copy(FORMAT_2 / name, folder / name)
    return folder


@pytest.fixture
def prepared(tmp_path):
    folder = tmp_path / "prepared"
    folder.mkdir()
    np.save(folder / "train.npy", np.zeros((3, 4, 4, 1), np.uint8))
    description = {"format_version": 1, "name": "folder", "image_shape": [4, 4, 1]}
    (folder / "dataset.json").write_text(json.dumps(description | {"splits": {}}))
    return folder


def make_pipe(path):
    os.mkfifo(path)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def make_device(path):
    if os.geteuid() != 0:
        pytest.skip("only root makes devices")
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("this root may not make devices")


def make_loop(path):
    path.symlink_to(path)


SPECIAL = [make_pipe, make_socket, make_device, make_loop]


@pytest.mark.parametrize("make", SPECIAL)
@pytest.mark.parametrize("by_link", [False, True])
def test_targets_that_are_neither_files_nor_folders_are_refused_and_kept(
    tmp_path, monkeypatch, make, by_link
):
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    make(Path("node"))
    if by_link:
        Path("link").symlink_to("node")
    before = contents(tmp_path)
    path = "link" if by_link else "node"
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="cannot be replaced"):
            output_file(path, overwrite)
        with (
            pytest.raises(ValueError, match="cannot be replaced"),
            atomic_folder(path, SAVED, overwrite),
        ):
            pass
        with pytest.raises(ValueError, match="cannot be replaced"):
            write_images(Path(path), IMAGES, overwrite)
    with pytest.raises(ValueError, match="cannot be replaced"), atomic_file(path):
        pass
    assert contents(tmp_path) == before


def test_every_command_refuses_a_pipe_and_a_device_before_any_work(tmp_path, run, prepared):
    os.mkfifo(tmp_path / "pipe")
    nodes = ["pipe"]
    if os.geteuid() == 0:
        make_device(tmp_path / "device")
        nodes.append("device")
    (tmp_path / "source").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "source" / "a.png")
    before = contents(tmp_path)
    commands = [
        [*words, option, node, *more]
        for node in nodes
        for words, option, more in (
            (["generate", "run"], "--out", []),
            (["generate", "run"], "--out", ["--overwrite"]),
            (["reconstruct", "run", "--data", "prepared"], "--out", ["--overwrite"]),
            (["train", "--preset", "digits"], "--out", []),
            (["train", "--preset", "digits"], "--out", ["--overwrite"]),
            (["demo"], "--out", []),
            (["import-checkpoint", "model"], "--out", ["--overwrite"]),
            (["datasets", "prepare", "digits"], "--out", ["--overwrite"]),
            (["datasets", "prepare", "folder", "--source", "source", "--side", 4], "--out", []),
            (["reproduce", "faces", "run", "--data", "prepared"], "--out", []),
            (["compare", "run"], "--plot", []),
            (["compare-systems", "digits"], "--out", []),
            (["pretrained", "pack", "run"], "--out", ["--overwrite"]),
        )
    ]
    results, heavy = run_all(tmp_path, *commands)
    for words, result in zip(commands, results, strict=True):
        assert result.code == 2, words
        assert result.err.count("\n") == 1 and "Traceback" not in result.err, result.err
    assert contents(tmp_path) == before
    assert heavy == []


def test_a_link_is_followed_and_kept(tmp_path):
    (tmp_path / "target").mkdir(mode=0o750)
    (tmp_path / "link").symlink_to("target")
    write_images(tmp_path / "link", IMAGES)
    assert (tmp_path / "link").is_symlink()
    names = {path.name for path in (tmp_path / "target").iterdir()}
    assert names == {"00000.png", "00001.png"}
    assert stat.S_IMODE((tmp_path / "target").stat().st_mode) == 0o750
    write_images(tmp_path / "link", IMAGES[:1], overwrite=True)
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["00000.png"]


@pytest.mark.parametrize("ending", ["", ".npy"])
def test_a_broken_link_is_written_through(tmp_path, ending):
    link, target = tmp_path / f"link{ending}", tmp_path / "below" / f"target{ending}"
    link.symlink_to(target)
    write_images(link, IMAGES)
    assert link.is_symlink() and target.exists()
    assert not target.is_symlink()


@pytest.mark.parametrize(
    "path", ["", ".", "..", "here/..", "~", pytest.param("link", id="link to the working folder")]
)
def test_the_folders_that_the_user_is_in_are_refused(tmp_path, monkeypatch, run, path):
    here = tmp_path / "home" / "here"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (here / "link").symlink_to(".")
    (here / "here").mkdir()
    before = contents(tmp_path)
    path = os.path.expanduser(path)
    for overwrite in (False, True):
        with pytest.raises(
            ValueError, match="is or contains the (working|home) folder|is not a path"
        ):
            output_folder(path, SAVED, overwrite)
    assert contents(tmp_path) == before


def test_the_working_folder_is_refused_by_the_commands_and_keeps_its_files(tmp_path, run):
    commands = [
        [*words, "--out", out, "--overwrite"]
        for out in (".", "", "../run")
        for words in (
            ["train", "--preset", "digits"],
            ["generate", "../run"],
            ["datasets", "prepare", "digits"],
            ["import-checkpoint", "model"],
        )
    ]
    before = contents(run)
    results, _ = run_all(run, *commands)
    assert [result.code for result in results] == [2] * len(commands)
    assert contents(run) == before


def test_a_folder_that_holds_the_source_is_refused(tmp_path, run):
    for out in (run, tmp_path):
        with pytest.raises(ValueError, match="contains the source itself"):
            output_folder(out, SAVED, overwrite=True, sources=[run / "config.json"])
    with pytest.raises(ValueError, match="is the source itself"):
        output_file(run / "config.json", sources=[run / "config.json"])


@pytest.mark.parametrize("ending", [".keras", ".h5", ".zip", ".png", ".json", ".PDF", ".csv"])
def test_a_name_that_promises_a_file_makes_no_folder(tmp_path, ending):
    path = tmp_path / f"samples{ending}"
    for form in (SAVED, PICTURES, PREPARED):
        with pytest.raises(ValueError, match="the ending of a file"):
            output_folder(path, form, overwrite=True)
    with pytest.raises(ValueError, match="the ending of a file"):
        write_images(path, IMAGES)
    assert list(tmp_path.iterdir()) == []
    assert output_folder(tmp_path / "v1.5", SAVED) == tmp_path / "v1.5"


def test_npz_is_a_file_with_the_array_named_images(tmp_path):
    write_images(tmp_path / "samples.npz", IMAGES)
    with np.load(tmp_path / "samples.npz", allow_pickle=False) as archive:
        assert archive.files == ["images"]
        np.testing.assert_array_equal(archive["images"], np.rint(IMAGES * 255).astype(np.uint8))
    with pytest.raises(FileExistsError, match="already exists"):
        write_images(tmp_path / "samples.npz", IMAGES)


# Whose files they are.


@pytest.mark.parametrize("name", ["notes.txt", "samplers/notes.txt", "README.md", "x.weights.h5"])
def test_a_run_with_somebody_elses_file_is_never_replaced(run, name):
    (run / "samplers").mkdir()
    (run / name).write_text("dear")
    before = contents(run)
    with pytest.raises(FileExistsError, match=f"only by this program: it holds {name}"):
        output_folder(run, SAVED, overwrite=True)
    with pytest.raises(FileExistsError), atomic_folder(run, SAVED, overwrite=True):
        pass
    assert contents(run) == before


def test_a_link_in_a_run_counts_as_somebody_elses_file(run, tmp_path):
    (tmp_path / "large").mkdir()
    (run / "states").symlink_to(tmp_path / "large")
    with pytest.raises(FileExistsError, match="it holds states"):
        output_folder(run, SAVED, overwrite=True)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"model_type": "bert"}', '{"format_version": 1}', "[" * 100_000]
)
def test_a_folder_with_another_config_is_not_a_run(tmp_path, text):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text(text)
    with pytest.raises(FileExistsError, match="it lacks a valid config.json"):
        output_folder(tmp_path / "model", SAVED, overwrite=True)
    assert (tmp_path / "model/config.json").read_text() == text


def test_pictures_are_replaced_by_pictures_only(tmp_path):
    write_images(tmp_path / "samples", IMAGES)
    (tmp_path / "samples/holiday.png").write_bytes(b"dear")
    with pytest.raises(FileExistsError, match="it holds holiday.png"):
        write_images(tmp_path / "samples", IMAGES, overwrite=True)
    (tmp_path / "samples/holiday.png").unlink()
    write_images(tmp_path / "samples", IMAGES, overwrite=True)


def test_a_prepared_dataset_is_replaced_only_if_nothing_else_is_in_it(prepared):
    assert output_folder(prepared, PREPARED, overwrite=True) == prepared
    (prepared / "labels.csv").write_text("dear")
    with pytest.raises(FileExistsError, match="it holds labels.csv"):
        output_folder(prepared, PREPARED, overwrite=True)
    (prepared / "labels.csv").unlink()
    (prepared / "dataset.json").write_text("{}")
    with pytest.raises(FileExistsError, match="lacks a valid dataset.json"):
        output_folder(prepared, PREPARED, overwrite=True)


def test_the_commands_delete_nobody_elses_folder(tmp_path, run, prepared):
    letters = tmp_path / "letters"
    letters.mkdir()
    (letters / "love.txt").write_text("dear")
    (letters / "config.json").write_text('{"model_type": "bert"}')
    before = contents(tmp_path)
    commands = [
        [*words, "--out", "letters", "--overwrite"]
        for words in (
            ["train", "--preset", "digits"],
            ["generate", "run"],
            ["reconstruct", "run", "--data", "prepared"],
            ["datasets", "prepare", "digits"],
            ["import-checkpoint", "model"],
        )
    ]
    commands.append(["demo", "--out", "letters"])
    results, heavy = run_all(tmp_path, *commands)
    for words, result in zip(commands, results, strict=True):
        assert result.code == 2 and "love.txt" in result.err, (words, result.err)
    assert contents(tmp_path) == before
    # All of it was refused before any work.
    assert heavy == []


def test_messages_name_a_limited_number_of_files(tmp_path):
    (tmp_path / "many").mkdir()
    for i in range(100):
        (tmp_path / f"many/{i}.txt").touch()
    with pytest.raises(FileExistsError) as caught:
        output_folder(tmp_path / "many", SAVED, overwrite=True)
    assert "0.txt, 1.txt, 10.txt and more" in str(caught.value)


def test_files_that_killed_work_left_in_a_run_belong_to_it(run):
    for name in (".0123abcd.history.csv", "states/stage1/.0123abcd.epoch-00007/epoch-00007"):
        (run / name).mkdir(parents=True)
    (run / ".0123abcd.history.csv/history.csv").touch()
    (run / "states/stage1/.0123abcd.epoch-00007/epoch-00007/state.json").touch()
    (run / "states/stage1/.0123abcd.epoch-00007/epoch-00007/.0123abcd.optimizer.npz").mkdir()
    assert output_folder(run, SAVED, overwrite=True) == run


@pytest.mark.parametrize("path", ["x\0y", "n" * 250, "file/below", "file/below/further"])
def test_paths_that_cannot_be_written_are_refused_before_any_work(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    for ask in (output_file, lambda path: output_folder(path, SAVED)):
        with pytest.raises(BalancingVAEError):
            ask(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_without_write_permission_is_refused_before_any_work(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="cannot be written to"):
        output_folder(tmp_path / "run", SAVED)


def test_every_file_that_is_written_into_a_run_is_known(tmp_path):
    own = [
        *RUN_FILES,
        "metrics.json",
        "samplers/mixture.npz",
        "samplers/two_moons.npz",
        "states/stage1/best.json",
        "states/stage1/best.weights.h5",
        "states/stage2/epoch-00012/model.weights.h5",
        "states/stage2/epoch-123456/optimizer.npz",
        "states/stage2/epoch-00012/state.json",
        "tensorboard/stage1/events.out.tfevents.1700000000.host.1.0.v2",
        "figures/fig5.png",
        "samples.png",
        "curves.png",
        ".lock",
        ".replaced/config.json",
        ".replaced/.replaced/states/stage1/best.json",
    ]
    for name in own:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list(SAVED.foreign_files(tmp_path)) == []
    sets = ROOT / "weights" / "digits"
    assert list(formats.WEIGHTS.foreign_files(sets)) == []
    assert formats.WEIGHTS.describes(sets) and SAVED.describes(sets)
    assert list(SAVED.foreign_files(sets)) == [
        "README.md",
        "SHA256SUMS",
        "decoder.keras",
        "pretrained.json",
    ]


# Calls that replace, move or delete, and the modules that may make them.
_HARMFUL = {"rmtree", "unlink", "rename", "renames", "rmdir", "move"}
_MAY_HARM = {
    "files/atomic.py",
    "files/lock.py",
    "samplers/unfinished.py",  # only the state that it wrote
    "storage/run.py",
    "storage/states.py",
}


def test_nothing_else_in_the_package_replaces_or_deletes():
    package = Path(formats.__file__).parents[1]
    found = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            of_os = call and ast.unparse(node.func) in ("os.replace", "os.remove")
            if call and (node.func.attr in _HARMFUL or of_os):
                found.add(path.relative_to(package).as_posix())
    assert found == _MAY_HARM
