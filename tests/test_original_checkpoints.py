"""The original's checkpoints: sizes by shape, weights by name, and clear errors."""

import json
import shutil

import numpy as np
import pytest
from conftest import GOLDEN
from conftest import needs_tensorflow
from conftest import numbers
from conftest import without_jit

from balancing_vae import Config
from balancing_vae import TwoStageVAE
from balancing_vae.storage.checkpoint import read_variables
from balancing_vae.storage.checkpoint import without_automatic_numbers
from balancing_vae.storage.original import assign_variables
from balancing_vae.storage.original import infer_sizes

KERNEL = "stage1/encoder/conv0/kernel"


@pytest.fixture
def variables():
    return read_variables(GOLDEN / "stage2.npz")


@pytest.fixture(scope="module")
def vae():
    sizes = infer_sizes(read_variables(GOLDEN / "stage2.npz"))
    return without_jit(TwoStageVAE(Config(**sizes)))


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


def test_weights_and_moving_statistics_come_over(variables, vae):
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
def test_what_does_not_fit_is_named_and_nothing_assigned(fault, variables, vae):
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
    with pytest.raises(ValueError, match=f"does not fit the networks. {fault}: {named}"):
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
    with pytest.raises(ValueError, match="no checkpoint of BalancingVAE or TwoStageVAE"):
        infer_sizes({"conv/kernel": np.zeros((3, 3, 1, 4))})


# Broken files.


@pytest.fixture
def copied(tmp_path):
    for path in GOLDEN.glob("stage2.*"):
        shutil.copy(path, tmp_path)
    return tmp_path / "stage2"


@needs_tensorflow
def test_prefix_or_index_file_will_do(copied, variables):
    for prefix in (copied, f"{copied}.index"):
        assert set(read_variables(prefix)) == set(variables)


@needs_tensorflow
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
def test_truncated_checkpoints_are_refused(copied, suffix, kept):
    path = copied.with_name(copied.name + suffix)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ValueError, match="truncated or damaged; copy its files anew"):
        read_variables(copied)


@pytest.mark.parametrize(
    ("suffix", "message"),
    [(".index", "index is missing; give the"), (".data-00000-of-00001", "is missing beside")],
)
def test_missing_files_are_named(copied, suffix, message):
    copied.with_name(copied.name + suffix).unlink()
    with pytest.raises(FileNotFoundError, match=message):
        read_variables(copied)


def test_broken_npz_is_refused(copied):
    path = copied.with_suffix(".npz")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="no whole .npz file"):
        read_variables(path)
