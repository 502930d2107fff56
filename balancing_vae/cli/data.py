"""Open the images that a subcommand uses."""

import argparse
import sys
from pathlib import Path

import numpy as np

from balancing_vae.config import Config
from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError


def add_data_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--data` to a subcommand's parser."""
    parser.add_argument(
        "--data",
        type=Path,
        help="the images: a folder that `balancing-vae datasets prepare` wrote, or a .npy file "
        "(uint8 [images, height, width, channels]); not needed for the dataset digits",
    )


def add_run_argument(parser: argparse.ArgumentParser, without: str | None = None) -> None:
    """Add the folder of a run to a subcommand's parser.

    Args:
        parser: The subcommand's parser.
        without: What is used without the argument; None if it is required.
    """
    parser.add_argument(
        "run_folder",
        type=Path,
        nargs=None if without is None else "?",
        metavar="RUN",
        help="folder of a trained run or of a pretrained set"
        + ("" if without is None else f" (default: {without})"),
    )


def preparation_changes(data: Path | None, preset: str | None) -> dict:
    """Return the config fields that follow from the preparation of the data.

    Warns on stderr if the preset needs images after a JPEG round trip and these had none.

    Args:
        data: The value of `--data`.
        preset: Name of the preset, or None.

    Returns:
        Fields of `Config` to set.

    Example:
        ```python
        config = preset_config(preset, **preparation_changes(data, preset))
        ```
    """
    from balancing_vae import datasets
    from balancing_vae.presets import load_preset

    if data is None or not data.is_dir():
        return {}
    prepared = datasets.open_prepared(data)
    wants_jpeg = preset is not None and load_preset(preset)["dataset"].get("jpeg")
    if wants_jpeg and not prepared.description.get("jpeg"):
        print(
            f"warning: the published numbers of preset {preset} are for images after a JPEG "
            f"round trip, but those in {data} had none; use `datasets prepare --jpeg`",
            file=sys.stderr,
        )
    return {"padding": prepared.padding}


def check_run(folder: Path) -> Config:
    """Raise if a folder is not a finished run, before Keras is imported to load it.

    Args:
        folder: The value of a command's RUN.

    Returns:
        The run's hyperparameters.

    Raises:
        FileNotFoundError: The folder does not exist, or has no run.
        ValueError: Its description is damaged, or its training is not finished.

    Example:
        ```python
        images = open_split(data, check_run(folder).preset, "test")
        ```
    """
    from balancing_vae.storage.folder import read_finished

    return Config.from_dict(read_finished(folder)["config"])


def open_split(data: Path | None, preset: str | None, split: str) -> np.ndarray:
    """Open a split of the data that `--data` names, memory-mapped.

    Args:
        data: A prepared folder, a `.npy` file, or None for a preset whose dataset needs no
            files.
        preset: Name of the preset, or None.
        split: "train", "val" or "test". A `.npy` is used for any split except "val".

    Returns:
        Images.

    Raises:
        ValueError: `data` is None and the preset's dataset needs files; the folder lacks the
            split; or the file holds no array.
        FileNotFoundError: The file does not exist.

    Example:
        ```python
        open_split(None, "digits", "train")
        ```
    """
    images = find_split(data, preset, split)
    if images is None:
        raise InputError(
            f"{data} has no {split} images; give another folder, or a .npy of the images to use."
        )
    return images


def open_images_to_fit(data: Path | None, preset: str | None, held_out: int) -> np.ndarray:
    """Open the images for fitting normalisation, the same as at the end of `fit`.

    Args:
        data: The value of `--data`.
        preset: Name of the preset, or None.
        held_out: The config's `held_out`.

    Returns:
        Images, memory-mapped.

    Raises:
        ValueError: As in `open_split`; or there are neither training nor validation images.
        FileNotFoundError: The file does not exist.

    Example:
        ```python
        vae.fit_normalization(open_images_to_fit(data, vae.config.preset, vae.config.held_out))
        ```
    """
    from balancing_vae.training.sources import images_to_fit

    train, val = (find_split(data, preset, split) for split in ("train", "val"))
    if train is not None:
        return images_to_fit(train, val, held_out)
    if val is not None:
        return val
    raise InputError(
        f"{data} has neither training nor validation images to fit the normalisation on; give "
        "the data that the run was trained on with --data."
    )


def find_split(data: Path | None, preset: str | None, split: str) -> np.ndarray | None:
    """Open a split as `open_split` does, or return None if the data lack it.

    Args:
        data: As in `open_split`.
        preset: As in `open_split`.
        split: As in `open_split`.

    Returns:
        Images, or None if the split does not exist.

    Raises:
        ValueError: `data` is None and the preset's dataset needs files.
        FileNotFoundError: The file does not exist.

    Example:
        ```python
        find_split(Path("data/cifar10"), None, "val")
        ```
    """
    from balancing_vae import datasets
    from balancing_vae.datasets.npy import open_npy
    from balancing_vae.presets import load_preset

    if data is None:
        dataset = None if preset is None else load_preset(preset)["dataset"]["name"]
        if dataset is None or datasets.dataset(dataset).needs_source:
            raise InputError(
                "Give the images with --data: a folder that `balancing-vae datasets prepare` "
                f"wrote{f' (here of {dataset})' if dataset else ''}, or a .npy file."
            )
        return datasets.load(dataset, split)
    if data.is_dir():
        prepared = datasets.open_prepared(data)
        return prepared.images(split) if split in prepared.counts else None
    if not data.exists():
        raise MissingFileError(f"{data} does not exist; give a prepared folder or a .npy file.")
    if split == "val":
        return None
    return open_npy(data)


def open_in_turns(data: Path | None, preset: str | None, split: str) -> np.ndarray:
    """Open a split as `open_split` does, with alternating classes if it has labels.

    Args:
        data: As in `open_split`.
        preset: As in `open_split`.
        split: As in `open_split`.

    Returns:
        Images; without labels in their original order.

    Raises:
        ValueError: As in `open_split`.
        FileNotFoundError: The file does not exist.

    Example:
        ```python
        open_in_turns(None, "digits", "test")[:10]  # the digits 0 to 9
        ```
    """
    from balancing_vae import datasets
    from balancing_vae.presets import load_preset

    images, labels = open_split(data, preset, split), None
    if data is not None and data.is_dir():
        labels = datasets.open_prepared(data).labels(split)
    elif data is None and preset is not None:
        labels = datasets.load_labels(load_preset(preset)["dataset"]["name"], split)
    return images if labels is None else images[datasets.in_turns(labels)]
