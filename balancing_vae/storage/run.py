"""The folder of a training run: started afresh, resumed, or refused."""

import shutil
from pathlib import Path

from balancing_vae.config import Config
from balancing_vae.config import differences
from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.storage.atomic import refuse_existing
from balancing_vae.storage.folder import DESCRIPTION
from balancing_vae.storage.folder import read_description
from balancing_vae.storage.folder import write_description


def open_run(folder: Path, config: Config, resume: bool, overwrite: bool) -> None:
    """Make a run's folder, or check that it can be gone on with.

    Args:
        folder: The run's folder.
        config: The hyperparameters of this run.
        resume: Whether an interrupted run there is to go on.
        overwrite: Whether a run that is there is to be replaced.

    Raises:
        FileExistsError: The folder is not empty, without `resume` or `overwrite`.
        FileNotFoundError: `resume`, and no run is there.
        ValueError: `resume` with another config; the differences are listed.

    Example:
        ```python
        open_run(Path("runs/a"), config, resume=False, overwrite=False)
        ```
    """
    if resume:
        if not (folder / DESCRIPTION).is_file():
            raise MissingFileError(f"{folder} holds no run to resume; leave --resume out.")
        found = differences(Config.from_dict(read_description(folder)["config"]), config)
        if found:
            raise InputError(
                f"{folder} was started with another config ({'; '.join(found)}); resume with "
                "the same options, or choose another folder."
            )
        return
    # Only a run is ever deleted: --out might name somebody's home by mistake.
    refuse_existing(folder, overwrite and (folder / DESCRIPTION).is_file())
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_description(folder, {"config": config.to_dict(), "trained_epochs": None})
