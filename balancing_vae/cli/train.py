"""`balancing-vae train`: train both stages, resumable at any time."""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from balancing_vae.cli.arguments import add_command
from balancing_vae.cli.arguments import add_set_argument
from balancing_vae.cli.arguments import duration
from balancing_vae.cli.arguments import seconds
from balancing_vae.cli.arguments import whole_number
from balancing_vae.cli.data import add_data_argument
from balancing_vae.cli.data import find_split
from balancing_vae.cli.data import open_split
from balancing_vae.cli.data import preparation_changes
from balancing_vae.config import LARGEST_SEED
from balancing_vae.config import Config
from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError

# Options that set the config fields of the same names.
CHANGES = ("epochs", "epochs2", "batch_size", "precision", "synchronized_statistics", "seed")
# Fields that are chosen automatically if there is no preset.
CHOSEN: tuple[str, ...] = ("network", "latent_dim", "kl_weight", "second_dim", "batch_size")
CHOSEN += ("epochs", "epochs2", "lr", "lr_epochs", "lr2", "lr_epochs2", "balancing")
# Number of images whose posterior is written to TensorBoard.
WATCHED_IMAGES = 1_000
EXAMPLE = """
balancing-vae train --preset digits --out runs/digits
balancing-vae train --preset cifar10 --data data/cifar10 --out runs/cifar10
balancing-vae train --data data/photos --out runs/photos
balancing-vae train --resume runs/cifar10 --data data/cifar10
balancing-vae train --resume runs/digits --epochs 300
balancing-vae train --preset cifar10 --data data/cifar10 --out runs/cifar10 --time-limit 9m
balancing-vae train --preset digits --set balancing='{"name": "beta", "beta": 4}' --out runs/beta
balancing-vae train --preset digits --set likelihood=bernoulli --out runs/cross-entropy
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers, "train", "Train both stages, from a preset or on your own images.", EXAMPLE
    )
    parser.add_argument(
        "--preset",
        help="networks and hyperparameters by name: cifar10, celeba, digits, ... (see "
        "`balancing-vae presets list`). Without a preset, they are chosen from the shape and "
        "the number of the images",
    )
    add_data_argument(parser)
    parser.add_argument(
        "--out", type=Path, help="folder for the new run (required, except with --resume RUN)"
    )
    parser.add_argument(
        "--epochs",
        type=whole_number(None, 10_000_000),
        help="epochs of stage 1 (default: the preset's, or chosen automatically)",
    )
    parser.add_argument(
        "--epochs2",
        type=whole_number(None, 10_000_000),
        help="epochs of stage 2 (default: the preset's, or chosen automatically)",
    )
    parser.add_argument(
        "--batch-size",
        type=whole_number(None, 1_000_000),
        help="images per training step (default: the preset's, or chosen automatically)",
    )
    parser.add_argument(
        "--precision",
        help="float32, mixed_bfloat16 or mixed_float16 (default: the preset's, or float32)",
    )
    parser.add_argument(
        "--devices",
        type=whole_number(1, 1_024),
        default=1,
        help="number of this machine's GPUs that share each batch (default: 1)",
    )
    parser.add_argument(
        "--synchronized-statistics",
        action="store_true",
        default=None,
        help="with --devices: batch normalisation uses the statistics of the whole batch instead "
        "of each device's part (on JAX it always does)",
    )
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        help="write TensorBoard files to OUT/tensorboard: losses, KL per latent, and samples every "
        "10 epochs",
    )
    parser.add_argument(
        "--seconds-between-states",
        type=seconds,
        default=0.0,
        help="minimum time between two saved training states, from which --resume continues "
        "(default: 0, a state after each epoch)",
    )
    parser.add_argument(
        "--time-limit",
        type=duration,
        metavar="TIME",
        help="save the training state and stop before this time is over, for example 90s, 9m or "
        "1h30m; continue later with --resume (default: no limit)",
    )
    parser.add_argument(
        "--steps-per-execution",
        type=whole_number(1, 1_000_000),
        help="training steps per compiled call; it affects only the speed (default: measured and "
        "chosen at the start)",
    )
    add_set_argument(parser)
    parser.add_argument(
        "--seed",
        type=whole_number(0, LARGEST_SEED),
        help="seed of the initial weights, the order of the images and the noise (default: 0)",
    )
    parser.add_argument(
        "--deterministic",
        action="store_true",
        help="use deterministic kernels: slower, but the same seed always gives the same weights",
    )
    parser.add_argument(
        "--resume",
        nargs="?",
        type=Path,
        const=True,
        metavar="RUN",
        help="continue the training of RUN (default: the run in --out) from its last saved state, "
        "with the settings in its config.json; for more epochs, give larger --epochs or --epochs2",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace an existing run; the old run is kept until the new one is complete",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train what the options describe."""
    from balancing_vae.files.formats import SAVED
    from balancing_vae.files.targets import output_folder

    start = time.monotonic()
    _settle_folder(options)
    if not options.resume:
        output_folder(options.out, SAVED, options.overwrite, sources=[options.data])
    config = _config(options)
    return train(
        config,
        open_split(options.data, config.preset, "train"),
        find_split(options.data, config.preset, "val"),
        options.out,
        options.command_line,
        resume=bool(options.resume),
        overwrite=options.overwrite,
        devices=options.devices,
        deterministic=options.deterministic,
        tensorboard=options.tensorboard,
        seconds_between_states=options.seconds_between_states,
        deadline=None if options.time_limit is None else start + options.time_limit,
        steps_per_execution=options.steps_per_execution,
    )


class _Unfinished(Exception):
    """The time limit ended the training, and the run can be resumed."""


def train(
    config: Config,
    x: np.ndarray,
    x_val: np.ndarray | None,
    out: Path,
    command: str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    devices: int = 1,
    deterministic: bool = False,
    tensorboard: bool = False,
    seconds_between_states: float = 0.0,
    deadline: float | None = None,
    steps_per_execution: int | None = None,
) -> int:
    """Train, save the pipeline to the run's folder, and print the path.

    Args:
        config: The hyperparameters.
        x: Training images.
        x_val: Validation images, or None.
        out: The run's folder.
        command: The command line, recorded with the weights.
        resume: Whether an existing run is resumed.
        overwrite: Whether an existing run is replaced.
        devices: Number of GPUs that share each batch.
        deterministic: Whether to use deterministic kernels.
        tensorboard: Whether `out/tensorboard` is written.
        seconds_between_states: Minimum time between two saved states.
        deadline: Time by which to stop, by `time.monotonic`; None for no limit.
        steps_per_execution: As in `TwoStageVAE.fit`.

    Returns:
        The exit code: 0, or 128 plus the signal's number if a signal stopped it.
    """
    from balancing_vae.backend.compilation import make_deterministic
    from balancing_vae.backend.devices import describe_device
    from balancing_vae.backend.distribution import data_parallel
    from balancing_vae.pipeline import TwoStageVAE
    from balancing_vae.storage.run import open_run
    from balancing_vae.training.callbacks import StopOnSignal
    from balancing_vae.training.callbacks import TensorBoardLog
    from balancing_vae.training.callbacks.stop_on_signal import StoppedBySignal
    from balancing_vae.training.sources import drawn_images

    with StopOnSignal() as stop, data_parallel(devices):
        print(describe_device())
        if deterministic:
            make_deterministic(config.seed)
            # A measured value may differ between runs, and then the rounding differs, too.
            steps_per_execution = steps_per_execution or 1
        vae = TwoStageVAE(config)
        vae.check_training_data(x, x_val)
        callbacks = [stop]
        if tensorboard:
            watched = drawn_images(x if x_val is None else x_val, WATCHED_IMAGES)
            callbacks.append(TensorBoardLog(out / "tensorboard", vae, watched))
        try:
            with open_run(out, config, resume, overwrite, command) as commands:
                print(vae)
                vae.fit(
                    x,
                    validation_data=x_val,
                    callbacks=callbacks,
                    run_dir=out,
                    seconds_between_states=seconds_between_states,
                    time_limit=deadline and max(1e-3, deadline - time.monotonic()),
                    steps_per_execution=steps_per_execution,
                )
                if not vae.finished:
                    raise _Unfinished
                vae.write_into(out, commands)
        except _Unfinished:
            print(
                f"unfinished: the time limit stopped the training; its state is saved in {out}. "
                "To continue, repeat the command with --resume, without --overwrite."
            )
            return 0
        except StoppedBySignal as signal:
            print(
                f"\nStopped by {signal}. Completed epochs are saved in {out}; to continue, repeat "
                "the command with --resume, without --overwrite. If no epoch was completed, the "
                "folder is unchanged.",
                file=sys.stderr,
            )
            return 128 + signal.signal_number
    print(vae)
    print(f"saved in {out}")
    return 0


def resumed_config(out: Path, data: Path | None, preset: str | None, changes: dict) -> Config:
    """Return the config of a run to resume, with the given changes.

    Args:
        out: The run's folder.
        data: The value of `--data`.
        preset: A preset to use in place of the run's config, except for its epochs.
        changes: Fields to set differently.

    Raises:
        FileNotFoundError: The folder has no run.
    """
    from balancing_vae.files.formats import DESCRIPTION
    from balancing_vae.presets import preset_config
    from balancing_vae.storage.folder import read_description

    if not (out / DESCRIPTION).is_file():
        raise MissingFileError(
            f"{out} has no run to resume; omit --resume, or give the folder of a run."
        )
    started = Config.from_dict(read_description(out)["config"])
    changes = changes | preparation_changes(data, preset or started.preset)
    if preset is None:
        return started.replace(**changes)
    # The run's own epochs are used, not the preset's.
    epochs = {name: getattr(started, name) for name in ("epochs", "epochs2")}
    return preset_config(preset, **{"seed": started.seed, **epochs, **changes})


def _config(options: argparse.Namespace) -> Config:
    """Return the config that the options describe."""
    from balancing_vae.presets import preset_config

    asked = dict(options.set) | {
        name: getattr(options, name) for name in CHANGES if getattr(options, name) is not None
    }
    if options.resume:
        return resumed_config(options.out, options.data, options.preset, asked)
    changes = {"seed": 0, **asked, **preparation_changes(options.data, options.preset)}
    if options.preset is None:
        return _own_config(options.data, changes)
    return preset_config(options.preset, **changes)


def _own_config(data: Path | None, changes: dict) -> Config:
    """Return a config for your own images; print what was chosen."""
    x = open_split(data, None, "train")
    config = Config.for_images(x.shape[1:], len(x), **changes)
    values = {name: getattr(config, name) for name in CHOSEN if name not in changes}
    chosen = [f"{n} {json.dumps(value)}" for n, value in values.items() if value is not None]
    shape = "x".join(str(size) for size in config.image_shape)
    print(
        f"no preset: chosen for {len(x):,} images of {shape}: {', '.join(chosen)}; --set "
        "NAME=VALUE changes any of them"
    )
    return config


def _settle_folder(options: argparse.Namespace) -> None:
    """Use the folder in `--resume RUN` as `--out`."""
    if isinstance(options.resume, Path):
        if options.out not in (None, options.resume):
            raise InputError(
                f"--resume names {options.resume} and --out {options.out}; omit one of them."
            )
        options.out = options.resume
    if options.out is None:
        raise InputError("Give the run's folder: --out RUN for a new run, or --resume RUN.")
