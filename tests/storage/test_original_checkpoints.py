"""The original's checkpoints: sizes by shape, weights by name, and clear errors."""

import json
import shutil

import numpy as np
import pytest

from balancing_vae import Config
from balancing_vae import TwoStageVAE
from balancing_vae.cli import main
from balancing_vae.storage.checkpoint import read_variables
from balancing_vae.storage.checkpoint import without_automatic_numbers
from balancing_vae.storage.original import assign_variables
from balancing_vae.storage.original import infer_sizes
from balancing_vae.storage.original import untrained_stages
from balancing_vae.storage.tensorflow_files import MAGIC
from tests.helpers.backends import needs_tensorflow
from tests.helpers.backends import numbers
from tests.helpers.paths import GOLDEN
from tests.helpers.tables import entry
from tests.helpers.tables import field
from tests.helpers.tables import forge
from tests.helpers.tables import varint

NAMES = ("init", "stage1", "stage2")
KERNEL = "stage1/encoder/conv0/kernel"


@pytest.fixture
def variables():
    return read_variables(GOLDEN / "stage2.npz")


@pytest.fixture(scope="module")
def vae():
    sizes = infer_sizes(read_variables(GOLDEN / "stage2.npz"))
    return TwoStageVAE(Config(**sizes))


def assign(variables, vae):
    return assign_variables(variables, vae.stage1, vae.stage2)


def values(vae):
    return [numbers(w) for stage in (vae.stage1, vae.stage2) for w in stage.weights]


def test_sizes_are_read_from_names_and_shapes(variables):
    sizes = infer_sizes(variables)
    config = json.loads((GOLDEN / "config.json").read_text())
    assert sizes.pop("image_shape") == (config["side"], config["side"], config["channels"])
    assert sizes.pop("balancing") == {"name": "computed"}
    network = sizes.pop("network")
    assert network.pop("name") == "resnet"
    assert sizes.pop("kl_weight") == (2 * config["side"] / config["latent_dim"]) ** 2
    assert {**sizes, **network} == {name: config[name] for name in (*sizes, *network)}


def test_automatic_numbers_depend_on_what_was_built_before(variables, vae):
    """`dense_1` of one TensorFlow is `dense_7` of another: the order within a scope counts."""
    renumbered = {
        name.replace("/dense_1/", "/dense_9/").replace("/dense/", "/dense_3/"): value
        for name, value in variables.items()
    }
    assert set(renumbered) != set(variables)
    assert set(without_automatic_numbers(renumbered)) == set(without_automatic_numbers(variables))
    assert assign(variables, vae).assigned > 0
    expected = values(vae)
    assign(renumbered, vae).check()
    for found, value in zip(values(vae), expected, strict=True):
        np.testing.assert_array_equal(found, value)


def test_weights_and_moving_statistics_are_imported(variables, vae):
    report = assign(variables, vae)
    report.check()
    assert (report.missing, report.left_over, report.misshapen) == ([], [], [])
    layer = vae.stage1.encoder.get_layer("scale0_block0_bn0")
    scope = "stage1/encoder/scale0/block0/bn0_w"
    np.testing.assert_array_equal(numbers(layer.moving_mean), variables[f"{scope}/mean"])
    np.testing.assert_array_equal(numbers(layer.gamma), variables[f"{scope}/gamma"])
    step = variables[f"{scope}/{scope}/mean/local_step"]
    assert float(numbers(layer.step)) == step == 200
    np.testing.assert_array_equal(
        numbers(vae.stage2.decoder.get_layer("z").kernel),
        variables["stage2/decoder/z_hat/kernel"],
    )


@pytest.mark.parametrize("fault", ["missing", "left over", "of another shape"])
def test_variables_that_do_not_fit_are_named_and_nothing_is_assigned(fault, variables, vae):
    if fault == "missing":
        del variables[KERNEL]
        named = KERNEL
    elif fault == "left over":
        named = "stage1/encoder/conv7/kernel"
        variables[named] = variables[KERNEL]
    else:
        variables[KERNEL] = variables[KERNEL][..., :2]
        named = rf"{KERNEL} \(\(3, 3, 3, 2\) instead of \(3, 3, 3, 4\)\)"
    changed = {
        name: value + 1 if np.issubdtype(value.dtype, np.floating) else value
        for name, value in variables.items()
    }
    before = values(vae)
    report = assign(changed, vae)
    with pytest.raises(ValueError, match=f"does not match the networks. {fault}: {named}"):
        report.check()
    assert report.assigned == 0
    for old, new in zip(before, values(vae), strict=True):
        np.testing.assert_array_equal(old, new)


def test_averages_without_debias_variables_count_as_settled(variables, vae):
    lacking = {
        name: value
        for name, value in variables.items()
        if not name.endswith(("/biased", "/local_step"))
    }
    assert len(lacking) < len(variables)
    report = assign(lacking, vae)
    report.check()
    assert set(report.debias_missing) <= set(without_automatic_numbers(variables)) - set(lacking)
    assert len(report.debias_missing) == 3 * 12
    layer = vae.stage1.encoder.get_layer("scale0_block0_bn0")
    before = numbers(layer.moving_mean)
    x = np.random.default_rng(0).standard_normal((8, 2, 2, 4)).astype("float32")
    layer(x, training=True)
    # The next step moves them by a thousandth, as an ordinary average.
    np.testing.assert_allclose(
        numbers(layer.moving_mean), 0.999 * before + 0.001 * x.mean(axis=(0, 1, 2)), atol=1e-5
    )


def test_other_programs_checkpoints_are_refused():
    with pytest.raises(ValueError, match="not a checkpoint of BalancingVAE or TwoStageVAE"):
        infer_sizes({"conv/kernel": np.zeros((3, 3, 1, 4))})


# Broken files.


@pytest.fixture
def copied(tmp_path):
    for path in GOLDEN.glob("stage2.*"):
        shutil.copy(path, tmp_path)
    return tmp_path / "stage2"


def test_a_prefix_or_an_index_file_is_accepted(copied, variables):
    for prefix in (copied, f"{copied}.index"):
        assert set(read_variables(prefix)) == set(variables)


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
def test_truncated_checkpoints_are_refused(copied, suffix, kept):
    path = copied.with_name(copied.name + suffix)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ValueError, match="truncated or damaged; copy its files again"):
        read_variables(copied)


@pytest.mark.parametrize(
    ("suffix", "message"),
    [(".index", "index is missing; give the"), (".data-00000-of-00001", "is missing next to")],
)
def test_missing_files_are_named(copied, suffix, message):
    copied.with_name(copied.name + suffix).unlink()
    with pytest.raises(FileNotFoundError, match=message):
        read_variables(copied)


def test_broken_npz_is_refused(copied):
    path = copied.with_suffix(".npz")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="not a complete .npz file"):
        read_variables(path)


@pytest.mark.parametrize("place", ["[a]*", "what?", "a b", "."])
def test_a_checkpoint_is_found_in_a_folder_of_any_name(copied, place, variables):
    folder = copied.parent / place
    folder.mkdir(exist_ok=True)
    for ending in (".index", ".data-00000-of-00001"):
        shutil.copy(f"{copied}{ending}", folder / f"st[ag]e*{ending}")
    for name in ("st[ag]e*", "st[ag]e*.index", "st[ag]e*.meta", "st[ag]e*.data-00000-of-00001"):
        assert set(read_variables(folder / name)) == set(variables)


def test_a_folder_with_one_checkpoint_is_accepted(copied, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(FileNotFoundError, match="model has no TF1 checkpoint"):
        read_variables(folder)
    for ending in (".index", ".data-00000-of-00001"):
        shutil.copy(f"{copied}{ending}", folder / f"stage2{ending}")
    (folder / "checkpoint").write_text('model_checkpoint_path: "stage2"')
    (folder / "stage2.meta").write_bytes(b"a graph")
    assert KERNEL in read_variables(folder)
    shutil.copy(f"{copied}.index", folder / "stage1.index")
    with pytest.raises(ValueError, match="several checkpoints, stage1, stage2; give one"):
        read_variables(folder)


def test_files_without_variables_are_named_for_what_they_are(tmp_path):
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "stage2"')
    with pytest.raises(ValueError, match="is TensorFlow's list of checkpoints; give the prefix"):
        read_variables(tmp_path / "checkpoint")
    (tmp_path / "stage2.meta").write_bytes(b"a graph")
    with pytest.raises(FileNotFoundError, match="stage2.meta is its graph, without variables"):
        read_variables(tmp_path / "stage2.meta")
    (tmp_path / "photo.jpg").write_bytes(bytes(100))
    with pytest.raises(ValueError, match="photo.jpg is not a TF1 checkpoint"):
        read_variables(tmp_path / "photo.jpg")


@needs_tensorflow
def test_both_versions_of_a_checkpoint_are_read_as_tensorflow_reads_them(tmp_path):
    import tensorflow as tf

    v1 = tf.compat.v1
    values = {
        "a/kernel": np.random.default_rng(0).normal(size=(40, 33)).astype("f4"),
        "a/b": np.array(2.5),
        "steps": np.array([3, -5, 2**40]),
        "counts": np.array([[7, -7]], "i4"),
        "flags": np.array([True, False]),
        "none": np.zeros((0, 3), "f4"),
    }
    with tf.Graph().as_default(), v1.Session() as session:
        [v1.get_variable(name, initializer=value) for name, value in values.items()]
        session.run(v1.global_variables_initializer())
        for version in (v1.train.SaverDef.V1, v1.train.SaverDef.V2):
            v1.train.Saver(write_version=version).save(session, f"{tmp_path}/v{version}")
    for version in (v1.train.SaverDef.V1, v1.train.SaverDef.V2):
        read = read_variables(tmp_path / f"v{version}")
        assert set(read) == set(values)
        for name, value in values.items():
            assert read[name].dtype == value.dtype
            np.testing.assert_array_equal(read[name], value)


# Forged files: TensorFlow's own reader ends the process or takes all memory.


def test_a_valid_table_is_read(tmp_path):
    read = read_variables(forge(tmp_path, {b"a": entry(2, 2, size=16)}))
    np.testing.assert_array_equal(read["a"], np.ones((2, 2)))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({b"a": entry(2**40, size=2**42)}, "declares a wrong number of bytes"),
        ({b"a": entry(2**63, 2, size=16)}, "declares a wrong number of bytes"),
        ({b"a": entry(4, size=16), b"b": entry(4, size=16)}, "declares a wrong number of bytes"),
        ({b"a": entry(3, size=16)}, "declares a wrong number of bytes"),
        ({b"a": entry(4, size=16, offset=2**40)}, "checksum of 'a' does not match"),
        ({b"a": entry(4, size=16, offset=2**63)}, "Reason"),
        ({b"a": entry(4, size=16, crc=bytes(4))}, "checksum of 'a' does not match"),
        ({b"a": entry(4, size=16, dtype=99)}, "99"),
        ({b"a": field(7, b"") + entry(4, size=16)}, "stored in slices"),
        ({b"a": b"\xff" * 20}, "a number in it is damaged"),
        ({b"a": field(2, b"x" * 10)[:-3]}, "a message in it is damaged"),
    ],
)
def test_forged_tables_are_refused(tmp_path, entries, message):
    with pytest.raises(ValueError, match=f"forged is truncated or damaged.*{message}"):
        read_variables(forge(tmp_path, entries))


def test_forged_headers_and_blocks_are_refused(tmp_path):
    for header, message in (
        (field(1, 2**31), "declares 2147483648 data files"),
        (field(2, 1), "big-endian"),
    ):
        with pytest.raises(ValueError, match=message):
            read_variables(forge(tmp_path, {}, header))
    prefix = forge(tmp_path, {b"a": entry(4, size=16)})
    index = prefix.with_name("forged.index")
    content = index.read_bytes()
    footers = [varint(0) * 2 + varint(2**60) + varint(2**60), b"\xff" * 40, b"\0" * 40]
    for footer in footers:
        index.write_bytes(content[:-48] + footer.ljust(40, b"\0")[:40] + MAGIC)
        with pytest.raises(ValueError, match="forged is truncated or damaged"):
            read_variables(prefix)


def test_nan_in_a_checkpoint_is_refused(tmp_path):
    np.savez(tmp_path / "stage2.npz", **{KERNEL: np.array([1, np.nan], "f4")})
    with pytest.raises(ValueError, match="stage2.npz has NaN or infinite values, first in 'stage1"):
        read_variables(tmp_path / "stage2.npz")


# Which stages a file has trained.


def test_a_file_shows_which_stages_are_trained(variables):
    trained = {name: untrained_stages(read_variables(GOLDEN / f"{name}.npz")) for name in NAMES}
    assert trained == {"init": [1, 2], "stage1": [2], "stage2": []}
    first = read_variables(GOLDEN / "stage1.npz")
    assert untrained_stages({n: v for n, v in first.items() if "Adam" not in n}) == []


def test_a_file_from_before_stage_2_makes_a_run_without_one(tmp_path, capsys):
    def run(*words):
        code = main([str(word) for word in words])
        return code, capsys.readouterr()

    out = tmp_path / "run"
    code, printed = run("import-checkpoint", GOLDEN / "init", "--out", out)
    assert code == 2 and not out.exists()
    assert "init is not trained: both stages have their initial values" in printed.err
    code, printed = run("import-checkpoint", GOLDEN / "stage1", "--out", out)
    assert code == 0
    assert "sample from; stage2 in the same folder has both stages" in printed.out
    assert "normalisation is not fitted; give --data to fit it" in printed.out
    imported = TwoStageVAE.load(out)
    assert imported.stage2 is None
    with pytest.raises(ValueError, match="no fitted sampler 'gaussian', only prior"):
        imported.generate(2, stage=2, normalize=False)
