"""The flow: what it learns, its density, saving it, and requests that it refuses."""

import keras
import numpy as np
import pytest

from balancing_vae import TwoStageVAE
from balancing_vae.cli import main
from balancing_vae.files.arrays import save_arrays
from balancing_vae.files.formats import SAVED
from balancing_vae.samplers import Flow
from balancing_vae.samplers import Mixture
from balancing_vae.samplers import Prior
from balancing_vae.samplers import fit_sampler
from balancing_vae.samplers import unfinished
from balancing_vae.samplers.flow_matching import Paths
from balancing_vae.samplers.flow_matching import on_paths
from balancing_vae.samplers.velocity import Velocity
from balancing_vae.samplers.velocity import VelocityAndDivergence
from balancing_vae.storage.samplers import load_samplers
from balancing_vae.storage.samplers import save_samplers
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline
from tests.helpers.processes import python_prints

SMALL = {"width": 16, "training_steps": 20}
TRUE = Mixture(
    np.array([0.5, 0.3, 0.2]),
    np.array([[-2.0, 0.0], [2.0, 1.0], [0.0, -2.0]]),
    np.stack([0.5 * np.eye(2), 0.3 * np.eye(2), np.array([[0.8, 0.3], [0.3, 0.6]])]),
)


def random_velocity(latent_dim: int) -> Velocity:
    """A network far from its start, where it is the flow of a normal."""
    velocity = Velocity(latent_dim, 16)
    rng = np.random.default_rng(1)
    arrays = velocity.to_arrays()
    velocity.assign({k: 0.25 * rng.standard_normal(a.shape) for k, a in arrays.items()})
    return velocity


def random_flow(latent_dim: int, solver: str = "rk4", steps: int = 20) -> Flow:
    mean = np.linspace(-1, 1, latent_dim, dtype=np.float32)
    scale = np.linspace(0.5, 2, latent_dim, dtype=np.float32)
    return Flow(mean, scale, random_velocity(latent_dim), solver, steps)


# What it is.


def test_an_untrained_flow_is_a_gaussian_with_the_deviations_of_the_latents():
    rng = np.random.default_rng(0)
    latents = [3.0, -1.0] + rng.standard_normal((50_000, 2)) * [2.0, 0.1]
    flow = Flow(
        latents.mean(0, dtype=np.float32),
        latents.std(0).astype(np.float32),
        Velocity(2, 16),
        "rk4",
        20,
    )
    np.testing.assert_allclose(
        flow.sample(100, seed=1), flow.mean + flow.scale * Prior(2).sample(100, seed=1), atol=1e-3
    )
    z = flow.sample(20)
    expected = Prior(2).log_density((z - flow.mean) / flow.scale) - np.log(flow.scale).sum()
    np.testing.assert_allclose(flow.log_density(z), expected, atol=1e-3)


def test_the_divergence_is_the_trace_of_the_jacobian():
    velocity = random_velocity(3)
    rng = np.random.default_rng(2)
    z = rng.standard_normal((8, 3)).astype(np.float32)
    t = np.linspace(0, 1, 8, dtype=np.float32)[:, None]
    v, divergence = VelocityAndDivergence(velocity).predict_on_batch((z, t))
    np.testing.assert_allclose(v, velocity.predict_on_batch((z, t)), rtol=1e-4, atol=1e-5)
    step = 0.01 * np.eye(3, dtype=np.float32)
    differences = sum(
        velocity.predict_on_batch((z + d, t))[:, i] - velocity.predict_on_batch((z - d, t))[:, i]
        for i, d in enumerate(step)
    )
    np.testing.assert_allclose(divergence[:, 0], differences / 0.02, rtol=0.01, atol=0.01)


def test_the_density_integrates_to_one():
    flow = random_flow(2, "rk4", 8)
    side = np.linspace(-12, 8, 81)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    density = np.exp(flow.log_density(grid))
    # Far from a normal: else this would show nothing of the divergence.
    assert abs(flow.sample(1000).mean(axis=0) - flow.mean).max() > 0.5
    assert density.sum() * (side[1] - side[0]) ** 2 == pytest.approx(1, abs=0.01)


def test_more_steps_approximate_the_flow_better():
    best = random_flow(2, "rk4", 100)
    expected = best.sample(50, seed=3)

    def error(solver, steps):
        return abs(
            Flow(best.mean, best.scale, best.velocity, solver, steps).sample(50, seed=3) - expected
        ).max()

    assert error("midpoint", 40) < error("midpoint", 10) < error("euler", 10)
    assert error("rk4", 40) < error("midpoint", 40)


# Its training.


@pytest.mark.parametrize("t", [0.0, 0.1, 0.6, 0.95, 1.0])
def test_it_learns_from_the_mean_velocity_of_the_paths_through_a_point(t):
    """For one posterior, point and velocity are normal together: the mean is a regression."""
    rng = np.random.default_rng(0)
    noise, latent = rng.standard_normal(200_000), 1.5 + 0.6 * rng.standard_normal(200_000)
    points, velocities = (1 - t) * noise + t * latent, latent - noise
    slope, intercept = np.polyfit(points, velocities, 1)
    mu, sigma, times = np.full((1000, 1), 1.5), np.full((1000, 1), 0.6), np.full((1000, 1), t)
    z, mean_velocities = on_paths(mu, sigma, times, rng.standard_normal((1000, 1)))
    np.testing.assert_allclose(mean_velocities, intercept + slope * z, atol=0.05)
    assert z.mean() == pytest.approx(points.mean(), abs=0.1)
    assert z.std() == pytest.approx(points.std(), rel=0.1)


def test_paths_without_noise_end_with_a_finite_velocity():
    """Times just below 1 are rounded to 1."""
    z, velocities = on_paths(np.full((1, 2), 2.0), np.zeros((1, 2)), np.ones((1, 1)), np.ones(2))
    np.testing.assert_array_equal(z, [[2, 2]])
    np.testing.assert_array_equal(velocities, [[2, 2]])


def learned(latents, points, **options) -> float:
    """Return how much the flow's held-out log-likelihood lacks."""
    flow = Flow.fit(latents, **options)
    return flow.log_density(points).mean()


@pytest.mark.slow
def test_it_recovers_a_mixture_in_two_dimensions():
    latents, points = TRUE.sample(50_000, seed=1), TRUE.sample(4_000, seed=2)
    truth = TRUE.log_density(points).mean()
    found = learned(latents, points, width=128, training_steps=2000)
    assert truth - 0.05 < found < truth + 0.02
    # What is to be seen: a Gaussian lacks most of it.
    assert fit_sampler("gaussian", latents).log_density(points).mean() < truth - 0.5


@pytest.mark.slow
def test_it_recovers_a_mixture_in_sixteen_dimensions():
    rng = np.random.default_rng(3)
    roots = np.stack([np.eye(16) * 0.5, np.diag(rng.uniform(0.3, 1, 16))])
    true = Mixture(np.array([0.6, 0.4]), rng.standard_normal((2, 16)), roots)
    latents, points = true.sample(50_000, seed=1), true.sample(1_000, seed=2)
    truth = true.log_density(points).mean()
    found = learned(latents, points, width=128, training_steps=2000)
    assert truth - 0.1 < found < truth + 0.05
    assert fit_sampler("gaussian", latents).log_density(points).mean() < truth - 1


def test_a_short_training_beats_a_gaussian():
    latents = TRUE.sample(5_000, seed=1)
    flow = Flow.fit(latents, width=32, training_steps=200)
    points = TRUE.sample(500, seed=2)
    gaussian = fit_sampler("gaussian", latents).log_density(points).mean()
    assert flow.log_density(points).mean() > gaussian + 0.1
    np.testing.assert_allclose(flow.sample(4000).mean(axis=0), latents.mean(axis=0), atol=0.2)


def test_it_is_trained_on_new_draws_from_the_posteriors():
    """Two means and a wide deviation: draws of one epoch lie where none of the means does."""
    mu = np.c_[np.repeat([-1.0, 1.0], 50), np.full(100, 0.7)]
    sigma = np.array([3.0, 0.0]) * np.ones_like(mu)
    flow = Flow.fit(mu, sigma=sigma, **SMALL)
    np.testing.assert_allclose(flow.mean, [0, 0.7], atol=1e-6)
    np.testing.assert_allclose(flow.scale, [np.sqrt(10), 0], rtol=1e-6)
    z = flow.sample(2000)
    assert z[:, 0].std() == pytest.approx(np.sqrt(10), rel=0.1)
    # The other latent never varies.
    np.testing.assert_allclose(z[:, 1], 0.7, atol=1e-6)
    with pytest.raises(ValueError, match="no density, because the latents do not vary"):
        flow.log_density(mu)


def test_the_seed_alone_decides_the_fit():
    latents = TRUE.sample(300, seed=1)
    keras.utils.set_random_seed(1)
    one = Flow.fit(latents, seed=4, **SMALL).sample(30)
    keras.utils.set_random_seed(2)
    np.testing.assert_array_equal(one, Flow.fit(latents, seed=4, **SMALL).sample(30))


# Its interruption.


class Killed(BaseException):
    """What a killed process raises here."""


@pytest.fixture
def killed_at_step_8(monkeypatch):
    """Each step is saved; the eighth save does not happen."""

    def save(path, **arrays):
        saved.append(path)
        if len(saved) == 8:
            raise Killed
        save_arrays(path, **arrays)

    saved = []
    monkeypatch.setattr(unfinished, "SECONDS_BETWEEN", 0)
    monkeypatch.setattr(unfinished, "save_arrays", save)


def recorded_steps(monkeypatch) -> list[int]:
    """Return a list to which each step of a later fit adds its number."""
    steps: list[int] = []
    original = Paths.__getitem__
    monkeypatch.setattr(Paths, "__getitem__", lambda s, i: steps.append(i) or original(s, i))
    return steps


def test_a_killed_fit_is_resumed_to_the_same_arrays(killed_at_step_8, tmp_path, monkeypatch):
    latents, path = TRUE.sample(300, seed=1), tmp_path / "flow_unfinished.npz"
    expected = Flow.fit(latents, seed=4, **SMALL).to_arrays()
    with pytest.raises(Killed):
        Flow.fit(latents, seed=4, unfinished=path, **SMALL)
    steps = recorded_steps(monkeypatch)
    resumed = Flow.fit(latents, seed=4, unfinished=path, **SMALL).to_arrays()
    assert sorted({*steps}) == list(range(20 - 7))
    assert resumed.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(resumed[name], array)
    assert not path.exists()


def test_only_the_same_training_is_resumed(tmp_path, monkeypatch):
    monkeypatch.setattr(unfinished, "SECONDS_BETWEEN", 0)
    x, path = np.ones((4, 2), np.float32), tmp_path / "flow_unfinished.npz"
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    model.fit(x, x, batch_size=1, verbose=0, callbacks=[unfinished.Unfinished(path, x, 1)])
    trained = model.get_weights()
    model.set_weights([0 * weight for weight in trained])
    for others in ((x, 2), (x + 1, 1), (x, 1, 64)):
        assert unfinished.Unfinished(path, *others).restore(model) == 0
        assert not model.get_weights()[0].any()
    assert unfinished.Unfinished(path, x, 1).restore(model) == 4
    np.testing.assert_array_equal(model.get_weights()[0], trained[0])


def test_the_command_line_resumes_a_killed_fit(killed_at_step_8, vae, tmp_path):
    vae.save(tmp_path / "run")
    np.save(tmp_path / "x.npy", tiny_images())
    words = ["fit-sampler", tmp_path / "run", "flow", "--data", tmp_path / "x.npy"]
    words = [str(word) for word in [*words, "--width", "8", "--training-steps", "12"]]
    files = set((tmp_path / "run").rglob("*"))
    with pytest.raises(Killed):
        main(words)
    (left,) = set((tmp_path / "run").rglob("*")) - files
    assert left.name == "flow_unfinished.npz"
    assert not list(SAVED.foreign_files(tmp_path / "run"))
    assert main(words) == 0
    assert set((tmp_path / "run").rglob("*")) == files


def test_a_training_killed_in_the_fit_resumes_it(killed_at_step_8, tmp_path, monkeypatch):
    monkeypatch.setattr(Flow.fit.__func__, "__defaults__", (0, None, 16, 20, "midpoint", 10, None))
    images, path = tiny_images(), tmp_path / "samplers" / "flow_unfinished.npz"
    expected = tiny_pipeline(samplers=["prior", "flow"])
    expected.fit(images, verbose=False)
    assert not path.exists()
    vae = TwoStageVAE(expected.config)
    with pytest.raises(Killed):
        vae.fit(images, verbose=False, run_dir=tmp_path)
    assert path.exists()
    steps = recorded_steps(monkeypatch)
    resumed = TwoStageVAE(expected.config)
    resumed.fit(images, verbose=False, run_dir=tmp_path)
    assert len({*steps}) == 20 - 7
    np.testing.assert_array_equal(
        resumed.samplers["flow"].sample(9, seed=1), expected.samplers["flow"].sample(9, seed=1)
    )
    assert not path.exists()


def test_a_damaged_state_is_named(tmp_path):
    path = tmp_path / "flow_unfinished.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match="flow_unfinished.npz is damaged; remove it, and"):
        Flow.fit(TRUE.sample(300), unfinished=path, **SMALL)


def test_another_npz_file_is_neither_replaced_nor_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(unfinished, "SECONDS_BETWEEN", 0)
    path = tmp_path / "latents.npz"
    np.savez(path, mu=np.ones((4, 2)))
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="latents.npz is not the state of an unfinished fit"):
        Flow.fit(TRUE.sample(300), unfinished=path, **SMALL)
    assert path.read_bytes() == before


# In the pipeline, saved, loaded.


@pytest.fixture(scope="module")
def vae() -> TwoStageVAE:
    pipeline = tiny_pipeline()
    pipeline.fit(tiny_images(), verbose=False)
    pipeline.fit_sampler("flow", tiny_images(), solver_steps=3, **SMALL)
    return pipeline


def test_the_pipeline_gives_it_the_posteriors_and_draws_from_it(vae):
    flow = vae.samplers["flow"]
    mu, sigma = vae.encode(tiny_images())
    np.testing.assert_allclose(flow.mean, mu.mean(axis=0), rtol=1e-5, atol=1e-6)
    assert (flow.scale > mu.std(axis=0)).all()
    assert flow.solver_steps == 3
    z = vae.sample_latents(5, sampler="flow", normalize=False, seed=2)
    np.testing.assert_allclose(z, flow.sample(5, seed=2), rtol=1e-5, atol=1e-6)
    assert vae.generate(5, sampler="flow", normalize=False).shape == (5, 4, 4, 1)


def test_it_is_saved_and_loaded(vae, tmp_path):
    vae.save(tmp_path / "run")
    loaded = TwoStageVAE.load(tmp_path / "run")
    flow, again = vae.samplers["flow"], loaded.samplers["flow"]
    assert (again.solver, again.solver_steps, again.latent_dim) == ("midpoint", 3, 2)
    np.testing.assert_array_equal(again.sample(9, seed=1), flow.sample(9, seed=1))
    z = flow.sample(9)
    np.testing.assert_array_equal(again.log_density(z), flow.log_density(z))


def test_the_command_line_fits_it_and_draws_from_it(vae, tmp_path, capsys):
    run, images = tmp_path / "run", tmp_path / "x.npy"
    vae.save(run)
    np.save(images, tiny_images())
    words = ["fit-sampler", run, "flow", "--data", images, "--width", "8", "--training-steps", "5"]
    words += ["--solver", "euler", "--solver-steps", "2"]
    assert main([str(word) for word in words]) == 0
    flow = TwoStageVAE.load(run).samplers["flow"]
    assert (flow.solver, flow.solver_steps, len(flow.to_arrays()["enter_bias"])) == ("euler", 2, 8)
    out = tmp_path / "y.npy"
    words = ["generate", run, "-n", "5", "--sampler", "flow", "--plain", "--out", out]
    assert main([str(word) for word in words]) == 0
    assert np.load(out).shape == (5, 4, 4, 1)
    capsys.readouterr()
    assert main(["fit-sampler", str(run), "flow", "--data", str(images), "--solver", "magic"]) == 2
    assert "solver must be one of" in capsys.readouterr().err


LOADED = """
import json, sys, numpy as np
from balancing_vae.storage.samplers import load_samplers
from pathlib import Path
flow = load_samplers(Path(sys.argv[1]), ["flow"], 2)["flow"]
z = flow.sample(9, seed=1)
print(json.dumps([z.tolist(), flow.log_density(z).tolist()]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_every_backend_draws_the_same_from_a_file(backend, tmp_path):
    flow = random_flow(2)
    save_samplers(tmp_path, {"flow": flow})
    z, density = python_prints(LOADED, str(tmp_path), KERAS_BACKEND=backend)
    np.testing.assert_allclose(z, flow.sample(9, seed=1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(density, flow.log_density(np.float32(z)), rtol=1e-3, atol=1e-3)


FITTED = """
import numpy as np
from balancing_vae.samplers import Flow
latents = np.random.default_rng(0).standard_normal((300, 2))
print(Flow.fit(latents, width=16, training_steps=20).sample(400).std())
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_every_backend_fits_it(backend):
    assert python_prints(FITTED, KERAS_BACKEND=backend) == pytest.approx(1, abs=0.15)


def test_damaged_files_are_named(tmp_path):
    flow = random_flow(2)
    whole = flow.to_arrays()
    save_samplers(tmp_path, {"flow": flow})
    path = tmp_path / "samplers/flow.npz"
    for changes, message in (
        ({"leave_bias": np.zeros(3, np.float32)}, r"leave_bias must have the shape \(2,\)"),
        # A network of a million units would not fit into memory.
        ({"enter_bias": np.zeros(1_000_000, np.float32)}, r"must have the shape \(2, 1000000\)"),
        ({"first_0_kernel": whole["first_0_kernel"] * np.nan}, "must hold finite floats"),
        ({"scale": -whole["scale"]}, "scale must not be negative"),
        ({"solver": np.asarray("magic")}, "solver must be one of"),
        ({"solver": np.zeros(3)}, "damaged"),
        ({"solver_steps": np.asarray(0)}, "solver_steps must be"),
        ({"more": np.zeros(1)}, "Expected the arrays"),
    ):
        np.savez(path, **whole | changes)
        with pytest.raises(ValueError, match=message) as caught:
            load_samplers(tmp_path, ["flow"], latent_dim=2)
        assert "flow.npz is damaged" in str(caught.value)


# Refusals.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width must be positive, got 0"),
        ({"training_steps": 2.5}, "training_steps must be a whole number"),
        ({"solver": "magic"}, r"solver must be one of \('euler', 'midpoint', 'rk4'\)"),
        ({"solver_steps": 0}, "solver_steps must be positive, got 0"),
        ({"components": 3}, r"sampler 'flow' does not take \['components'\], only"),
    ],
)
def test_options_out_of_range_are_refused_before_the_latents_are_read(options, message):
    with pytest.raises(ValueError, match=message):
        tiny_pipeline().fit_sampler("flow", None, **options)


def test_too_few_points_are_refused():
    with pytest.raises(
        ValueError, match="2 points of 2 dimensions, because their covariance is singular"
    ):
        Flow.fit(TRUE.sample(2), **SMALL)
    with pytest.raises(ValueError, match="NaN or infinite"):
        Flow.fit(np.full((9, 2), np.nan), **SMALL)
