"""How near the images of each sampler come to test images, and what the flow takes.

    python benchmarks/samplers.py weights/mnist data/mnist
    python benchmarks/samplers.py weights/cifar10-small data/cifar10 --width 256

Distances in the features of a classifier of the data, no FIDs: of 10,000 images each, over three
sampling seeds, without normalisation. `posterior` decodes draws from the posteriors of training
images, the bound of every sampler. `nearest` is the mean distance, in standardised latents, from
1,000 draws to the nearest of 20,000 means of training images, over that of 1,000 draws from
the posteriors of test images: well below 1, the sampler repeats what it was fitted to.
"""

import argparse
import os
import time
from statistics import mean
from statistics import stdev

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from scipy.spatial import cKDTree

from balancing_vae import TwoStageVAE
from balancing_vae import datasets
from balancing_vae.evaluation.columns import choose_images
from balancing_vae.fid.distance import frechet_distance
from balancing_vae.fid.measuring import measure
from balancing_vae.fid.networks.classifier import Classifier
from balancing_vae.fid.networks.classifier import dataset_classifier
from balancing_vae.fid.protocols import get_protocol
from balancing_vae.samplers.prior import draw

FITTED = ("gaussian", "mixture", "flow")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="a saved run or a set of weights")
    parser.add_argument("data", help="the prepared dataset it was trained on")
    parser.add_argument("--classifier", help="a .keras file, in place of one trained here")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--training-steps", type=int, default=8000)
    options = parser.parse_args()

    vae = TwoStageVAE.load(options.folder)
    prepared = datasets.open_prepared(options.data)
    x_train = prepared.images("train")
    x_test = choose_images(prepared.images("test"), options.images)
    for name in set(FITTED[:2]) - set(vae.samplers):
        vae.fit_sampler(name, x_train)
    start = time.perf_counter()
    sizes = {"width": options.width, "training_steps": options.training_steps}
    vae.fit_sampler("flow", x_train, **sizes)
    print(f"flow fitted in {time.perf_counter() - start:.0f} s, encoding included")
    start = time.perf_counter()
    vae.samplers["flow"].sample(10_000)
    print(f"10,000 latents drawn in {time.perf_counter() - start:.1f} s")
    network = Classifier(options.classifier) if options.classifier else None
    report(vae, x_train, x_test, network or dataset_classifier(options.data))


def report(vae, x_train, x_test, network):
    """Print a row for each way to latents."""
    mu, sigma = vae.encode(x_train)
    mu_test, sigma_test = vae.encode(x_test)
    deviation = np.sqrt(mu.var(axis=0) + np.mean(sigma**2, axis=0))
    tree = cKDTree(mu[:20_000] / deviation)
    count = len(x_test)

    def posterior(seed: int) -> np.ndarray:
        rows = np.random.default_rng(seed).permutation(len(mu))[:count]
        return draw(mu[rows], sigma[rows], seed)

    def drawn_by(name: str):
        return lambda seed: vae.sample_latents(count, sampler=name, normalize=False, seed=seed)

    def nearest(latents: np.ndarray) -> float:
        return tree.query(latents[:1000] / deviation)[0].mean()

    def decoded(of):
        return lambda seed: vae.decode(of(seed), keep_padding=True)

    held_out = draw(mu_test, sigma_test, 0)
    latents = {"posterior": posterior} | {
        name: drawn_by(name) for name in ("prior", "second_stage", *FITTED)
    }
    images = {"reconstruction": lambda seed: vae.reconstruct(x_test, seed=seed, keep_padding=True)}
    images |= {name: decoded(of) for name, of in latents.items()}
    protocol = get_protocol("asperti2020")
    real = measure(x_test, network, protocol)
    print(f"| latents | FD({network.name}) | log-density of test latents | nearest |")
    print("|---|---|---|---|")
    for name, made_of in images.items():
        values = [
            frechet_distance(real, measure(made_of(seed), network, protocol, generated=True))
            for seed in range(3)
        ]
        density = near = "-"
        if name in ("prior", *FITTED):
            density = f"{vae.samplers[name].log_density(held_out[:1000]).mean():.2f}"
        if name in latents:
            near = f"{nearest(latents[name](0)) / nearest(held_out):.3f}"
        distance = f"{mean(values):.2f} ± {stdev(values):.2f}"
        print(f"| {name} | {distance} | {density} | {near} |", flush=True)


if __name__ == "__main__":
    main()
