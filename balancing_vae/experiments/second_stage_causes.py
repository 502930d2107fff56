"""Why second-stage samples are worse than draws from the posterior: one change at a time."""

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
from keras import ops
from scipy.stats import kurtosis

from balancing_vae.backend.batches import map_batches
from balancing_vae.backend.compilation import jit_compile_pays
from balancing_vae.backend.seeding import seeded_initializers
from balancing_vae.balancing import BalancingStrategy
from balancing_vae.balancing import ComputedGamma
from balancing_vae.balancing import FixedGamma
from balancing_vae.balancing import LearnedGamma
from balancing_vae.balancing import OptimalGamma
from balancing_vae.balancing.optimal import MIN_GAMMA
from balancing_vae.config import Config
from balancing_vae.errors import InputError
from balancing_vae.evaluation.measurement import mean_and_deviation
from balancing_vae.evaluation.measurement import with_deviation
from balancing_vae.experiments.moment_matching import PosteriorMoments
from balancing_vae.experiments.moment_matching import one_factor
from balancing_vae.experiments.resumable import measure_each
from balancing_vae.experiments.resumable import what_decides
from balancing_vae.fid.cache import cached_statistics
from balancing_vae.fid.distance import frechet_distance
from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.fid.measuring import measure
from balancing_vae.fid.protocols import get_protocol
from balancing_vae.figures.style import Figure
from balancing_vae.figures.style import style
from balancing_vae.models.latent_vae import LatentVAE
from balancing_vae.moments import inactive_latents
from balancing_vae.moments import variance_law
from balancing_vae.networks import latent_networks
from balancing_vae.pipeline import TwoStageVAE
from balancing_vae.samplers.mixture import Mixture
from balancing_vae.samplers.prior import Prior
from balancing_vae.samplers.prior import draw
from balancing_vae.training.loop import fit_stage
from balancing_vae.training.optimizer import build_optimizer
from balancing_vae.training.posterior import encode

# The run's own second stage, measured without training.
OWN = "the run's own"
# The run's recipe, with as many epochs as the other causes, and with all of its own.
RECIPE = "recipe"
WHOLE = "whole recipe"
# Number of second latents that the mixture is fitted to, and that it is evaluated on.
SECOND_LATENTS = 20_000
DISTANCES = ("plain", "normalised", "mixture of u", "reconstructed")


class FlooredGamma(ComputedGamma):
    """Computed gamma that does not fall below a floor.

    Args:
        floor: The least gamma.

    Example:
        ```python
        LatentVAE(encoder, decoder, FlooredGamma(0.3))
        ```
    """

    def __init__(self, floor: float):
        super().__init__()
        self.floor = floor

    @property
    def gamma(self):
        """Float32 scalar tensor, at least the floor."""
        return ops.maximum(super().gamma, self.floor)


class GammaPerLatent(OptimalGamma):
    """Optimal gamma for each element of the data: the root of its mean squared error.

    Example:
        ```python
        LatentVAE(encoder, decoder, GammaPerLatent())
        ```
    """

    def gamma_of(self, mse, x, x_hat):
        """Return a gamma for each element, float32 [1, L]."""
        errors = ops.mean(ops.square(x - x_hat), axis=0, keepdims=True)
        return ops.sqrt(ops.maximum(errors, MIN_GAMMA**2))


@dataclass(frozen=True)
class Cause:
    """The changes of a second stage compared with the run's recipe.

    Attributes:
        rate: Factor of the learning rate.
        falls: Whether the learning rate decreases.
        kl_weight: Weight of KL in the loss.
        balancing: Returns the balancing strategy.
        width: Factor of the number of units of each layer.
    """

    rate: float = 1.0
    falls: bool = True
    kl_weight: float = 1.0
    balancing: Callable[[], BalancingStrategy] = ComputedGamma
    width: float = 1.0


CAUSES = {
    RECIPE: Cause(),
    "learning rate / 10": Cause(rate=0.1),
    "learning rate x 3": Cause(rate=3.0),
    "constant learning rate": Cause(falls=False),
    "KL / 4": Cause(kl_weight=0.25),
    "KL / 2": Cause(kl_weight=0.5),
    "KL x 2": Cause(kl_weight=2.0),
    "KL x 4": Cause(kl_weight=4.0),
    "gamma of each batch": Cause(balancing=OptimalGamma),
    "gamma per latent": Cause(balancing=GammaPerLatent),
    "gamma learned": Cause(balancing=LearnedGamma),
    "gamma at least 0.3": Cause(balancing=lambda: FlooredGamma(0.3)),
    "gamma 0.1": Cause(balancing=lambda: FixedGamma(0.1)),
    "width / 2": Cause(width=0.5),
    "width x 2": Cause(width=2.0),
}


def measure_second_stages(
    vae: TwoStageVAE,
    x: np.ndarray,
    real: np.ndarray,
    network: FeatureNetwork,
    protocol: str,
    path: str | Path,
    epochs: int | None = None,
    causes: Sequence[str] | None = None,
    seed: int = 0,
    samples: int = 4096,
    draws: Sequence[int] = (0, 1, 2),
) -> list[dict]:
    """Train second stages on the latents of one first stage, and measure what they generate.

    Each second stage has one change compared with the run's recipe (see `CAUSES`) and is trained
    for `epochs`. The recipe itself is also trained for all of the run's epochs. The first stage
    decodes and is not changed. The distances are lists over sampling seeds. They compare `real`
    with images that are decoded from:

    - `plain`: second-stage samples, unchanged;
    - `normalised`: these after one factor, `z * sqrt(mean variance law) / mean(std(z))`;
    - `mixture of u`: samples for which the second stage's prior is replaced by a mixture of ten
      Gaussians, fitted to its second latents `u`;
    - `reconstructed`: the second stage's reconstructions of draws from the posterior;
    - `bound`: these draws themselves.

    Args:
        vae: A trained `TwoStageVAE` with a second stage.
        x: Its training images, uint8 [N, D, D, C].
        real: Test images of the same kind, uint8.
        network: The feature network.
        protocol: Name of the FID protocol.
        path: A `.json` file that keeps each finished training; use one file per run.
        epochs: Epochs of each training in `CAUSES`; None uses a quarter of the run's. The
            learning rate decreases at the same fractions of the training.
        causes: Names in `CAUSES`; `OWN` for the run's second stage, `WHOLE` for its recipe
            with all its epochs. None uses all.
        seed: Seed of the second stages' weights, order and noise.
        samples: Number of generated images of each distance.
        draws: Sampling seeds.

    Returns:
        One row for each second stage: cause, epochs, seed, samples, features, protocol; the
        distances; `distance` (their name); gamma; mse of its reconstructions; law (mean of
        Var(mu) + E[sigma^2] over u); active (number of active second latents); kurtosis (mean
        excess kurtosis of u); mismatch (mean difference in nats between the log densities of
        the mixture of u and of the prior, on other draws of u; a lower bound of the KL
        divergence of the aggregate posterior from the prior); `curve`, for the recipe: rows of
        epoch, gamma, plain and normalised, after 1, 2, 4, ... epochs.

    Raises:
        ValueError: The run has no second stage, or a cause is unknown.

    Example:
        ```python
        rows = measure_second_stages(vae, x_train, x_test, Pixels(), "asperti2020", "rows.json")
        print(Table.of(compare_second_stages(rows)))
        ```
    """
    own = vae.stage2
    if own is None:
        raise InputError(
            'This run has no second stage; train one whose samplers name "second_stage".'
        )
    known = (OWN, WHOLE, *CAUSES)
    if unknown := set(causes or ()) - set(known):
        raise InputError(f"There are no causes {sorted(unknown)}; choose some of {list(known)}.")
    judge = _Judge(vae, *vae.encode(x), real, network, protocol, samples, draws)
    whole = vae.config.epochs2
    epochs = max(1, whole // 4) if epochs is None else epochs
    about = {"seed": seed, "samples": samples, **what_decides(vae, x, real, network, protocol)}
    cases = [
        {"cause": cause, "epochs": whole if cause in (OWN, WHOLE) else epochs, **about}
        for cause in causes or known
    ]

    def measure_case(case: dict) -> dict:
        if case["cause"] == OWN:
            return judge.describe(own) | {"curve": []}
        keras.backend.clear_session(free_memory=True)
        followed = case["cause"] in (RECIPE, WHOLE)
        curve = _Curve(judge, _followed(case["epochs"]) if followed else [])
        stage = _train(vae.config, case, judge.posterior, curve)
        return judge.describe(stage) | {"curve": curve.rows}

    return measure_each(path, cases, measure_case, "second stages")


def compare_second_stages(rows: list[dict]) -> list[dict]:
    """Return one line for each second stage: the change, the distances and the diagnosis.

    Args:
        rows: What `measure_second_stages` returned.

    Returns:
        Dicts of cause, epochs, distances ("mean ± deviation" over sampling seeds), gamma, law,
        active second latents, kurtosis, mismatch (nats).

    Example:
        ```python
        print(Table.of(compare_second_stages(rows)))
        ```
    """
    return [
        {"cause": row["cause"], "epochs": row["epochs"]}
        | {name: with_deviation(*mean_and_deviation(row[name])) for name in DISTANCES}
        | {name: row[name] for name in ("gamma", "law", "active", "kurtosis", "mismatch")}
        for row in rows
    ]


def draw_second_stages(rows: list[dict]) -> Figure:
    """Draw the plain and normalised distances over training, and for each cause.

    Args:
        rows: What `measure_second_stages` returned.

    Returns:
        The figure: the longest curve of the recipe on the left, all causes on the right.
    """
    bound = np.mean(rows[0]["bound"])
    names = DISTANCES[:3]
    with style():
        figure = Figure(figsize=(11, 0.3 * len(rows) + 2.4))
        left, right = figure.subplots(1, 2)
        curve = max((row["curve"] for row in rows), key=len)
        for name in names[:2]:
            means, deviations = _over_draws([point[name] for point in curve])
            left.errorbar([p["epoch"] for p in curve], means, deviations, marker=".", label=name)
        left.set_xscale("log")
        left.set_yscale("log")
        left.set_xlabel("epochs of the recipe")
        left.set_ylabel(rows[0]["distance"])
        places = np.arange(len(rows))
        for i, name in enumerate(names):
            means, deviations = _over_draws([row[name] for row in rows])
            right.errorbar(means, places + (i - 1) / 5, xerr=deviations, fmt="o", label=name)
        right.set_yticks(places, [f"{row['cause']} ({row['epochs']} epochs)" for row in rows])
        right.set_ylim(len(rows) - 0.5, -0.5)
        right.set_xscale("log")
        right.set_xlabel(rows[0]["distance"])
        for line in (left.axhline, right.axvline):
            line(bound, linestyle="--", color="gray", label="draws from the posterior")
        figure.legend(*right.get_legend_handles_labels(), loc="outside right upper")
    return figure


def _over_draws(values: list[list[float]]) -> tuple[list[float], list[float]]:
    """Return the means and the deviations; the deviation of a single value is 0."""
    pairs = [mean_and_deviation(each) for each in values]
    return [mean for mean, _ in pairs], [deviation or 0.0 for _, deviation in pairs]


def _followed(epochs: int) -> list[int]:
    """Return the epochs after which the curve is measured: 1, 2, 4, ... and the last."""
    return [*(2**i for i in range(epochs.bit_length()) if 2**i < epochs), epochs]


def _train(config: Config, case: dict, posterior: tuple, callback) -> LatentVAE:
    cause = CAUSES.get(case["cause"], Cause())
    gap = config.lr_epochs2 * case["epochs"] / config.epochs2 if cause.falls else 0
    config = config.replace(
        epochs2=case["epochs"],
        lr2=config.lr2 * cause.rate,
        lr_epochs2=max(1, round(gap)) if gap else 0,
        seed=case["seed"],
    )
    width = max(1, round(config.second_dim * cause.width))
    with seeded_initializers(config.seed):
        stage = LatentVAE(
            *latent_networks(config.latent_dim, width, config.second_depth),
            cause.balancing(),
            kl_weight=cause.kl_weight,
            seed=config.seed + 1,
        )
    stage.compile(
        build_optimizer(config.lr2, config.adam_epsilon, **config.optimizer),
        jit_compile=jit_compile_pays(convolutional=False),
        steps_per_execution="auto",
    )
    fit_stage(
        stage,
        number=2,
        config=config,
        data=posterior,
        held_out=None,
        history=[],
        callbacks=[callback],
        verbose=False,
    )
    return stage


class _Curve(keras.callbacks.Callback):
    """The distances after some epochs of a training."""

    def __init__(self, judge: "_Judge", epochs: Sequence[int]):
        super().__init__()
        self.judge = judge
        self.epochs = epochs
        self.rows: list[dict] = []

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 in self.epochs:
            row = {"epoch": epoch + 1, "gamma": float(logs["gamma"])}
            self.rows.append(row | self.judge.sampled(self.model))


@dataclass
class _Judge:
    """Measures second stages of the same first stage, whose latents it keeps."""

    vae: TwoStageVAE
    mu: np.ndarray
    sigma: np.ndarray
    real: np.ndarray
    network: FeatureNetwork
    protocol: str
    samples: int
    draws: Sequence[int]

    @property
    def posterior(self) -> tuple[np.ndarray, np.ndarray]:
        return self.mu, self.sigma

    @property
    def size(self) -> int:
        return self.vae.config.batch_size

    @cached_property
    def moments(self) -> PosteriorMoments:
        return PosteriorMoments.measure(self.mu, self.sigma)

    @cached_property
    def reference(self):
        return cached_statistics(self.real, self.network, get_protocol(self.protocol))

    @cached_property
    def bound(self) -> list[float]:
        return self.distances(self.posterior_draws)

    def distances(self, latents: Callable[[int], np.ndarray]) -> list[float]:
        """Return the distance for each sampling seed."""
        protocol = get_protocol(self.protocol)
        images = (self.vae.decode(latents(seed), keep_padding=True) for seed in self.draws)
        measured = (measure(each, self.network, protocol, generated=True) for each in images)
        return [frechet_distance(self.reference, statistics) for statistics in measured]

    def posterior_draws(self, seed: int) -> np.ndarray:
        rows = np.random.default_rng(seed).permutation(len(self.mu))[: self.samples]
        return draw(self.mu[rows], self.sigma[rows], seed)

    def decoded(self, stage: LatentVAE, u: np.ndarray) -> np.ndarray:
        return map_batches(stage.decoder.predict_on_batch, self.size, u)

    def sampled(self, stage: LatentVAE) -> dict:
        """Return the distances of samples, plain and normalised."""
        prior = Prior(stage.latent_dim)
        z = {seed: self.decoded(stage, prior.sample(self.samples, seed)) for seed in self.draws}
        return {
            "plain": self.distances(lambda seed: z[seed]),
            "normalised": self.distances(lambda seed: one_factor(z[seed], self.moments)),
        }

    def describe(self, stage: LatentVAE) -> dict:
        """Return all measurements of a second stage."""
        z = draw(self.mu, self.sigma, 0)[: 2 * SECOND_LATENTS]
        u_mu, u_sigma = encode(stage, z, self.size)
        u = draw(u_mu, u_sigma, 1)
        fitted, other = u[: len(u) // 2], u[len(u) // 2 :]
        mixture = Mixture.fit(fitted)
        likelier = mixture.log_density(other) - Prior(stage.latent_dim).log_density(other)

        def reconstructed(seed: int) -> np.ndarray:
            given = encode(stage, self.posterior_draws(seed), self.size)
            return self.decoded(stage, draw(*given, seed))

        def of_mixture(seed: int) -> np.ndarray:
            return self.decoded(stage, mixture.sample(self.samples, seed))

        return self.sampled(stage) | {
            "mixture of u": self.distances(of_mixture),
            "reconstructed": self.distances(reconstructed),
            "bound": self.bound,
            "distance": self.network.distance_name,
            "gamma": float(ops.convert_to_numpy(stage.balancing.gamma)),
            "mse": float(np.mean(np.square(z - self.decoded(stage, u)))),
            "law": float(variance_law(u_mu, u_sigma).mean()),
            "active": int((~inactive_latents(u_sigma)).sum()),
            "kurtosis": float(kurtosis(u).mean()),
            "mismatch": float(likelier.mean()),
        }
