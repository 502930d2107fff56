"""Normalisation of latents and images in each mode."""

import numpy as np
import pytest

from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.moments import mean_std
from balancing_vae.normalization import MODES
from balancing_vae.normalization import ImageNormalization
from balancing_vae.normalization import LatentNormalization

rng = np.random.default_rng(0)
MU = 0.8 * rng.standard_normal((500, 4))
SIGMA = np.full(MU.shape, 0.5)
SHRUNK = 0.5 * MU
Z = 3 * rng.standard_normal((60, 4)) + np.repeat([[0.0], [5.0], [1.0]], 20, axis=0)


def test_targets_are_the_roots_of_the_modes_variance_law():
    variance = MU.var(0).mean()
    gated = LatentNormalization.fit(MU, SIGMA, SHRUNK)
    whole = LatentNormalization.fit(MU, SIGMA, SHRUNK, mode="latents_and_images")
    assert gated.mode == "gated"
    assert gated.target == pytest.approx(np.sqrt(variance + 0.5))
    assert whole.target == pytest.approx(np.sqrt(variance + 0.25))


def test_the_gate_opens_if_the_second_stage_loses_a_quarter_of_its_error():
    """Halved latents: the loss is 3/4 of the variance, the error 1/4 (the mean is near 0)."""
    assert LatentNormalization.fit(MU, SIGMA, SHRUNK).gate_open
    # Noise adds variance: the loss is negative, however large the error.
    noisy = MU + rng.standard_normal(MU.shape)
    assert not LatentNormalization.fit(MU, SIGMA, noisy).gate_open
    assert LatentNormalization.fit(MU, SIGMA, noisy, mode="latents_and_images").gate_open


@pytest.mark.parametrize(("ratio", "open_"), [(0.24, False), (0.26, True)])
def test_the_threshold_of_the_gate_is_a_quarter(ratio, open_):
    """z_hat = a mu + b noise with E noise^2 = var(mu) has an exactly known ratio."""
    mu = np.concatenate([np.ones((50, 1)), -np.ones((50, 1))])
    noise = np.tile([[1.0], [-1.0]], (50, 1))
    assert np.mean(mu * noise) == 0
    # loss = 1 - a^2 - b^2, mse = (1 - a)^2 + b^2; with a = 0.5: solve loss = ratio mse for b^2.
    b = np.sqrt((0.75 - 0.25 * ratio) / (1 + ratio))
    found = LatentNormalization.fit(mu, np.ones_like(mu), 0.5 * mu + b * noise)
    assert found.gate_open is open_


def test_shut_gate_returns_the_latents_themselves():
    shut = LatentNormalization("gated", 1.3, gate_open=False)
    for sampler in ("prior", "second_stage"):
        assert shut.apply(Z, sampler, batch_size=20) is Z


def test_mode_gated_rescales_the_second_stage_batch_by_batch():
    z = LatentNormalization("gated", 1.3, gate_open=True).apply(Z, "second_stage", batch_size=20)
    for start in (0, 20, 40):
        assert mean_std(z[start : start + 20]) == pytest.approx(1.3)
    # One factor for all latents of a batch, and no shift.
    np.testing.assert_allclose((z / Z)[:20], (z / Z)[0, 0])
    assert (z / Z)[0, 0] != pytest.approx((z / Z)[20, 0], rel=1e-3)
    assert mean_std(z) != pytest.approx(1.3, rel=0.05)


def test_mode_latents_and_images_rescales_the_second_stage_over_the_whole_sample():
    z = LatentNormalization("latents_and_images", 1.3, gate_open=True).apply(
        Z, "second_stage", batch_size=20
    )
    assert mean_std(z) == pytest.approx(1.3)
    np.testing.assert_allclose(z / Z, (z / Z)[0, 0])


def test_first_stage_is_scaled_by_the_target_in_mode_gated_only():
    z = LatentNormalization("gated", 1.3, True).apply(Z, "prior", 20)
    np.testing.assert_allclose(z, 1.3 * Z)
    assert LatentNormalization("latents_and_images", 1.3, True).apply(Z, "prior", 20) is Z


def test_fitted_samplers_are_rescaled_regardless_of_the_second_stages_gate():
    for mode, size in (("gated", 20), ("latents_and_images", 60)):
        for gate_open in (True, False):
            z = LatentNormalization(mode, 1.3, gate_open).apply(Z, "mixture", 20)
            for start in range(0, 60, size):
                assert mean_std(z[start : start + size]) == pytest.approx(1.3)


def test_without_a_second_stage_the_gate_is_open_and_a_code_has_its_own_deviation():
    fitted = LatentNormalization.fit(MU, np.zeros_like(MU), None)
    assert fitted.gate_open
    assert fitted.target == pytest.approx(np.sqrt(MU.var(0).mean()))


def test_latents_without_spread_are_refused():
    constant = np.ones((20, 4))
    for mode in ("gated", "latents_and_images"):
        with pytest.raises(ValueError, match="do not vary"):
            LatentNormalization(mode, 1.3, True).apply(constant, "second_stage", batch_size=20)


def test_images_reach_the_target_before_clipping():
    """Images far from 0 and 1 are not clipped: the deviation is the data's exactly."""
    images = 0.5 + 0.02 * rng.standard_normal((50, 4, 4, 1)).astype(np.float32)
    data = 0.5 + 0.1 * rng.standard_normal((80, 4, 4, 1))
    normalization = ImageNormalization.fit(data)
    found = normalization.apply(images, generated=False)
    assert found.dtype == np.float32
    assert mean_std(found) == pytest.approx(mean_std(data), rel=1e-5)
    np.testing.assert_allclose(found.mean(axis=0), images.mean(axis=0), atol=1e-5)
    assert normalization.scale(images) == pytest.approx(mean_std(data) / mean_std(images))


def test_images_are_clipped():
    images = rng.random((50, 4, 4, 1)).astype(np.float32)
    found = ImageNormalization("gated", 2.0).apply(images, generated=False)
    assert (found.min(), found.max()) == (0, 1)


def test_generated_images_are_rescaled_in_mode_latents_and_images_only():
    images = 0.5 + 0.02 * rng.standard_normal((50, 4, 4, 1))
    assert ImageNormalization("gated", 0.1).apply(images, generated=True) is images
    found = ImageNormalization("latents_and_images", 0.1).apply(images, generated=True)
    assert mean_std(found) == pytest.approx(0.1)


def test_a_single_image_is_not_changed():
    """It is its own mean: there is no deviation to rescale."""
    image = rng.random((1, 4, 4, 1))
    found = ImageNormalization("gated", 0.1).apply(image, generated=False)
    np.testing.assert_array_equal(found, image)


def test_unknown_modes_are_refused():
    with pytest.raises(ValueError, match="mode must be one of"):
        LatentNormalization.fit(MU, SIGMA, SHRUNK, mode="mine")
    with pytest.raises(ValueError, match="mode must be one of"):
        ImageNormalization.fit(Z, mode="mine")


def test_mode_latents_divides_each_batch_by_its_mean_deviation_and_nothing_else():
    """By hand: deviations of the two latents 1 and 3 in the first batch, 2 and 2 in the second."""
    fitted = LatentNormalization.fit(MU, SIGMA, MU + 1, mode="latents")
    assert (fitted.target, fitted.gate_open) == (1.0, True)
    z = np.array([[-1.0, 0.0], [1.0, 6.0], [1.0, 1.0], [5.0, -3.0]])
    found = fitted.apply(z, "second_stage", batch_size=2)
    np.testing.assert_array_equal(found, [[-0.5, 0.0], [0.5, 3.0], [0.5, 0.5], [2.5, -1.5]])
    assert fitted.apply(z, "prior", batch_size=2) is z
    images = rng.random((5, 4, 4, 1))
    of_images = ImageNormalization.fit(rng.random((9, 4, 4, 1)), mode="latents")
    for generated in (False, True):
        assert of_images.apply(images, generated) is images


def test_mode_latents_is_refused_for_a_deterministic_encoder():
    """Nothing drives such latents to the deviation 1."""
    with pytest.raises(ValueError, match="deterministic encoder has no KL: choose 'gated' or"):
        LatentNormalization.fit(MU, np.zeros_like(MU), None, mode="latents")


@pytest.mark.parametrize(
    ("former", "now"), [("reference", "gated"), ("paper", "latents_and_images")]
)
def test_former_names_of_modes_are_read(former, now):
    assert LatentNormalization(former, 1.3, True) == LatentNormalization(now, 1.3, True)
    assert ImageNormalization(former, 1.3).mode == now
    with pytest.warns(
        DeprecationWarning, match=f"mode='{former}' is deprecated.* use mode='{now}'"
    ):
        fitted = LatentNormalization.fit(MU, SIGMA, SHRUNK, former)
    assert fitted == LatentNormalization.fit(MU, SIGMA, SHRUNK, now)
    with pytest.warns(DeprecationWarning, match=f"mode='{former}' is deprecated"):
        assert ImageNormalization.fit(Z, former).mode == now
    assert Measurement("REC", "fid", 1.0, 9, 9, normalization=former).normalization == now


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sampler", ["prior", "second_stage", "mixture"])
@pytest.mark.parametrize("gate_open", [True, False])
def test_a_mode_reports_exactly_what_it_does_not_change(mode, sampler, gate_open):
    if not gate_open and not MODES[mode].gated:
        return
    of_latents = LatentNormalization(mode, 1.3, gate_open)
    of_images = ImageNormalization(mode, 0.9)
    images = rng.random((20, 4, 4, 1))
    unchanged = (
        of_latents.apply(Z, sampler, 20) is Z and of_images.apply(images, generated=True) is images
    )
    assert (of_latents.left_alone(sampler) is not None) == unchanged
    unchanged = of_images.apply(images, generated=False) is images
    assert (of_images.left_alone() is not None) == unchanged
