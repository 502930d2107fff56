"""Values that are not finite are refused, and nearly black images cause a warning."""

import json

import keras
import numpy as np
import pytest

from balancing_vae import TwoStageVAE
from balancing_vae.checks import as_uint8
from balancing_vae.checks import check_images
from balancing_vae.cli import main
from balancing_vae.normalization import ImageNormalization
from balancing_vae.normalization import LatentNormalization
from balancing_vae.training.sources import as_source
from balancing_vae.training.sources import first_images
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline

NAN = float("nan")


@pytest.fixture(scope="module")
def vae():
    vae = tiny_pipeline()
    for stage in vae.stages.values():
        stage.trained_epochs = 1
    return vae


def test_masked_arrays_are_refused():
    masked = np.ma.masked_array(tiny_images(), mask=tiny_images() > 100)
    with pytest.raises(ValueError, match="x is a masked array, whose mask would be ignored"):
        check_images(masked, (4, 4, 1))

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return masked

    with pytest.raises(ValueError, match="x is a masked array"):
        first_images(as_source(Batches(), (4, 4, 1)))


@pytest.mark.parametrize("largest", [0, 1])
def test_images_divided_by_255_twice_are_named(largest):
    with pytest.warns(UserWarning, match="x is uint8 with no value above 1.*by 255 twice"):
        check_images(np.full((3, 4, 4, 1), largest, np.uint8), (4, 4, 1))


def test_other_images_pass_without_a_warning(recwarn):
    dark = np.zeros((3, 4, 4, 1), np.uint8)
    dark[2, 0, 0] = 2
    check_images(dark, (4, 4, 1))
    check_images(dark.astype("f4") / 255, (4, 4, 1))
    assert not recwarn


def test_nan_latents_and_latents_that_become_nan_are_refused(vae):
    noise = np.zeros((8, 2), np.float32)
    noise[3, 1] = NAN
    for stage in (1, 2):
        with pytest.raises(ValueError, match="The latents have NaN or infinite values, first in"):
            vae.generate(8, stage=stage, normalize=False, noise=noise)
    with pytest.raises(ValueError, match="The latents have NaN"):
        vae.decode(np.array([[0, np.inf]]))
    broken = tiny_pipeline()
    image = broken.stage1.decoder.get_layer("image")
    image.bias.assign(image.bias * 0 + NAN)
    with pytest.raises(ValueError, match="The decoder's images have NaN"):
        broken.decode(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="The images have NaN .* first in row 1"):
        as_uint8(np.array([[0.5], [NAN]]))


def test_an_encoder_that_returns_nan_is_named_before_a_second_stage_gets_it():
    broken = tiny_pipeline()
    x = tiny_images()
    for name, named in (("log_sigma", "standard deviations"), ("mu", "means")):
        layer = broken.stage1.encoder.get_layer(name)
        layer.bias.assign(layer.bias * 0 + NAN)
        with pytest.raises(ValueError, match=f"The encoder's {named} have NaN .* first in row 0"):
            broken.encode(x)


def test_normalization_refuses_nan():
    mu, sigma = np.zeros((4, 2)), np.ones((4, 2))
    for arguments in ((mu + NAN, sigma, None), (mu, sigma * NAN, None), (mu, sigma, mu + NAN)):
        with pytest.raises(ValueError, match="The latents have NaN"):
            LatentNormalization.fit(*arguments)
    for target, message in ((NAN, "negative"), (np.inf, "finite"), (-1.0, "negative")):
        with pytest.raises(ValueError, match=f"target must .*{message}"):
            LatentNormalization("latents_and_images", target, True)
        with pytest.raises(ValueError, match=f"target must .*{message}"):
            ImageNormalization("latents_and_images", target)
    with pytest.raises(ValueError, match="mode must be one of"):
        LatentNormalization("evil", 1.0, True)


def test_a_saved_run_with_a_nan_target_writes_no_picture(vae, tmp_path, capsys):
    vae.save(tmp_path / "run")
    description = json.loads((tmp_path / "run/config.json").read_text())
    description["latent_normalization"] = {
        "mode": "latents_and_images",
        "target": NAN,
        "gate_open": True,
    }
    description["image_normalization"] = {"mode": "latents_and_images", "target": 0.2}
    (tmp_path / "run/config.json").write_text(json.dumps(description))
    assert main(["generate", str(tmp_path / "run"), "--out", str(tmp_path / "x.npy")]) == 2
    assert "config.json is damaged: latent_normalization.target" in capsys.readouterr().err
    assert not (tmp_path / "x.npy").exists()
    with pytest.raises(ValueError, match="latent_normalization.target must not be negative"):
        TwoStageVAE.load(tmp_path / "run")
