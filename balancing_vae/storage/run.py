"""Start, resume or replace a training run in its folder, or refuse to."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path

from balancing_vae.config import Config
from balancing_vae.config import differences
from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.files.formats import DESCRIPTION
from balancing_vae.files.formats import REPLACED
from balancing_vae.files.formats import REPLACING
from balancing_vae.files.formats import SAVED
from balancing_vae.files.lock import LOCK
from balancing_vae.files.lock import locked_run
from balancing_vae.files.targets import output_folder
from balancing_vae.storage.folder import TRAINING
from balancing_vae.storage.folder import read_description
from balancing_vae.storage.folder import write_description


@contextmanager
def open_run(
    folder: Path, config: Config, resume: bool, overwrite: bool, command: str | None = None
) -> Iterator[dict[str, list[str]]]:
    """Start a run in a folder, or resume it, and hold its lock during the training.

    A replaced run is kept in the folder's `.replaced` until the new run is complete. The new run
    is complete when the block ends without an exception. If it ends before its first state is
    saved, the folder's former content is restored.

    Args:
        folder: The run's folder.
        config: The hyperparameters of this run.
        resume: Whether to resume an interrupted run in the folder.
        overwrite: Whether to replace an existing run.
        command: The original command line of this training.

    Yields:
        The command lines of the training so far, in the form of the saved folder.

    Raises:
        FileExistsError: The folder is not empty, and neither `resume` nor `overwrite` is true;
            or it holds files that do not belong to a run.
        FileNotFoundError: `resume` is true, but the folder has no run.
        ValueError: `resume` is true, but the config differs in more than its epochs; the
            message lists the differences.
        OSError: Another process is training there.

    Example:
        ```python
        with open_run(Path("runs/a"), config, resume=False, overwrite=False) as commands:
            vae.fit(x_train, run_dir="runs/a")
            vae.write_into(Path("runs/a"), commands)
        ```
    """
    run = Path(os.path.realpath(folder))
    _put_back_half_replaced(run)
    if not resume:
        output_folder(folder, SAVED, overwrite)
    elif not (folder / DESCRIPTION).is_file():
        raise MissingFileError(f"{folder} has no run to resume; omit --resume.")
    was_there = run.exists()
    try:
        with locked_run(run):
            if resume:
                commands = _resume(folder, config, command)
            else:
                commands = _recorded([], command)
                output_folder(folder, SAVED, overwrite)
                _put_aside(run)
            try:
                if not resume:
                    write_description(run, _begun(config, commands))
                yield commands
            except BaseException:
                if not resume and not any(run.glob("states/*/epoch-*")):
                    _delete_begun(run)
                    _put_back(run)
                raise
            shutil.rmtree(run / REPLACED, ignore_errors=True)
    finally:
        if not was_there:
            with suppress(OSError):  # it is not empty
                run.rmdir()


def _begun(config: Config, commands: dict[str, list[str]]) -> dict:
    return {"config": config.to_dict(), "trained_epochs": None, "commands": commands}


def _recorded(before: list[str], command: str | None) -> dict[str, list[str]]:
    """Return the command lines of a training; an empty dict if the new one is unknown."""
    return {} if command is None else {TRAINING: list(dict.fromkeys([*before, command]))}


def _resume(folder: Path, config: Config, command: str | None) -> dict[str, list[str]]:
    """Return the commands of a run; raise if its config differs in more than the epochs."""
    description = read_description(folder)
    started = Config.from_dict(description["config"])
    longer = started.replace(epochs=config.epochs, epochs2=config.epochs2)
    if found := differences(longer, config):
        raise InputError(
            f"{folder} was started with another config ({'; '.join(found)}); resume it with "
            "the same options, or choose another folder."
        )
    before = description["commands"].get(TRAINING)
    commands = {} if before is None else _recorded(before, command)
    # A finished run keeps its description until its replacement is complete.
    if description["trained_epochs"] is None:
        write_description(folder, description | _begun(config, commands))
    return commands


def _put_aside(run: Path) -> None:
    """Move the folder's content to `.replaced`, including an unfinished run's `.replaced`."""
    entries = [entry for entry in run.iterdir() if entry.name != LOCK]
    if not entries:
        return
    aside = run / REPLACING
    aside.mkdir()
    for entry in entries:
        entry.rename(aside / entry.name)
    aside.rename(run / REPLACED)


def _put_back(run: Path) -> None:
    """Move the content of `.replaced` back to the folder."""
    aside = run / REPLACING
    if (run / REPLACED).is_dir() and not aside.exists():
        (run / REPLACED).rename(aside)
    if aside.is_dir():
        for entry in aside.iterdir():
            entry.rename(run / entry.name)
        aside.rmdir()


def _put_back_half_replaced(run: Path) -> None:
    """Undo a replacement that was killed before the new run had a description."""
    if not (run / REPLACING).is_dir() and not (run / REPLACED).is_dir():
        return
    with locked_run(run):
        if (run / REPLACING).is_dir() or not (run / DESCRIPTION).is_file():
            _put_back(run)


def _delete_begun(run: Path) -> None:
    """Delete the files of a new run, but not those in `.replaced`."""
    foreign = set(SAVED.foreign_files(run))
    for entry in sorted(run.rglob("*"), reverse=True):  # a folder's content before the folder
        name = entry.relative_to(run).as_posix()
        if name.split("/")[0] in (LOCK, REPLACED) or name in foreign:
            continue
        if entry.is_dir():
            with suppress(OSError):  # it is not empty
                entry.rmdir()
        else:
            entry.unlink()
