"""Does latent normalisation help, and does more of it help more? Distances by sample size."""

from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from keras import ops

from balancing_vae.backend.batches import map_batches
from balancing_vae.config import SECOND_STAGE
from balancing_vae.evaluation.measurement import mean_and_deviation
from balancing_vae.evaluation.measurement import with_deviation
from balancing_vae.experiments.moment_matching import PosteriorMoments
from balancing_vae.experiments.moment_matching import factor_a_latent
from balancing_vae.experiments.moment_matching import full_covariance
from balancing_vae.experiments.moment_matching import one_factor
from balancing_vae.experiments.resumable import measure_each
from balancing_vae.experiments.resumable import what_decides
from balancing_vae.experiments.rows import grouped
from balancing_vae.fid.cache import cached_statistics
from balancing_vae.fid.distance import frechet_distance
from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.fid.measuring import measure
from balancing_vae.fid.protocols import get_protocol
from balancing_vae.figures.style import Figure
from balancing_vae.figures.style import style
from balancing_vae.normalization import LatentNormalization

# Multiples of 64, because some protocols use batches of 64.
SAMPLES = (128, 256, 1024, 4096)


def latent_normalizations(
    vae, x: np.ndarray, seed: int = 0
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return ways to normalise second-stage latents, fitted on real images.

    Args:
        vae: A trained `TwoStageVAE`.
        x: Real images, uint8 or float in [0, 1], [N, D, D, C].
        seed: Seed of the second stage's noise, which decides the program's gate.

    Returns:
        Functions of latents, float [M, L], by name: "none"; "program" (each batch, if the gate
        is open; the target uses E[sigma]); and, with the variance law's target, "each batch" and
        "whole sample" (one factor), "each latent" and "full covariance".

    Example:
        ```python
        z = latent_normalizations(vae, x_test)["each latent"](z)
        ```
    """
    mu, sigma = vae.encode(x)
    program = LatentNormalization.fit(mu, sigma, vae.reconstruct_latents(mu, seed), "gated")
    moments = PosteriorMoments.measure(mu, sigma)
    size = vae.config.batch_size

    def each_batch(z: np.ndarray) -> np.ndarray:
        batches = np.split(z, range(size, len(z), size))
        return np.concatenate([one_factor(batch, moments) for batch in batches])

    return {
        "none": lambda z: z,
        "program": lambda z: program.apply(z, SECOND_STAGE, size),
        "each batch": each_batch,
        "whole sample": lambda z: one_factor(z, moments),
        "each latent": lambda z: factor_a_latent(z, moments),
        "full covariance": lambda z: full_covariance(z, moments),
    }


def measure_normalizations(
    vae,
    x: np.ndarray,
    real: np.ndarray,
    network: FeatureNetwork,
    protocol: str,
    path: str | Path,
    samples: Sequence[int] = SAMPLES,
    seeds: Sequence[int] = (0, 1, 2),
) -> list[dict]:
    """Measure samples of stage 2 after each normalisation, without and with decoder noise.

    The noise is that of Dai and Wipf, `z = z_hat + gamma_z * noise`; it is added before any
    normalisation.

    Args:
        vae: A trained `TwoStageVAE`.
        x: Images that the normalisations are fitted on, uint8 [M, D, D, C]: training images.
            The original program uses the test images; but a covariance matrix fitted on them
            would have an advantage that one factor does not have.
        real: Real test images of the distances, uint8 [N, D, D, C].
        network: The feature network.
        protocol: Name of the FID protocol.
        path: A `.json` file that keeps each finished distance; use one file per run.
        samples: Numbers of generated images. A normalisation is computed from these only.
        seeds: Sampling seeds.

    Returns:
        One row for each distance: normalization, noise, samples, seed, features, protocol,
        real_count, the hashes of features, real images, fitted images and weights, batch_size;
        distance (its name) and value.

    Example:
        ```python
        network = dataset_classifier("data/digits")
        rows = measure_normalizations(vae, x_train, x_test, network, "ttur", "runs/rows.json")
        ```
    """
    ways = latent_normalizations(vae, x)
    reference = cached_statistics(real, network, get_protocol(protocol))
    size = vae.config.batch_size
    gamma = float(ops.convert_to_numpy(vae.stage2.balancing.gamma))
    about = {
        "real_count": len(real),
        "batch_size": size,
        **what_decides(vae, x, real, network, protocol),
    }
    cases = [
        {"normalization": way, "noise": noise, "samples": count, "seed": seed, **about}
        for count in samples
        for seed in seeds
        for noise in (False, True)
        for way in ways
    ]

    def measure_case(case: dict) -> dict:
        # Stage 2 decodes whole batches of noise. All normalisations start from the same draws.
        rng = np.random.default_rng(case["seed"])
        whole = -(-case["samples"] // size) * size
        u, noise = rng.standard_normal((2, whole, vae.config.latent_dim), np.float32)
        z = map_batches(vae.stage2.decoder.predict_on_batch, size, u)
        if case["noise"]:
            z = z + gamma * noise
        images = vae.decode(ways[case["normalization"]](z[: case["samples"]]), keep_padding=True)
        statistics = measure(images, network, get_protocol(protocol), generated=True)
        value = frechet_distance(reference, statistics)
        return {"distance": network.distance_name, "value": value}

    return measure_each(path, cases, measure_case, "normalization")


def compare_normalizations(rows: list[dict]) -> list[dict]:
    """Return one line for each normalisation: mean and deviation over seeds by sample size.

    Args:
        rows: What `measure_normalizations` returned.

    Returns:
        Dicts of normalisation, noise, and "mean ± deviation" by number of samples.

    Example:
        ```python
        print(Table.of(compare_normalizations(rows)))
        ```
    """
    lines = []
    for (noise, way), own in grouped(rows, "noise", "normalization").items():
        line = {"normalisation": way, "noise": "gamma_z" if noise else "none"}
        for count, values in _by_samples(own).items():
            line[f"{count} samples"] = with_deviation(*mean_and_deviation(values))
        lines.append(line)
    return sorted(lines, key=lambda line: line["noise"] != "none")


def draw_normalization(rows: list[dict]) -> Figure:
    """Draw the distance over the number of samples, with a line for each normalisation.

    Args:
        rows: What `measure_normalizations` returned.

    Returns:
        The figure: without the decoder's noise on the left, with it on the right.
    """
    with style():
        figure = Figure(figsize=(11, 4))
        axes = figure.subplots(1, 2, sharey=True)
        ways = list(grouped(rows, "normalization"))
        by_line = grouped(rows, "normalization", "noise")
        for axis, noise in zip(axes, (False, True), strict=True):
            for i, way in enumerate(ways):
                values = _by_samples(by_line[way, noise])
                means, deviations = zip(*map(mean_and_deviation, values.values()), strict=True)
                axis.errorbar(
                    # Side by side, so that no bar hides another.
                    np.array(list(values)) * 1.03 ** (i - (len(ways) - 1) / 2),
                    means,
                    [deviation or 0 for deviation in deviations],
                    marker=".",
                    label=way,
                )
            axis.set_xscale("log")
            axis.set_xticks(list(values), [f"{count:,}" for count in values])
            axis.minorticks_off()
            axis.set_xlabel("generated images (bars: deviation over seeds)")
            axis.set_title("with gamma_z noise" if noise else "without noise")
        axes[0].set_ylabel(f"{rows[0]['distance']}, {rows[0]['protocol']}")
        names = axes[0].get_legend_handles_labels()
        figure.legend(*names, loc="outside right upper", title="normalisation")
    return figure


def _by_samples(rows: list[dict]) -> dict[int, list[float]]:
    groups = grouped(rows, "samples")
    return {count: [row["value"] for row in own] for count, own in groups.items()}
