"""Checkpoints of TwoStageVAE: read from real TF1 files, assigned by name and shape."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from keras import ops
from parity.dai_wipf import starting_value

from balancing_vae import Config
from balancing_vae import TwoStageVAE
from balancing_vae.cli import main
from balancing_vae.datasets.arrays import from_arrays
from balancing_vae.datasets.prepared import write_prepared
from balancing_vae.networks import NETWORKS
from balancing_vae.storage.checkpoint import read_variables
from balancing_vae.storage.original import assign_variables
from balancing_vae.storage.original import infer_sizes
from tests.helpers.paths import GOLDEN_DAI_WIPF

GOLDEN = GOLDEN_DAI_WIPF
SIZES = {
    "infogan28": {"image_shape": (28, 28, 1), "network": {"name": "infogan"}},
    "resnet32": {
        "image_shape": (32, 32, 3),
        "network": {
            "name": "resnet",
            "base_dim": 8,
            "num_scale": 3,
            "block_per_scale": 1,
            "depth_per_block": 2,
            "kernel_size": 3,
            "fc_dim": 32,
        },
    },
    "wae64": {"image_shape": (64, 64, 3), "network": {"name": "wae"}},
}
COMMON = {
    "latent_dim": 16,
    "second_dim": 64,
    "second_depth": 3,
    "balancing": {"name": "learned"},
    "kl_weight": 1.0,
    "second_stage_noise": True,
}


def shapes(name: str) -> dict[str, tuple]:
    description = json.loads((GOLDEN / f"{name}.json").read_text())
    return {n: tuple(shape) for n, shape, _ in description["variables"]}


def variables(name: str) -> dict[str, np.ndarray]:
    """Return a network's variables, none of them 0, not even the counters of debiasing."""
    filled = {n: starting_value(n, shape, "rule") for n, shape in shapes(name).items()}
    for n in filled:
        if n.endswith("loggamma_x") or n.endswith("loggamma_z"):
            filled[n] = np.float32(-0.25 if n.endswith("x") else -0.75)
        if n.endswith("local_step"):
            filled[n] = np.float32(7)
    return filled


def renumbered(filled: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Give automatic layers the numbers they get in a graph that has others before them."""

    def later(match):
        return f"{match[1]}_{int(match[2] or 0) * 2 + 9}"

    pattern = r"\b(conv2d_transpose|conv2d|dense)(?:_(\d+))?(?=/)"
    return {re.sub(pattern, later, name): value for name, value in filled.items()}


def write_checkpoint(prefix: Path, filled: dict[str, np.ndarray]) -> Path:
    """Write the variables as a TF1 Saver does, with Adam's counters and the smaller slots."""
    tf = pytest.importorskip("tensorflow")
    extra = {
        "global_step": np.int64(5),
        **{f"beta{i}_power{stage}": np.float32(0.9) for i in (1, 2) for stage in ("", "_1")},
    }
    for name, value in filled.items():
        ending = name.endswith(("/w", "/kernel", "/Matrix", "/bias", "loggamma_x", "/gamma"))
        if ending and value.size < 10_000:
            extra[f"{name}/Adam"] = extra[f"{name}/Adam_1"] = np.full_like(value, 0.01)
    tensors = {**filled, **extra}
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=[tf.constant(value) for value in tensors.values()],
    )
    return prefix


def make(sizes: dict) -> TwoStageVAE:
    return TwoStageVAE(Config(**sizes, batch_size=4))


def numbers(variable) -> np.ndarray:
    return np.array(ops.convert_to_numpy(variable.value))


@pytest.fixture(scope="module")
def infogan() -> TwoStageVAE:
    return make({**SIZES["infogan28"], **COMMON})


@pytest.mark.parametrize("name", ["infogan28", "resnet32"])
def test_a_checkpoint_fills_every_weight(name, tmp_path):
    filled = variables(name)
    read = read_variables(write_checkpoint(tmp_path / "stage2", renumbered(filled)))
    sizes = infer_sizes(read)
    assert sizes == {**SIZES[name], **COMMON}

    vae = make(sizes)
    report = assign_variables(read, vae.stage1, vae.stage2)
    report.check()
    weights = [
        weight
        for stage in (vae.stage1, vae.stage2)
        for part in (stage.encoder, stage.decoder, stage.balancing)
        for weight in part.weights
    ]
    # The variance's own step is a copy of the mean's and has no place in our layer.
    copies = sum(variable.endswith("variance/local_step") for variable in filled)
    assert report.assigned == len(weights) == len(filled) - copies

    def expect(layer, weight, variable):
        np.testing.assert_array_equal(numbers(getattr(layer, weight)), filled[variable])

    encoder, decoder = vae.stage1.encoder, vae.stage1.decoder
    if name == "infogan28":
        scope = "stage1/encoder/conv2"
        expect(encoder.get_layer("conv2"), "u", f"{scope}/{scope}/w0/u_var")
        expect(encoder.get_layer("conv2"), "bias", f"{scope}/biases")
        scope = "stage1/encoder/en4"
        expect(encoder.get_layer("en4"), "u", f"{scope}/{scope}/Matrix0/u_var")
        expect(decoder.get_layer("conv4"), "kernel", "stage1/decoder/conv4/w")
        expect(decoder.get_layer("fc2"), "kernel", "stage1/decoder/fc2/Matrix")
        scope = "stage1/decoder/bn2_w"
        expect(decoder.get_layer("bn2"), "biased_mean", f"{scope}/{scope}/mean/biased")
    else:
        expect(encoder.get_layer("mu"), "kernel", "stage1/encoder/dense/kernel")
        expect(encoder.get_layer("log_sigma"), "kernel", "stage1/encoder/dense_1/kernel")
    expect(vae.stage1.balancing, "log_gamma", "stage1/decoder/loggamma_x")
    expect(vae.stage2.balancing, "log_gamma", "stage2/decoder/loggamma_z")


def test_wae_sizes_are_read_from_shapes():
    described = {name: np.broadcast_to(0, shape) for name, shape in shapes("wae64").items()}
    assert infer_sizes(renumbered(described)) == {**SIZES["wae64"], **COMMON}


@pytest.mark.slow
def test_a_wae_checkpoint_fills_every_weight(tmp_path):
    filled = variables("wae64")
    read = read_variables(write_checkpoint(tmp_path / "stage2", renumbered(filled)))
    vae = make(infer_sizes(read))
    assign_variables(read, vae.stage1, vae.stage2).check()
    for layer, variable in (("conv2", "encoder/conv2d_2"), ("log_sigma", "encoder/dense_1")):
        found = numbers(vae.stage1.encoder.get_layer(layer).kernel)
        np.testing.assert_array_equal(found, filled[f"stage1/{variable}/kernel"])
    for layer, variable in (("up1", "conv2d_transpose_1"), ("image", "conv2d_transpose_3")):
        found = numbers(vae.stage1.decoder.get_layer(layer).kernel)
        np.testing.assert_array_equal(found, filled[f"stage1/decoder/{variable}/kernel"])


def test_variables_that_do_not_fit_are_named(infogan):
    filled = variables("infogan28")
    u = "stage1/encoder/conv1/stage1/encoder/conv1/w0/u_var"
    del filled[u]
    filled["stage1/decoder/conv4/biases"] = np.zeros(3, np.float32)
    filled["stage1/decoder/conv5/w"] = np.zeros((4, 4, 1, 1), np.float32)
    before = [weight.copy() for weight in infogan.stage1.get_weights()]
    report = assign_variables(filled, infogan.stage1, infogan.stage2)
    assert report.missing == [u]
    assert report.misshapen == ["stage1/decoder/conv4/biases ((3,) instead of (1,))"]
    assert report.left_over == ["stage1/decoder/conv5/w"]
    with pytest.raises(ValueError, match="missing: .*u_var; left over: .*; of another shape: "):
        report.check()
    for old, new in zip(before, infogan.stage1.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_checkpoint_of_another_network_is_refused(infogan):
    with pytest.raises(ValueError, match="missing: stage1/encoder/conv1/w.*left over: "):
        assign_variables(variables("resnet32"), infogan.stage1, infogan.stage2).check()


def test_moving_averages_without_debias_variables_count_as_settled(infogan):
    filled = {n: v for n, v in variables("infogan28").items() if "/biased" not in n}
    filled = {n: v for n, v in filled.items() if "local_step" not in n}
    report = assign_variables(filled, infogan.stage1, infogan.stage2)
    report.check()
    assert len(report.debias_missing) == 3 * 5
    layer = infogan.stage1.decoder.get_layer("bn3")
    np.testing.assert_array_equal(numbers(layer.biased_mean), numbers(layer.moving_mean))


def test_custom_networks_have_no_counterpart(infogan):
    encoder, decoder = NETWORKS["infogan"]((8, 8, 1), 2)
    own = make({"image_shape": (28, 28, 1), "latent_dim": 16, "network": {"name": "infogan"}})
    assert encoder.name == "infogan_encoder" and decoder.name == "infogan_decoder"
    own.stage1.encoder.name = "mine"
    with pytest.raises(ValueError, match="no network like 'mine'"):
        assign_variables(variables("infogan28"), own.stage1, own.stage2)


# The command, with the forward passes that move Infogan's singular vectors.


def test_the_command_keeps_the_checkpoint_and_fits_what_it_lacks(tmp_path, capsys):
    filled = variables("infogan28")
    prefix = write_checkpoint(tmp_path / "stage2", filled)
    images = np.random.default_rng(0).integers(0, 256, (12, 28, 28, 1), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    np.savez(tmp_path / "reference.npz", images=images[:4], mu=np.zeros((4, 16), "f4"))
    words = ["import-checkpoint", prefix, "--out", tmp_path / "run"]
    words += ["--data", tmp_path / "images.npy", "--reference", tmp_path / "reference.npz"]
    assert main([str(word) for word in words]) == 0
    printed = capsys.readouterr().out
    assert "gamma learned, kept unchanged: stage 1 0.7788, stage 2 0.47237" in printed
    assert "largest difference from the original, modelling (mu)" in printed
    vae = TwoStageVAE.load(tmp_path / "run")
    assert vae.latent_normalization.mode == vae.image_normalization.mode == "gated"
    for layer, name in (("conv2", "w0"), ("en4", "Matrix0")):
        scope = f"stage1/encoder/{layer}"
        u = numbers(vae.stage1.encoder.get_layer(layer).u)
        np.testing.assert_array_equal(u, filled[f"{scope}/{scope}/{name}/u_var"])
    assert float(vae.stage1.balancing.gamma) == pytest.approx(np.exp(-0.25))


def test_data_without_training_images_are_refused_before_any_work(tmp_path, capsys):
    images = np.zeros((3, 28, 28, 1), np.uint8)
    write_prepared(tmp_path / "data", "mnist", from_arrays({"test": (images, None)}, {}))
    words = ["import-checkpoint", tmp_path / "absent", "--out", tmp_path / "run"]
    assert main([str(word) for word in [*words, "--data", tmp_path / "data"]]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "data has no train images; give another folder" in line
    assert not (tmp_path / "run").exists()


def test_data_that_do_not_fit_are_refused_and_nothing_is_left(tmp_path, capsys):
    prefix = write_checkpoint(tmp_path / "stage2", variables("infogan28"))
    np.save(tmp_path / "images.npy", np.zeros((12, 32, 32, 1), np.uint8))
    words = ["import-checkpoint", prefix, "--out", tmp_path / "run"]
    assert main([str(word) for word in [*words, "--data", tmp_path / "images.npy"]]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "28" in line and "32" in line
    assert not (tmp_path / "run").exists()
