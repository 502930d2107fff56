"""`balancing-vae reproduce`: the paper's figures, tables and claims."""

import argparse
from pathlib import Path

from balancing_vae.cli.arguments import MOST_IMAGES
from balancing_vae.cli.arguments import MOST_SEEDS
from balancing_vae.cli.arguments import add_command
from balancing_vae.cli.arguments import whole_number
from balancing_vae.cli.claims import add_claims
from balancing_vae.cli.data import add_data_argument
from balancing_vae.cli.data import add_run_argument
from balancing_vae.cli.data import check_run
from balancing_vae.cli.data import find_split
from balancing_vae.cli.data import open_images_to_fit
from balancing_vae.cli.data import open_split
from balancing_vae.cli.data import preparation_changes
from balancing_vae.cli.experiments import add_experiment
from balancing_vae.cli.experiments import add_seed
from balancing_vae.cli.experiments import figures_folder
from balancing_vae.cli.experiments import save_picture
from balancing_vae.cli.fid import add_measuring_arguments

DIGITS = "digits"
_EXAMPLE = """
balancing-vae reproduce fig4 --smoke
balancing-vae reproduce fig4 --data data/mnist --data data/cifar10
balancing-vae reproduce balancing --trainings 5
balancing-vae reproduce linear
balancing-vae reproduce normalization runs/cifar10 --data data/cifar10
balancing-vae reproduce stage2-causes weights/mnist --data data/mnist
balancing-vae reproduce faces runs/celeba --data data/celeba
balancing-vae reproduce table1 --data data/cifar10 --budget small --trainings 2
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand `reproduce`."""
    parser = add_command(
        subparsers, "reproduce", "Reproduce the paper's figures, tables and claims.", _EXAMPLE
    )
    experiments = parser.add_subparsers(dest="experiment", required=True, metavar="NAME")

    fig4 = add_experiment(
        experiments,
        "fig4",
        "Figure 4: mean squared error (mse) and variance loss of 24 networks of four kinds trained "
        "on the digits, and of 8 more for each --data (takes 8 minutes, and 10 for each --data; if "
        "stopped, run it again to continue).",
        "balancing-vae reproduce fig4 --data data/mnist --data data/cifar10 --out runs/fig4",
    )
    fig4.add_argument(
        "--data",
        type=Path,
        action="append",
        default=[],
        help="a prepared folder to use in addition to the digits; can be repeated",
    )
    fig4.add_argument(
        "--smoke", action="store_true", help="train only 8 networks for 1,000 steps (2 minutes)"
    )
    add_seed(fig4, "the initial weights and the noise")
    fig4.set_defaults(run=_fig4)

    balancing = add_experiment(
        experiments,
        "balancing",
        "Compare all balancing strategies with one network, on the digits or on --data (takes 15 "
        "minutes for the digits; if stopped, run it again to continue).",
        "balancing-vae reproduce balancing --trainings 5 --out runs/balancing\n"
        "balancing-vae reproduce balancing --data data/mnist --train-images 10000 --epochs 10",
    )
    balancing.add_argument(
        "--data", type=Path, help="a prepared folder (default: the dataset digits)"
    )
    for part, what in (("train", "train on N of the"), ("test", "measure on N of the test")):
        balancing.add_argument(
            f"--{part}-images",
            type=whole_number(1, MOST_IMAGES),
            metavar="N",
            help=f"{what} images (default: all)",
        )
    balancing.add_argument(
        "--epochs",
        type=whole_number(1, 1_000_000),
        default=100,
        help="epochs of each training (default: %(default)s)",
    )
    balancing.add_argument(
        "--trainings",
        type=whole_number(1, MOST_SEEDS),
        default=3,
        help="trainings of each strategy (default: %(default)s)",
    )
    balancing.set_defaults(run=_balancing)

    normalization = add_experiment(
        experiments,
        "normalization",
        "Compare ways of normalising second-stage samples (none, one factor, a factor for each "
        "latent, the full covariance), without and with decoder noise, for several numbers of "
        "samples, by Fréchet distance.",
        "balancing-vae reproduce normalization\n"
        "balancing-vae reproduce normalization runs/cifar10 --data data/cifar10",
    )
    add_run_argument(normalization, "it trains the preset digits and uses a classifier's features")
    add_data_argument(normalization)
    add_measuring_arguments(normalization)
    normalization.add_argument(
        "--seeds",
        type=whole_number(1, MOST_SEEDS),
        default=3,
        help="sampling seeds: how many draws to average over (default: 3)",
    )
    normalization.add_argument(
        "--samples",
        type=whole_number(2, MOST_IMAGES),
        nargs="+",
        default=[128, 256, 1024, 4096],
        metavar="N",
        help="numbers of generated images (default: 128 256 1024 4096)",
    )
    normalization.set_defaults(run=_normalization)

    causes = add_experiment(
        experiments,
        "stage2-causes",
        "Find out why second-stage samples are worse than draws from the posterior: trains second "
        "stages on the latents of one run, each with one change (if stopped, run it again to "
        "continue).",
        "balancing-vae reproduce stage2-causes weights/mnist --data data/mnist \\\n"
        "    --features classifier:data/mnist --causes recipe 'KL / 4' 'KL x 4'",
    )
    add_run_argument(causes)
    add_data_argument(causes)
    add_measuring_arguments(causes)
    causes.add_argument(
        "--epochs",
        type=whole_number(1, 1_000_000),
        help="epochs of each training (default: a quarter of the run's)",
    )
    causes.add_argument(
        "--causes",
        nargs="+",
        metavar="NAME",
        help="the changes to try; an unknown name prints all names (default: all; on MNIST, one "
        "training for 15 epochs takes some minutes)",
    )
    causes.add_argument(
        "--samples",
        type=whole_number(2, MOST_IMAGES),
        default=4096,
        help="generated images (default: 4096)",
    )
    add_seed(causes, "the initial weights, the order of the images and the noise")
    causes.set_defaults(run=_stage2_causes)

    faces = add_experiment(
        experiments,
        "faces",
        "Draw a sheet of second-stage samples, and figure 6: the same samples without and with "
        "normalised latents, side by side.",
        "balancing-vae reproduce faces\n"
        "balancing-vae reproduce faces runs/celeba --data data/celeba",
        out_help="folder for the pictures (default: RUN/figures; without RUN: runs/faces)",
    )
    add_run_argument(faces, "the pretrained set digits")
    faces.add_argument(
        "--data",
        type=Path,
        help="a prepared folder or a .npy file, as for `evaluate`; the normalisation is fitted on "
        "its validation or training images",
    )
    add_seed(faces, "the draws")
    faces.set_defaults(run=_faces)

    add_claims(experiments)

    for name, dataset in (("table1", "CIFAR-10"), ("table2", "CelebA")):
        table = add_experiment(
            experiments,
            name,
            f"Train on {dataset} several times, and print REC, GEN-1 and GEN-2 together with the "
            "published rows (if stopped, run it again to continue).",
            f"balancing-vae reproduce {name} --data data/prepared --budget small --trainings 2",
        )
        table.add_argument("--data", type=Path, required=True, help="a prepared folder")
        add_measuring_arguments(table)
        table.add_argument(
            "--trainings",
            type=whole_number(1, MOST_SEEDS),
            default=10,
            help="number of trainings (default: 10)",
        )
        table.add_argument(
            "--budget",
            choices=("full", "small"),
            default="full",
            help="full: as in the paper; small: a smaller network and fewer epochs, at least half "
            "an hour on a CPU for each training (default: full)",
        )
        table.set_defaults(run=_table)


def _fig4(options: argparse.Namespace) -> None:
    out = figures_folder(options, "fig4.png", "fig4_losses.png")

    from balancing_vae import datasets

    images = {"digits": (datasets.load("digits", "train"), datasets.load("digits", "test"))}
    for folder in options.data:
        prepared = datasets.open_prepared(folder)
        images[prepared.name] = (prepared.images("train"), prepared.images("test"))

    from balancing_vae.experiments.figure4 import LOSSES
    from balancing_vae.experiments.figure4 import draw_fig4
    from balancing_vae.experiments.figure4 import draw_fig4_losses
    from balancing_vae.experiments.figure4 import fig4
    from balancing_vae.experiments.figure4 import slope_and_correlation
    from balancing_vae.figures.tables import Table

    rows = fig4(images, out / "rows.json", options.smoke, options.seed)
    print(Table.of([{k: v for k, v in row.items() if k != "data_sha256"} for row in rows]))
    for name in images:
        slope, correlation = slope_and_correlation([r for r in rows if r["dataset"] == name])
        print(f"{name}: slope {slope:.3f}, correlation {correlation:.4f}")
    slope, correlation = slope_and_correlation(rows)
    print(f"all {len(rows)} networks: slope {slope:.3f}, correlation {correlation:.4f}")
    for loss, title in list(LOSSES.items())[1:]:
        slope, correlation = slope_and_correlation(rows, loss)
        print(f"{title}: slope {slope:.3f}, correlation {correlation:.4f}")
    more = sum(row["generated_variance_loss"] > row["variance_loss"] for row in rows)
    print(f"generated images lose more variance than reconstructed ones: {more} of {len(rows)}")
    save_picture(out / "fig4.png", draw_fig4(rows))
    save_picture(out / "fig4_losses.png", draw_fig4_losses(rows))


def _balancing(options: argparse.Namespace) -> None:
    name = DIGITS if options.data is None else options.data.name
    out = figures_folder(options, f"{name}.png")
    x_train, x_test = (open_split(options.data, DIGITS, split) for split in ("train", "test"))

    from balancing_vae.experiments.balancing_strategies import compare_balancings
    from balancing_vae.experiments.balancing_strategies import draw_balancing
    from balancing_vae.experiments.balancing_strategies import measure_balancings
    from balancing_vae.figures.tables import Table
    from balancing_vae.training.sources import drawn_images

    path = out / f"{name}.json"
    x_train = drawn_images(x_train, options.train_images)
    x_test = drawn_images(x_test, options.test_images)
    rows = measure_balancings(x_train, x_test, path, options.epochs, options.trainings)
    print(Table.of(compare_balancings(rows)))
    save_picture(out / f"{name}.png", draw_balancing(rows))


def _normalization(options: argparse.Namespace) -> None:

    name = DIGITS if options.run_folder is None else options.run_folder.name
    out = figures_folder(options, f"{name}.png")
    if options.run_folder is not None:
        open_split(options.data, check_run(options.run_folder).preset, "test")

    from balancing_vae.evaluation.columns import choose_images
    from balancing_vae.experiments.normalization_study import compare_normalizations
    from balancing_vae.experiments.normalization_study import draw_normalization
    from balancing_vae.experiments.normalization_study import measure_normalizations
    from balancing_vae.fid.scoring import load_network
    from balancing_vae.figures.tables import Table
    from balancing_vae.pipeline import TwoStageVAE
    from balancing_vae.training.sources import images_to_fit

    if options.run_folder is None:
        options.run_folder, options.features = _train_digits(out)
    vae = TwoStageVAE.load(options.run_folder)
    x = images_to_fit(open_split(options.data, vae.config.preset, "train"))
    real = choose_images(open_split(options.data, vae.config.preset, "test"))
    network = load_network(options.features, options.inception, options.trusted_saved_model)
    path = out / f"{name}.json"
    seeds = range(options.seeds)
    rows = measure_normalizations(
        vae, x, real, network, options.protocol, path, options.samples, seeds
    )
    print(f"{rows[0]['distance']}, protocol {options.protocol}, {len(real):,} real images")
    print(Table.of(compare_normalizations(rows)))
    save_picture(out / f"{name}.png", draw_normalization(rows))


def _stage2_causes(options: argparse.Namespace) -> None:
    name = options.run_folder.name
    out = figures_folder(options, f"{name}.png")
    open_split(options.data, check_run(options.run_folder).preset, "test")

    from balancing_vae.evaluation.columns import choose_images
    from balancing_vae.experiments.second_stage_causes import compare_second_stages
    from balancing_vae.experiments.second_stage_causes import draw_second_stages
    from balancing_vae.experiments.second_stage_causes import measure_second_stages
    from balancing_vae.fid.scoring import load_network
    from balancing_vae.figures.tables import Table
    from balancing_vae.pipeline import TwoStageVAE

    vae = TwoStageVAE.load(options.run_folder)
    real = choose_images(open_split(options.data, vae.config.preset, "test"))
    rows = measure_second_stages(
        vae,
        open_split(options.data, vae.config.preset, "train"),
        real,
        load_network(options.features, options.inception, options.trusted_saved_model),
        options.protocol,
        out / f"{name}.json",
        options.epochs,
        options.causes,
        options.seed,
        options.samples,
    )
    print(f"{rows[0]['distance']}, protocol {options.protocol}, {len(real):,} real images")
    print(Table.of(compare_second_stages(rows)))
    save_picture(out / f"{name}.png", draw_second_stages(rows))


def _faces(options: argparse.Namespace) -> None:
    figures = None if options.run_folder is None else options.run_folder / "figures"

    out = figures_folder(options, "fig5.png", "fig6.png", default=figures)
    if options.run_folder is not None:
        check_run(options.run_folder)

    from balancing_vae.experiments.average_faces import draw_faces
    from balancing_vae.experiments.average_faces import faces
    from balancing_vae.files.checksums import update_checksums
    from balancing_vae.pipeline import TwoStageVAE

    if options.run_folder is None:
        vae = TwoStageVAE.from_pretrained("digits")
    else:
        vae = TwoStageVAE.load(options.run_folder)
    x = open_images_to_fit(options.data, vae.config.preset, vae.config.held_out)
    # As in the paper's figure 6, there is no gate, and only latents are rescaled.
    vae.fit_normalization(x, mode="latents")
    print("normalised: each batch of second-stage latents is divided by its standard deviation")
    sheets = faces(vae, seed=options.seed)
    save_picture(out / "fig5.png", draw_faces({"stage 2, normalised": sheets["normalised"]}))
    save_picture(out / "fig6.png", draw_faces(sheets))
    if out == figures:
        update_checksums(options.run_folder, ["figures/fig5.png", "figures/fig6.png"])


def _table(options: argparse.Namespace) -> int:
    """Train and evaluate each seed like the commands `train` and `evaluate`, then compare."""
    out = figures_folder(options)

    from balancing_vae import datasets

    data, protocol = options.data, options.protocol
    dataset = datasets.open_prepared(data).name

    from balancing_vae.cli.evaluate import evaluate_run
    from balancing_vae.cli.train import resumed_config
    from balancing_vae.cli.train import train
    from balancing_vae.evaluation.columns import choose_images
    from balancing_vae.evaluation.measured_before import measured_before
    from balancing_vae.experiments.paper_tables import PRESETS
    from balancing_vae.experiments.paper_tables import describe_budget
    from balancing_vae.experiments.paper_tables import over_trainings
    from balancing_vae.fid.scoring import load_network
    from balancing_vae.files.formats import DESCRIPTION
    from balancing_vae.files.formats import SAVED
    from balancing_vae.files.targets import output_folder
    from balancing_vae.presets import preset_config

    # Loaded first, so that missing features are reported before days of training.
    network = load_network(options.features, options.inception, options.trusted_saved_model)
    preset = PRESETS[options.experiment][options.budget]
    x, x_val = open_split(data, preset, "train"), find_split(data, preset, "val")
    real = choose_images(open_split(data, preset, "test"))
    runs = [out / options.budget / f"seed{seed}" for seed in range(options.trainings)]
    for seed, run in enumerate(runs):
        begun = (run / DESCRIPTION).is_file()  # otherwise it was stopped before the first state
        if begun:
            config = resumed_config(run, data, preset, {"seed": seed})
        else:
            output_folder(run, SAVED, overwrite=False, sources=[data])
            config = preset_config(preset, seed=seed, **preparation_changes(data, preset))
        code = train(config, x, x_val, run, options.command_line, resume=begun)
        if code:
            return code
        if not measured_before(run, real, network, protocol):
            evaluate_run(run, data, network, protocol, options.command_line)
    budget = describe_budget(preset_config(preset), len(x))
    name = f"computed gamma, {options.budget} budget"
    print(over_trainings(runs, dataset, name, budget))
    return 0


def _train_digits(out: Path) -> tuple[Path, str]:
    """Return a trained run of digits and its classifier's features; train them if missing."""
    from balancing_vae import datasets
    from balancing_vae.pipeline import TwoStageVAE

    run, data = out / DIGITS, out / "data" / DIGITS
    if not data.exists():
        datasets.prepare("digits", None, data)
    if not run.exists():
        vae = TwoStageVAE.untrained("digits")
        vae.fit(datasets.load("digits", "train"), validation_data=datasets.load("digits", "val"))
        vae.save(run)
    return run, f"classifier:{data}"
