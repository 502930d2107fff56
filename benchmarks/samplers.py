"""Distances of each sampler's images from test images, and the samplers' times.

    python benchmarks/samplers.py weights/mnist data/mnist --picture samplers.png

A sampler that the folder lacks is first fitted to the training images. Fitting the flow takes
minutes; `balancing-vae fit-sampler` fits it once and saves it.

Distances are measured in the features of a classifier of the data, so they are not FIDs. They
compare as many generated images as test images, over three sampling seeds. The row `posterior`
decodes draws from the posteriors of training images: the best that a sampler can be expected to
reach. The row `second stage, normalised` rescales latents in mode "latents".

The column `nearest` is the mean distance, in standardised latents, from 1,000 draws to the nearest
of 20,000 posterior means of training images. It is divided by the same distance for 1,000 draws
from the posteriors of test images. If it is well below 1, the sampler repeats the latents that it
was fitted to.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from scipy.spatial import cKDTree

from balancing_vae import TwoStageVAE
from balancing_vae import datasets
from balancing_vae.evaluation.columns import Column
from balancing_vae.evaluation.columns import choose_images
from balancing_vae.evaluation.measurement import aggregate
from balancing_vae.evaluation.measurement import with_deviation
from balancing_vae.evaluation.measuring import evaluate
from balancing_vae.fid.networks.classifier import Classifier
from balancing_vae.fid.networks.classifier import dataset_classifier
from balancing_vae.figures.images import draw_images
from balancing_vae.figures.style import save_figure
from balancing_vae.figures.tables import Table
from balancing_vae.samplers.prior import draw

FITTED = ("gaussian", "mixture", "flow")
NORMALIZED = "second stage, normalised"
METRICS = ("fid", "kid", "precision", "recall")
PROTOCOL = "asperti2020"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", help="folder of a trained run or of a pretrained set")
    parser.add_argument("data", help="prepared folder of the dataset that it was trained on")
    parser.add_argument(
        "--classifier", help="a .keras file (default: a small classifier is trained)"
    )
    parser.add_argument(
        "--images", type=int, default=10_000, help="generated images (default: 10000)"
    )
    parser.add_argument(
        "--width", type=int, default=512, help="units in each layer of the flow (default: 512)"
    )
    parser.add_argument(
        "--training-steps",
        type=int,
        default=8000,
        help="training steps of the flow (default: 8000)",
    )
    parser.add_argument(
        "--samplers",
        nargs="+",
        choices=FITTED,
        default=FITTED,
        help="samplers to measure (default: all)",
    )
    parser.add_argument("--picture", type=Path, help="file for a picture with samples of each")
    options = parser.parse_args()

    vae = TwoStageVAE.load(options.folder)
    prepared = datasets.open_prepared(options.data)
    x_train = prepared.images("train")
    x_test = choose_images(prepared.images("test"), options.images)
    sizes = {"flow": {"width": options.width, "training_steps": options.training_steps}}
    for name in options.samplers:
        start = time.perf_counter()
        if name not in vae.samplers:
            vae.fit_sampler(name, x_train, **sizes.get(name, {}))
            print(f"{name} fitted in {time.perf_counter() - start:.0f} s, encoding included")
        start = time.perf_counter()
        vae.samplers[name].sample(10_000)
        print(f"{name}: 10,000 latents drawn in {time.perf_counter() - start:.1f} s")
    # The mode's target is always 1, so the choice of images does not matter.
    vae.fit_normalization(x_test[:2], mode="latents")
    posteriors = vae.encode(x_train)
    latents = ways_to_latents(vae, *posteriors, len(x_test), options.samplers)
    if options.picture:
        rows = {name: vae.decode(of(0)[:16]) for name, of in latents.items()}
        save_figure(options.picture, draw_images(rows))
    network = Classifier(options.classifier) if options.classifier else None
    report(vae, latents, *posteriors, x_test, network or dataset_classifier(options.data))


def ways_to_latents(vae, mu, sigma, count, samplers):
    """Return functions of a seed that return latents, by name; all but one use the same noise."""

    def posterior(seed):
        rows = np.random.default_rng(seed).permutation(len(mu))[:count]
        return draw(mu[rows], sigma[rows], seed)

    def drawn_by(name, normalize=False):
        return lambda seed: vae.sample_latents(count, sampler=name, normalize=normalize, seed=seed)

    return {
        "posterior": posterior,
        "prior": drawn_by("prior"),
        "second stage": drawn_by("second_stage"),
        NORMALIZED: drawn_by("second_stage", normalize=True),
    } | {name: drawn_by(name) for name in samplers}


def report(vae, latents, mu, sigma, x_test, network):
    """Print a table with a row for test reconstructions and for each source of latents."""
    held_out = draw(*vae.encode(x_test), 0)
    deviation = np.sqrt(mu.var(axis=0) + np.mean(sigma**2, axis=0))
    tree = cKDTree(mu[:20_000] / deviation)

    def nearest(z):
        return tree.query(z[:1000] / deviation)[0].mean()

    def of_latents(of):
        return lambda seed: iter([(None, vae.decode(of(seed), keep_padding=True))])

    def of_images(seed):
        yield None, vae.reconstruct(x_test, seed=seed, normalize=False, keep_padding=True)

    columns = [Column("test reconstructions", of_images, arrays=1)]
    columns += [Column(name, of_latents(of), arrays=1) for name, of in latents.items()]
    rows = []
    for column in columns:
        name = column.name
        means = aggregate(evaluate([column], x_test, network, PROTOCOL, metrics=METRICS))
        row = {"latents": name}
        row |= {mean.name: with_deviation(mean.value, mean.deviation, ".3g") for mean in means}
        row |= {"log-density of test latents": None, "nearest": None}
        if name in ("prior", *FITTED):
            density = vae.samplers[name].log_density(held_out[:1000]).mean()
            row["log-density of test latents"] = f"{density:.2f}"
        if name in latents:
            row["nearest"] = f"{nearest(latents[name](0)) / nearest(held_out):.3f}"
        rows.append(row)
    print(Table.of(rows).markdown())


if __name__ == "__main__":
    main()
