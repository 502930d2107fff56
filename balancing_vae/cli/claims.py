"""The subcommands of `balancing-vae reproduce` for the paper's equations and smaller claims."""

import argparse
from pathlib import Path

from balancing_vae.cli.arguments import add_command
from balancing_vae.cli.arguments import whole_number
from balancing_vae.cli.data import add_data_argument
from balancing_vae.cli.data import add_run_argument
from balancing_vae.cli.data import check_run
from balancing_vae.cli.data import open_split
from balancing_vae.cli.experiments import add_experiment
from balancing_vae.cli.experiments import add_seed
from balancing_vae.cli.experiments import figures_folder
from balancing_vae.cli.experiments import save_picture

NETWORK = {"name": "dense", "width": 256, "depth": 2}


def add_claims(experiments: argparse._SubParsersAction) -> None:
    """Add the subcommands `kl`, `law`, `linear`, `averages`, `overfit` and `stage2`."""
    kl = add_experiment(
        experiments,
        "kl",
        "Equation 2: at a fixed ratio mu / sigma, KL is smallest where mu² + sigma² = 1 (takes "
        "seconds).",
        "balancing-vae reproduce kl",
    )
    kl.set_defaults(run=_kl)

    law = add_experiment(
        experiments,
        "law",
        "Equation 4: trains a first stage on the digits, then prints for each latent the variance "
        "law (E[mu²] + E[sigma²] = 1) and the parts of its KL (takes a minute).",
        "balancing-vae reproduce law --epochs 60",
    )
    law.add_argument(
        "--epochs", type=whole_number(1, 1_000_000), default=60, help="epochs (default: 60)"
    )
    add_seed(law, "the initial weights and the noise")
    law.set_defaults(run=_law)

    linear = add_experiment(
        experiments,
        "linear",
        "Figure 2: for PCA and for a trained linear autoencoder, the variance loss equals the mean "
        "squared error; on the digits (takes half a minute).",
        "balancing-vae reproduce linear",
    )
    linear.set_defaults(run=_linear)

    averages = add_experiment(
        experiments,
        "averages",
        "Averages lose variance: the average of each digit with other digits, a moving average of "
        "a curve, and the lower bound of the variance loss (takes half a minute).",
        "balancing-vae reproduce averages",
    )
    averages.set_defaults(run=_averages)

    overfit = add_experiment(
        experiments,
        "overfit",
        "The exception to figure 4: dense networks that memorise a few images lose less variance "
        "than their mean squared error (takes 10 minutes; if stopped, run it again to continue).",
        "balancing-vae reproduce overfit --data data/mnist",
    )
    overfit.add_argument(
        "--data", type=Path, help="a prepared folder (default: the dataset digits)"
    )
    add_seed(overfit, "the initial weights and the noise")
    overfit.set_defaults(run=_overfit)

    stage2 = add_command(
        experiments,
        "stage2",
        "Print how much variance the second stage's reconstructions and samples of latents lose.",
        "balancing-vae reproduce stage2\n"
        "balancing-vae reproduce stage2 runs/cifar10 --data data/cifar10",
    )
    add_run_argument(stage2, "the pretrained set digits")
    add_data_argument(stage2)
    add_seed(stage2, "the draws")
    stage2.set_defaults(run=_stage2)


def _kl(options: argparse.Namespace) -> None:
    out = figures_folder(options, "kl.png")

    from balancing_vae.experiments.kl_minimum import draw_kl_at_fixed_ratio
    from balancing_vae.experiments.kl_minimum import kl_at_fixed_ratio
    from balancing_vae.figures.tables import Table

    curves = kl_at_fixed_ratio()
    columns = ("mu / sigma", "mu² + sigma² at the minimum of KL", "minimum of KL (nats)")
    squares = curves["least_radius"] ** 2
    rows = list(
        zip(*(v.tolist() for v in (curves["ratio"], squares, curves["least_kl"])), strict=True)
    )
    print(Table(columns, rows))
    save_picture(out / "kl.png", draw_kl_at_fixed_ratio(curves))


def _law(options: argparse.Namespace) -> None:
    out = figures_folder(options, "law.png")

    import numpy as np

    from balancing_vae import datasets
    from balancing_vae.experiments.kl_minimum import mean_kl
    from balancing_vae.experiments.variance_law import VarianceLawHistory
    from balancing_vae.experiments.variance_law import draw_variance_law
    from balancing_vae.figures.tables import Table
    from balancing_vae.pipeline import TwoStageVAE

    x_train, x_test = (datasets.load("digits", split) for split in ("train", "test"))
    vae = TwoStageVAE.untrained("digits", network=NETWORK, seed=options.seed)
    history = VarianceLawHistory(x_test)
    size = vae.config.batch_size
    vae.stage1.fit(x_train, epochs=options.epochs, batch_size=size, verbose=0, callbacks=[history])
    mu, sigma = vae.encode(x_test)
    parts = mean_kl(mu, sigma)
    rows = [
        {
            "latent": latent,
            "E[mu]": float(mu[:, latent].mean()),
            "E[mu²]": float(np.mean(mu[:, latent] ** 2)),
            "E[sigma²]": float(np.mean(sigma[:, latent] ** 2)),
            "sum": float(np.mean(mu[:, latent] ** 2 + sigma[:, latent] ** 2)),
            **{name.replace("_", " "): float(v[latent]) for name, v in parts._asdict().items()},
        }
        for latent in range(mu.shape[1])
    ]
    kl, shift, scale = (float(part.sum()) for part in (parts.kl, parts.shift, parts.scale))
    note = (
        "kl and the columns to its right are in nats. kl = cross entropy - entropy. If E[mu] were "
        "0, kl would decrease by `shift`; if the variance were also 1, it would decrease further "
        "by `scale` (equation 4).\n"
        f"All latents: kl {kl:.2f}, including shift {shift:.3f} and scale {scale:.3f}; mean of the "
        f"sums {np.mean([row['sum'] for row in rows]):.3f}."
    )
    print(Table.of(rows, note))
    save_picture(out / "law.png", draw_variance_law(history.moments))


def _linear(options: argparse.Namespace) -> None:
    out = figures_folder(options, "linear.png")

    from balancing_vae import datasets
    from balancing_vae.checks import as_float
    from balancing_vae.experiments.linear_autoencoder import draw_linear
    from balancing_vae.experiments.linear_autoencoder import linear_beside_pca
    from balancing_vae.experiments.linear_autoencoder import points_in_the_plane
    from balancing_vae.experiments.pca import pca_variance_loss
    from balancing_vae.figures.tables import Table

    x = as_float(datasets.load("digits", "train"))
    rows = linear_beside_pca(x)
    print(Table.of(rows, "within: the variance is computed over the pixels of each image."))
    largest = max(abs(row["mse"] - row["variance_loss"]) for row in rows)
    print(f"largest difference between the autoencoder's mse and variance loss: {largest:.1e}")
    save_picture(out / "linear.png", draw_linear(points_in_the_plane(), rows, pca_variance_loss(x)))


def _averages(options: argparse.Namespace) -> None:
    out = figures_folder(options, "averages.png", "curve.png", "bound.png")

    from balancing_vae import datasets
    from balancing_vae.checks import as_float
    from balancing_vae.experiments.averages import compare_averages
    from balancing_vae.experiments.averages import draw_averages
    from balancing_vae.experiments.averages import measure_averages
    from balancing_vae.experiments.known_variance_loss import draw_exact_cases
    from balancing_vae.experiments.known_variance_loss import exact_cases
    from balancing_vae.experiments.running_averages import draw_smoothing
    from balancing_vae.experiments.running_averages import random_curves
    from balancing_vae.experiments.running_averages import smoothing
    from balancing_vae.figures.tables import Table

    x = as_float(datasets.load("digits", "train"))
    rows = measure_averages(x[:500])
    print(Table.of(compare_averages(rows)))
    save_picture(out / "averages.png", draw_averages(rows))
    losses = smoothing(random_curves(1000), (3, 5, 7, 9, 13, 17, 21))
    save_picture(out / "curve.png", draw_smoothing(random_curves(1, 200, seed=1)[0], 7, losses))
    save_picture(out / "bound.png", draw_exact_cases(exact_cases(x)))


def _overfit(options: argparse.Namespace) -> None:
    out = figures_folder(options, "overfit.png")

    from balancing_vae import datasets
    from balancing_vae.experiments.overfitting import compare_overfitting
    from balancing_vae.experiments.overfitting import draw_overfitting
    from balancing_vae.experiments.overfitting import overfit
    from balancing_vae.figures.tables import Table

    if options.data is None:
        name, (x, x_test) = "digits", (datasets.load("digits", s) for s in ("train", "test"))
    else:
        prepared = datasets.open_prepared(options.data)
        name, x, x_test = prepared.name, prepared.images("train"), prepared.images("test")
    rows = overfit(x, x_test, out / f"{name}.json", seed=options.seed)
    print(Table.of(compare_overfitting(rows)))
    save_picture(out / "overfit.png", draw_overfitting(rows))


def _stage2(options: argparse.Namespace) -> None:
    if options.run_folder is not None:
        open_split(options.data, check_run(options.run_folder).preset, "test")

    from balancing_vae.evaluation.columns import choose_images
    from balancing_vae.experiments.second_stage_variance import second_stage_losses
    from balancing_vae.figures.tables import Table
    from balancing_vae.pipeline import TwoStageVAE

    if options.run_folder is None:
        vae = TwoStageVAE.from_pretrained("digits")
    else:
        vae = TwoStageVAE.load(options.run_folder)
    x = choose_images(open_split(options.data, vae.config.preset, "test"))
    row = second_stage_losses(vae, x, options.seed)
    print(Table.of([row], f"{len(x):,} test images; variances are averaged over the latents."))
