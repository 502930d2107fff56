"""The Inception network, on a stand-in graph with the real names and operations."""

import io
import tarfile

import numpy as np
import pytest
import tensorflow as tf

from balancing_vae.cli import main
from balancing_vae.fid.features import extract
from balancing_vae.fid.networks import inception_files
from balancing_vae.fid.networks.inception import FrozenInception
from balancing_vae.fid.networks.inception_files import download_graph
from balancing_vae.fid.networks.inception_files import load_inception
from balancing_vae.fid.networks.inception_files import read_graph
from balancing_vae.fid.networks.saved_model import TrustedSavedModel
from balancing_vae.fid.preprocessing import network_input
from balancing_vae.fid.preprocessing import preprocess
from balancing_vae.fid.protocols import PROTOCOLS
from balancing_vae.fid.scoring import load_network
from tests.helpers import stand_ins
from tests.helpers.servers import serving_folder

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 32, 32, 3), dtype="uint8")
TF1_RESIZE = tf.compat.v1.image.resize_bilinear


@pytest.fixture(scope="module")
def network():
    return FrozenInception(stand_ins.graph())


def run_graph(tensor, images):
    """What `pool_3:0` is for one image at a time, the batch that the graph was made for."""
    definition = tf.compat.v1.GraphDef.FromString(stand_ins.graph())
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        tf.import_graph_def(definition, name="")
        rows = [session.run("pool_3:0", {tensor: image[None]}) for image in images]
    return np.concatenate(rows).reshape(len(images), -1)


def watch_runs(monkeypatch, watch):
    """Let `watch` see the session and the images of each run before it."""
    run = tf.compat.v1.Session.run

    def watched(session, fetches, feed):
        (images,) = feed.values()
        watch(session, images)
        return run(session, fetches, feed)

    monkeypatch.setattr(tf.compat.v1.Session, "run", watched)


def features(network, images, protocol, generated=False):
    return np.concatenate(list(extract(images, network, protocol, generated)))


def assert_close(ours, expected):
    assert ours.shape == expected.shape == (len(IMAGES), stand_ins.FEATURES)
    assert expected.std() > 0.01
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4 * expected.std())


@pytest.mark.parametrize("protocol", ["ttur", "dai2019"])
def test_own_resize_of_the_graph(network, protocol):
    images = preprocess(IMAGES, PROTOCOLS[protocol], generated=True)
    expected = run_graph("ExpandDims:0", images)
    assert_close(features(network, IMAGES, protocol, generated=True), expected)
    # Our resize and scale, fed behind the graph's own, come to the same.
    assert_close(run_graph("Mul:0", network_input(images, PROTOCOLS[protocol])), expected)


def test_asperti2020(network):
    scaled = TF1_RESIZE(2 * (IMAGES / np.float32(255)) - 1, [299, 299])
    expected = run_graph("Mul:0", scaled.numpy())
    assert_close(features(network, IMAGES, "asperti2020"), expected)
    # The scales of asperti2020 and ttur are near each other; the check tells them apart.
    with pytest.raises(AssertionError):
        assert_close(features(network, IMAGES, "ttur"), expected)


def test_clean(network):
    resized = network_input(preprocess(IMAGES, PROTOCOLS["clean"]), PROTOCOLS["clean"])
    assert_close(features(network, IMAGES, "clean"), run_graph("Mul:0", resized))
    # At 299 x 299 the graph's own resize changes nothing.
    assert_close(features(network, IMAGES, "clean"), run_graph("ExpandDims:0", resized * 128 + 128))


def test_batch_size_changes_nothing():
    whole, split = FrozenInception(stand_ins.graph()), FrozenInception(stand_ins.graph())
    split.batch_size = 2
    expected = features(whole, IMAGES, "ttur")
    np.testing.assert_allclose(features(split, IMAGES, "ttur"), expected, rtol=1e-5, atol=1e-6)


def test_splitting_over_devices_changes_nothing(monkeypatch):
    one = FrozenInception(stand_ins.graph(), devices=["/cpu:0"])
    two = FrozenInception(stand_ins.graph(), devices=["/cpu:0", "/cpu:1"])
    for network in (one, two):
        network.batch_size = 1
    images = RNG.integers(0, 256, (9, 16, 16, 3), dtype="uint8")
    expected = features(one, images, "ttur")
    graphs = set()
    watch_runs(monkeypatch, lambda session, images: graphs.add(session.graph))
    np.testing.assert_array_equal(features(two, images, "ttur"), expected)
    (graph,) = graphs
    placed = {operation.device for operation in graph.get_operations()}
    assert {"/device:CPU:0", "/device:CPU:1"} <= placed


def test_batches_that_do_not_fit_are_halved(network, monkeypatch):
    expected = features(network, IMAGES, "ttur")
    small = FrozenInception(stand_ins.graph())
    seen = []

    def at_most_two(session, images):
        seen.append(len(images))
        if len(images) > 2:
            raise tf.errors.ResourceExhaustedError(None, None, "out of memory")

    watch_runs(monkeypatch, at_most_two)
    np.testing.assert_allclose(features(small, IMAGES, "ttur"), expected, rtol=1e-5, atol=1e-6)
    assert seen == [6, 3, 2, 1, 2, 1]
    assert small.batch_size == 2


def test_stored_shapes_do_not_bind_the_batch():
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(tf.compat.v1.GraphDef.FromString(stand_ins.graph()), name="")
    stored = graph.as_graph_def(add_shapes=True)
    stored.versions.producer = 8
    assert graph.get_tensor_by_name("pool_3:0").shape[0] == 1
    network = FrozenInception(stored.SerializeToString())
    assert features(network, IMAGES, "ttur").shape == (6, stand_ins.FEATURES)


def test_tensor_float_32_is_off_while_running(network):
    is_on = tf.config.experimental.tensor_float_32_execution_enabled
    tf.config.experimental.enable_tensor_float_32_execution(True)
    with network.running():
        assert not is_on()
    assert is_on()


def test_graph_without_the_tensors():
    with pytest.raises(ValueError, match="lacks ExpandDims:0"):
        FrozenInception(tf.Graph().as_graph_def().SerializeToString())


def write_graph(path):
    path.write_bytes(stand_ins.graph())
    return path


def write_archive(path, name=inception_files.GRAPH_NAME):
    with tarfile.open(path, "w:gz") as archive:
        for member, content in (("LICENSE", b"text"), (name, stand_ins.graph())):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("write", [write_graph, write_archive])
def test_another_hash_is_refused(tmp_path, write):
    path = write(tmp_path / ("g.pb" if write is write_graph else "g.tgz"))
    with pytest.raises(ValueError, match="its sha256 is .* expected 009d6814.*On a machine with"):
        load_inception(path)


@pytest.mark.usefixtures("accepted")
@pytest.mark.parametrize("name", [inception_files.GRAPH_NAME, f"./{inception_files.GRAPH_NAME}"])
def test_graph_and_archive_give_the_same(tmp_path, name):
    assert read_graph(write_graph(tmp_path / "g.pb")) == stand_ins.graph()
    assert read_graph(write_archive(tmp_path / "g.tgz", name)) == stand_ins.graph()


def test_files_that_hold_no_graph(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file .*none\.pb; expected"):
        load_inception(tmp_path / "none.pb")
    (tmp_path / "half.tgz").write_bytes(write_archive(tmp_path / "g.tgz").read_bytes()[:2000])
    with pytest.raises(ValueError, match="half.tgz is not a complete tar archive"):
        load_inception(tmp_path / "half.tgz")
    with pytest.raises(ValueError, match="holds no classify_image_graph_def.pb"):
        load_inception(write_archive(tmp_path / "other.tgz", "other.pb"))


@pytest.fixture
def served(tmp_path):
    """Serve the test's folder over HTTP."""
    with serving_folder(tmp_path) as (address, _):
        yield address


@pytest.mark.usefixtures("accepted")
def test_a_broken_download_leaves_no_file(tmp_path, monkeypatch, served):
    archive = write_archive(tmp_path / "served.tgz")
    archive.write_bytes(archive.read_bytes()[:5000])
    for name, error in (("served.tgz", ValueError), ("absent.tgz", OSError)):
        monkeypatch.setattr(inception_files, "ARCHIVE_URL", f"{served}/{name}")
        with pytest.raises(error, match="inception-2015-12-05.tgz"):
            download_graph()
    assert not inception_files.graph_folder().exists()


def test_a_download_stops_at_the_size_of_the_archive(tmp_path, monkeypatch, served):
    with (tmp_path / "served.tgz").open("wb") as file:
        file.truncate(10**10)
    monkeypatch.setattr(inception_files, "ARCHIVE_URL", f"{served}/served.tgz")
    with pytest.raises(ValueError, match="than the published 88,931,400 bytes.*On a machine with"):
        download_graph()
    assert not inception_files.graph_folder().exists()


@pytest.mark.usefixtures("accepted")
def test_download_into_the_cache(tmp_path, monkeypatch, served):
    archive = write_archive(tmp_path / "served.tgz")
    monkeypatch.setattr(inception_files, "ARCHIVE_URL", f"{served}/served.tgz")
    network = load_inception()
    assert network.sha256 == inception_files.GRAPH_SHA256
    cached = inception_files.graph_folder() / inception_files.GRAPH_NAME
    assert cached.read_bytes() == stand_ins.graph()
    archive.unlink()
    assert load_inception().sha256 == network.sha256
    cached.write_bytes(b"broken")
    with pytest.raises(ValueError, match="its sha256 is"):
        load_inception()


@pytest.mark.usefixtures("accepted")
def test_a_cache_that_cannot_be_written_causes_a_warning(tmp_path, monkeypatch, served):
    write_archive(tmp_path / "served.tgz")
    monkeypatch.setattr(inception_files, "ARCHIVE_URL", f"{served}/served.tgz")
    inception_files.graph_folder().parent.parent.mkdir()
    inception_files.graph_folder().parent.write_text("a file where the cache should be")
    with pytest.warns(UserWarning, match="Inception graph cannot be kept in the cache"):
        assert load_inception().sha256 == inception_files.GRAPH_SHA256


@pytest.mark.usefixtures("accepted")
def test_no_network(monkeypatch):
    monkeypatch.setattr(inception_files, "ARCHIVE_URL", "http://localhost:9/inception.tgz")
    with pytest.raises(OSError, match=r"cannot be downloaded.*--inception .* or unpack it and put"):
        download_graph()
    assert not inception_files.graph_folder().exists()


def test_a_trusted_saved_model(tmp_path):
    folder = tmp_path / "tfgan"
    stand_ins.save_tfgan_model(folder)
    network = load_network("inception", trusted_saved_model=folder)
    assert network.distance_name == "FD(saved_model:tfgan)"
    assert network.sha256 == TrustedSavedModel(folder).sha256
    scaled = TF1_RESIZE(2 * (IMAGES / np.float32(255)) - 1, [299, 299])
    expected = tf.saved_model.load(str(folder))(scaled)["pool_3"].numpy()
    ours = features(network, IMAGES, "asperti2020")
    assert ours.shape == (6, 2048)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4 * expected.std())
    network.batch_size = 4
    np.testing.assert_allclose(features(network, IMAGES, "asperti2020"), ours, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("accepted")
def test_no_saved_model_is_loaded_without_the_option(tmp_path, monkeypatch, capsys):
    hub = tmp_path / "hub"
    folder = hub / "c4be6b55dc0338e82546082d22184ebdc77d76cf"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"")

    def loaded(*arguments):
        raise AssertionError(f"{arguments} was loaded")

    monkeypatch.setattr(tf.saved_model, "load", loaded)
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(hub))
    monkeypatch.setattr(inception_files, "ARCHIVE_URL", "http://localhost:9/inception.tgz")
    with pytest.raises(OSError, match="cannot be downloaded"):
        load_inception()
    for load in (load_inception, lambda path: load_network("inception", path)):
        with pytest.raises(ValueError, match="is a folder; expected .*--trusted-saved-model"):
            load(folder)
    np.save(tmp_path / "x.npy", IMAGES)
    words = ["fid", str(tmp_path / "x.npy"), str(tmp_path / "x.npy"), "--inception", str(folder)]
    assert main(words) == 2
    assert "a distance with it is not an FID" in capsys.readouterr().err


def test_other_saved_models_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no saved_model.pb"):
        TrustedSavedModel(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"not a model")
    with pytest.raises(ValueError, match="cannot be loaded .*download it again"):
        TrustedSavedModel(tmp_path)
    stand_ins.save_tfgan_model(tmp_path / "other", outputs=["logits"])
    with pytest.raises(ValueError, match="gives logits; expected pool_3"):
        features(TrustedSavedModel(tmp_path / "other"), IMAGES, "asperti2020")
    stand_ins.save_tfgan_model(tmp_path / "narrow", width=128)
    with pytest.raises(ValueError, match="gives 128 features; expected Inception's 2,048"):
        features(TrustedSavedModel(tmp_path / "narrow"), IMAGES, "asperti2020")
    for other in ({"features": "pixels"}, {"features": "inception", "inception": "graph.pb"}):
        with pytest.raises(ValueError, match="give it alone"):
            load_network(**other, trusted_saved_model=tmp_path)


@pytest.mark.slow
def test_stand_in_of_the_real_size():
    network = FrozenInception(stand_ins.frozen_graph())
    images = IMAGES[:2]
    assert features(network, images, "ttur").shape == (2, 2048)
