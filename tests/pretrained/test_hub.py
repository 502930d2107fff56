"""Sets on the Hugging Face Hub: pushed, pinned, downloaded, checked, refused."""

import shutil
import sys
import time
import warnings

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import constants

from balancing_vae import TwoStageVAE
from balancing_vae import pretrained
from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.evaluation.metrics_file import write_metrics
from balancing_vae.files.checksums import CHECKSUMS
from balancing_vae.files.checksums import sha256
from balancing_vae.files.checksums import write_checksums
from balancing_vae.packing.card import write_card
from balancing_vae.packing.pack import pack
from balancing_vae.pretrained import PretrainedSet
from balancing_vae.pretrained import find
from balancing_vae.pretrained import pin
from balancing_vae.pretrained import pretrained_sets
from balancing_vae.pretrained import push
from tests.helpers.pipelines import tiny_images
from tests.helpers.processes import python_prints
from tests.helpers.servers import Hub
from tests.helpers.servers import Repository

NAME = "hf://me/tiny"
NOBODY = "http://127.0.0.1:1"


def measured(column, value, **about):
    about = {"protocol": "ttur", "features": "pixels", "dataset": "digits"} | about
    return Measurement(column, "fid", value, 64, 64, **about)


@pytest.fixture(scope="module")
def packed(tmp_path_factory, tiny_run):
    folder = tmp_path_factory.mktemp("packed")
    pack(tiny_run, folder / "tiny", tiny_images(32, side=8))
    rows = [measured("GEN-2", 2.0, seed=0), measured("GEN-2", 3.0, seed=1)]
    rows.append(measured("GEN-2", 1.23456789, seed=0, normalization="gated"))
    write_metrics(folder / "tiny", [*rows, Measurement("data", "mean_std", 0.25, 64, 64)])
    write_card(folder / "tiny")
    return folder / "tiny"


@pytest.fixture
def folder(packed, tmp_path):
    return shutil.copytree(packed, tmp_path / "tiny")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub that knows our token, and a home of its own for what is cached."""
    hub = Hub()
    replace(constants.HF_HOME, str(tmp_path / "home"), monkeypatch)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    monkeypatch.delenv(pretrained.BASE_URL, raising=False)
    with hub.serving() as address:
        replace(constants.ENDPOINT, address, monkeypatch)
        yield hub


def replace(old, new, monkeypatch):
    """Replace the start of what huggingface_hub read from the environment at its import."""
    for name, value in list(vars(constants).items()):
        if isinstance(value, str) and value.startswith(old):
            monkeypatch.setattr(constants, name, value.replace(old, new))


def contents(folder):
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def newest(hub, name="me/tiny"):
    repository = hub.repositories[name]
    return repository.commits[repository.refs["main"]]


def change(hub, **changes):
    """Commit other contents of files, behind the back of SHA256SUMS."""
    return hub.repositories["me/tiny"].commit(newest(hub) | changes)


def test_a_pushed_set_is_downloaded_again_and_names_its_commit(hub, folder):
    pushed = push(folder, "me/tiny")
    assert pushed == f"{NAME}@{hub.repositories['me/tiny'].refs['main']}" == pin(NAME)
    assert newest(hub).keys() - contents(folder).keys() == {".gitattributes"}
    assert contents(find(NAME)) == contents(folder)
    vae = TwoStageVAE.from_pretrained(NAME)
    assert vae.source == pushed and f"weights: {pushed}" in repr(vae)
    expected = TwoStageVAE.load(folder).generate(4, seed=0)
    np.testing.assert_array_equal(vae.generate(4, seed=0), expected)


def test_the_hub_reads_the_card(hub, folder):
    push(folder, "me/tiny")
    card = huggingface_hub.ModelCard.load("me/tiny", ignore_metadata_errors=False)
    head = card.data
    assert (head.library_name, head.license) == ("balancing_vae", "apache-2.0")
    assert "vae" in head.tags and head.datasets == ["digits"]
    found = {(result.metric_name, result.metric_value) for result in head.eval_results}
    assert found == {
        ("GEN-2, plain: FD(pixels)", 2.5),
        ("GEN-2, normalised (gated): FD(pixels)", 1.23457),
    }
    result = max(head.eval_results, key=lambda result: result.metric_value)
    assert result.task_type == "unconditional-image-generation"
    assert (result.dataset_type, result.metric_type) == ("digits", "FD(pixels)")
    assert result.metric_args == {
        "protocol": "ttur",
        "deviation": 0.707107,
        "seeds": 2,
        "real_images": 64,
        "generated_images": 64,
    }
    assert card.text.strip().startswith("# tiny")


@pytest.mark.parametrize("name", [name for name, e in pretrained_sets().items() if e.sha256])
def test_the_hub_reads_the_cards_of_the_sets(name):
    head = huggingface_hub.ModelCard.load(find(name) / "README.md").data
    assert head.library_name == "balancing_vae" and head.model_name == name
    columns = {result.metric_name.partition(",")[0] for result in head.eval_results}
    assert {"REC", "GEN-1", "GEN-2"} <= columns


def test_a_pipeline_is_pushed_with_its_numbers(hub, packed):
    ours = TwoStageVAE.load(packed)
    found = ours.evaluate(tiny_images(32, side=8))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # the Hub's, of a card without a head
        pushed = ours.push_to_hub("me/own", found.measurements, license="mit", private=True)
    assert hub.repositories["me/own"].private
    theirs = TwoStageVAE.from_pretrained(pushed)
    np.testing.assert_array_equal(theirs.generate(2, seed=1), ours.generate(2, seed=1))
    assert theirs.samplers.keys() == ours.samplers.keys()
    card = huggingface_hub.ModelCard(newest(hub, "me/own")["README.md"].decode())
    assert card.data.license == "mit" and card.data.datasets is None
    values = {result.metric_name: result.metric_value for result in card.data.eval_results}
    expected = found.value("GEN-2", "variance_loss")
    assert values["GEN-2, plain: variance loss"] == pytest.approx(expected, rel=1e-5)
    assert 'from_pretrained("hf://me/own")' in card.text
    ours.push_to_hub("me/bare")
    assert huggingface_hub.ModelCard(newest(hub, "me/bare")["README.md"].decode()).data.tags


def test_a_commit_stays_the_same_if_a_branch_moves(hub, folder):
    first = push(folder, "me/tiny")
    before = contents(folder)
    (folder / "history.csv").write_text("stage,epoch\n")
    write_checksums(folder)
    second = push(folder, NAME)
    assert first != second == pin(NAME)
    assert contents(find(first)) == before
    assert contents(find(NAME)) == contents(find(second)) == contents(folder)
    hub.repositories["me/tiny"].refs["v1"] = first.partition("@")[2]
    assert pin(f"{NAME}@v1") == first


@pytest.mark.parametrize("moment", [CHECKSUMS, "config.json", "stage1.weights.h5"])
def test_a_branch_that_moves_during_a_download_does_not_mix_files(hub, folder, moment):
    first = push(folder, "me/tiny")
    (folder / "history.csv").write_text("stage,epoch\n")
    write_checksums(folder)
    second = push(folder, "me/tiny")
    repository = hub.repositories["me/tiny"]
    repository.refs["main"] = first.partition("@")[2]

    def move(name):
        if name == moment:
            repository.refs["main"] = second.partition("@")[2]

    hub.before_file = move
    found = find(NAME)
    assert f"{NAME}@{found.name}" == first
    expected = repository.commits[found.name]
    assert contents(found) == {n: data for n, data in expected.items() if n != ".gitattributes"}
    assert pin(NAME) == second


def test_cached_sets_need_no_network(hub, folder, monkeypatch):
    pushed = push(folder, "me/tiny")
    find(NAME)
    hub.requests.clear()
    find(pushed)
    assert hub.requests == []
    replace(constants.ENDPOINT, NOBODY, monkeypatch)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    assert find(NAME) == find(pushed) and pin(NAME) == pushed
    with pytest.raises(OSError, match="hf://me/other is not in the cache, and the Hub could not"):
        find("hf://me/other")


def test_a_private_set_is_invisible_without_a_token(hub, folder, monkeypatch):
    push(folder, "me/tiny", private=True)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(
        FileNotFoundError, match="hf://me/tiny does not exist, or it is private.*hf auth login"
    ):
        TwoStageVAE.from_pretrained(NAME)
    with pytest.raises(OSError, match="Hub refused hf://me/tiny .*hf auth login.*HF_TOKEN"):
        push(folder, "me/tiny")


def test_missing_sets_are_reported(hub, folder):
    push(folder, "me/tiny")
    with pytest.raises(FileNotFoundError, match="hf://me/tinny does not exist, or it is private"):
        find("hf://me/tinny")
    with pytest.raises(FileNotFoundError, match="hf://me/tiny has no revision 'v9'; give one"):
        find(f"{NAME}@v9")
    hub.repositories["me/other"] = Repository()
    hub.repositories["me/other"].commit({"model.safetensors": b"", "config.json": b"{}"})
    with pytest.raises(ValueError, match="hf://me/other is not a set of weights: it has no SHA256"):
        find("hf://me/other")


@pytest.mark.parametrize("name", ["hf://tiny", "hf://me/tiny/x", "hf://me/tiny@", "hf://../tiny"])
def test_invalid_names_are_refused(hub, name):
    with pytest.raises(ValueError, match="must be hf://owner/name|not a valid name on the Hub"):
        find(name)
    assert hub.requests == []


def test_a_file_that_was_changed_on_the_hub_is_not_loaded(hub, folder):
    push(folder, "me/tiny")
    changed = change(hub, **{"stage1.weights.h5": b"changed"})
    with pytest.raises(
        ValueError, match=f"stage1.weights.h5 of {NAME}@{changed} is missing or has"
    ):
        TwoStageVAE.from_pretrained(NAME)


def test_a_file_that_is_not_on_the_hub(hub, folder):
    push(folder, "me/tiny")
    hub.repositories["me/tiny"].commit(
        {name: data for name, data in newest(hub).items() if name != "stage1.weights.h5"}
    )
    with pytest.raises(ValueError, match="stage1.weights.h5 of .* is missing or has another sha"):
        find(NAME)


@pytest.mark.parametrize("name", ["history.csv", CHECKSUMS])
def test_a_damaged_file_in_the_cache_is_downloaded_again(hub, folder, name):
    push(folder, "me/tiny")
    (find(NAME) / name).write_bytes(b"damaged")
    hub.requests.clear()
    assert contents(find(NAME)) == contents(folder)
    sent = {path.rpartition("/")[2] for method, path in hub.requests if method == "GET"}
    assert sent & contents(folder).keys() == {name, CHECKSUMS}


def test_a_broken_connection_is_reported(hub, folder, monkeypatch):
    pushed = push(folder, "me/tiny")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    hub.dropped = 10**6
    with pytest.raises(OSError, match="hf://me/tiny"):
        find(pushed)
    hub.dropped = 3
    assert contents(find(pushed)) == contents(folder)


@pytest.mark.parametrize(
    ("listed", "match"),
    [
        ("evil.pkl", "is not a set of weights: its SHA256SUMS names evil.pkl"),
        ("*", r"is not a set of weights: its SHA256SUMS names \*"),
        ("../config.json", "is outside the folder"),
        ("history.csv", "does not name config.json"),
    ],
)
def test_only_files_of_a_set_are_downloaded(hub, listed, match):
    hub.repositories["me/tiny"] = Repository()
    files = {CHECKSUMS: f"{'0' * 64}  {listed}\n".encode(), "evil.pkl": b"pickled", "x.bin": b""}
    hub.repositories["me/tiny"].commit(files)
    with pytest.raises(ValueError, match=match):
        find(NAME)
    assert {path.rpartition("/")[2] for _, path in hub.requests} <= {CHECKSUMS, "agent-harnesses"}


def test_files_that_are_not_listed_are_not_downloaded(hub, folder):
    push(folder, "me/tiny")
    change(hub, **{"pytorch_model.bin": b"pickled"})
    assert contents(find(NAME)) == contents(folder)


def test_unsuitable_folders_are_not_pushed(hub, folder, tmp_path):
    hub.repositories["me/other"] = Repository()
    others = {".gitattributes": b"", "README.md": b"", "model.safetensors": b"dear"}
    hub.repositories["me/other"].commit(others)
    with pytest.raises(FileExistsError, match=r"hf://me/other holds .* such as model\.safetensors"):
        push(folder, "me/other")
    assert newest(hub, "me/other") == others
    with pytest.raises(ValueError, match="omit @v1"):
        push(folder, "me/tiny@v1")
    with pytest.raises(ValueError, match="must be hf://owner/name"):
        push(folder, "tiny")
    (folder / "history.csv").write_text("damaged")
    with pytest.raises(ValueError, match=r"history\.csv has another sha256"):
        push(folder, "me/tiny")
    (folder / "notes.txt").write_text("dear")
    write_checksums(folder)
    with pytest.raises(ValueError, match=r"its SHA256SUMS names notes\.txt. Move other files"):
        push(folder, "me/tiny")
    (folder / "README.md").unlink()
    with pytest.raises(FileNotFoundError, match=r"README\.md is missing; create a set with"):
        push(folder, "me/tiny")
    assert "me/tiny" not in hub.repositories


def test_a_published_set_from_somebody_on_the_hub_is_the_published_one(hub, folder, monkeypatch):
    entry = PretrainedSet("tiny", "digits", sha256(folder / CHECKSUMS), 10**9, "")
    monkeypatch.setitem(pretrained_sets(), "tiny", entry)
    push(folder, "me/tiny")
    monkeypatch.setenv(pretrained.BASE_URL, "hf://me/")
    assert contents(find("tiny")) == contents(folder)
    (folder / "history.csv").write_text("stage,epoch\n")
    write_checksums(folder)
    push(folder, "me/tiny")
    with pytest.raises(ValueError, match="hf://me/tiny is not the published set tiny"):
        find("tiny")


def test_without_the_extra_the_command_that_installs_it_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for call in (lambda: TwoStageVAE.from_pretrained(NAME), lambda: push(folder, "me/tiny")):
        with pytest.raises(ImportError, match=r"pip install 'balancing_vae\[hub\]'"):
            call()


def test_the_command_line_pushes_and_downloads_without_keras(folder, tmp_path):
    code = (
        "import json, sys\nfrom balancing_vae.cli import main\n"
        "status = main(sys.argv[1:])\nloaded = {'keras', 'tensorflow'} & set(sys.modules)\n"
        "print(json.dumps([status, sorted(loaded)]))"
    )
    hub = Hub()
    with hub.serving() as address:
        about = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": hub.token}
        for words in (["push", str(folder), "me/tiny"], ["download", NAME]):
            assert python_prints(code, "pretrained", *words, **about) == [0, []]
    commit = hub.repositories["me/tiny"].refs["main"]
    cached = tmp_path / "home" / "hub" / "models--me--tiny" / "snapshots" / commit
    assert contents(cached) == contents(folder)
