"""Download and push sets of weights on the Hugging Face Hub (`hf://owner/name`)."""

import glob
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from tqdm import tqdm

from balancing_vae.errors import BalancingVAEError
from balancing_vae.errors import ExistingFileError
from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.errors import MissingPackageError
from balancing_vae.errors import ResourceError
from balancing_vae.files.checksums import CHECKSUMS
from balancing_vae.files.checksums import check_checksums
from balancing_vae.files.checksums import damaged_files
from balancing_vae.files.checksums import read_checksums
from balancing_vae.files.formats import CARD
from balancing_vae.files.formats import DESCRIPTION
from balancing_vae.files.formats import WEIGHTS
from balancing_vae.progress import shows_bars

PREFIX = "hf://"
_NAME = re.compile(r"(?:hf://)?([\w.-]+/[\w.-]+)(?:@(.+))?")
# Files that a Hub repository may hold before this package's files are pushed.
_OF_THE_HUB = {".gitattributes", CARD, "LICENSE"}
_TAKE = "Use a set that `balancing-vae pretrained push` or `push_to_hub` uploaded."
_LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"


def pin(name: str) -> str:
    """Return a set's name on the Hub with the hash of its current commit.

    Args:
        name: `hf://owner/name`, or `hf://owner/name@revision` with a branch, tag or commit.
            Other names are returned as they are.

    Returns:
        `hf://owner/name@commit`, which always refers to the same files. Without a network it is
        the commit to which the branch or tag last resolved.

    Raises:
        ValueError: The name does not have this form, or this package did not push the set.
        FileNotFoundError: The repository or revision does not exist, or you have no access.
        OSError: The Hub does not answer.
        ImportError: The extra `hub` is not installed.

    Example:
        ```python
        pin("hf://owner/mnist")  # "hf://owner/mnist@607a30d783dfa663caf39e06633721c8d4cfcd7e"
        ```
    """
    if not name.startswith(PREFIX):
        return name
    repository, folder = _snapshot(name)
    return f"{PREFIX}{repository}@{folder.name}"


def download_from_hub(name: str) -> Path:
    """Download a set from the Hub to its cache, or find it there, and check every file.

    The revision is resolved once to a commit, and all files come from that commit. Only files
    that `SHA256SUMS` lists and that belong to a weights folder are downloaded.

    Args:
        name: `hf://owner/name` or `hf://owner/name@revision`.

    Returns:
        The folder in the Hub's cache; its name is the hash of the commit.

    Raises:
        ValueError: The name does not have this form, this package did not push the set, or a
            file has another sha256 than in `SHA256SUMS`.
        FileNotFoundError: The repository or revision does not exist, or you have no access.
        OSError: The Hub does not answer, or closes the connection.
        ImportError: The extra `hub` is not installed.

    Example:
        ```python
        download_from_hub("hf://owner/mnist@v1")
        ```
    """
    hub = _huggingface_hub()
    repository, folder = _snapshot(name)
    for force in (False, True):
        with _explained(repository, folder.name):
            if force:  # the cache may be damaged, or the branch moved during the download
                hub.hf_hub_download(
                    repository, CHECKSUMS, revision=folder.name, force_download=True
                )
            elif not _has_list(folder):
                continue
            _check_names(folder, f"{name} is not a set of weights", _TAKE)
            if not (lacking := damaged_files(folder)):
                return folder
            hub.snapshot_download(
                repository,
                revision=folder.name,
                allow_patterns=[glob.escape(file) for file in lacking],
                force_download=force,
                tqdm_class=_Bar,
            )
    if lacking := damaged_files(folder):
        raise InputError(
            f"{lacking[0]} of {PREFIX}{repository}@{folder.name} is missing or has another sha256 "
            f"than its {CHECKSUMS} says; it was changed after the set was pushed. Use another "
            "revision, or ask its owner to push the set again."
        )
    return folder


def push(folder: Path, name: str, private: bool = False) -> str:
    """Check a weights folder and upload it to the Hub; create the repository if needed.

    Args:
        folder: A folder with a card, `README.md`, and `SHA256SUMS`.
        name: `owner/name`; `hf://owner/name` is the same.
        private: Whether a new repository is private.

    Returns:
        `hf://owner/name@commit`, which `from_pretrained` takes.

    Raises:
        ValueError: The name does not have this form, or a file has another sha256.
        FileNotFoundError: The folder has no card or no `SHA256SUMS`.
        FileExistsError: The repository holds files that do not belong to a set.
        OSError: You have no write access, or the Hub does not answer.
        ImportError: The extra `hub` is not installed.

    Example:
        ```python
        push(Path("weights/mnist"), "owner/mnist")
        ```
    """
    repository, revision = _parse(name)
    if revision is not None:
        raise InputError(f"A set is pushed to a repository's branch main; omit @{revision}.")
    hub = _huggingface_hub()
    for needed in (CHECKSUMS, CARD):
        if not (folder / needed).is_file():
            raise MissingFileError(
                f"{folder / needed} is missing; create a set with `balancing-vae pretrained pack`, "
                "or push a pipeline with `vae.push_to_hub`."
            )
    names = [*check_checksums(folder), CHECKSUMS]
    _check_names(folder, f"{folder} is not a set of weights", "Move other files elsewhere.")
    with _explained(repository, None):
        api = hub.HfApi()
        api.create_repo(repository, private=private, exist_ok=True)
        there = set(api.list_repo_files(repository))
        if there - _OF_THE_HUB and CHECKSUMS not in there:
            raise ExistingFileError(
                f"{PREFIX}{repository} holds files that do not belong to a set of weights, such as "
                f"{sorted(there - _OF_THE_HUB)[0]}; choose another name."
            )
        commit = api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            allow_patterns=[glob.escape(name) for name in names],
            commit_message="Push a set of weights of balancing_vae",
        )
    return f"{PREFIX}{repository}@{commit.oid}"


class _Bar(tqdm):
    """A progress bar that is shown only where this package shows its own bars."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options | {"disable": not shows_bars()})


def _parse(name: str) -> tuple[str, str | None]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(
            f"{name!r} is not the name of a set on the Hugging Face Hub; it must be "
            "hf://owner/name or hf://owner/name@revision."
        )
    return match[1], match[2]


def _snapshot(name: str) -> tuple[str, Path]:
    """Return the repository, and the folder of the named commit, which has SHA256SUMS."""
    repository, revision = _parse(name)
    hub = _huggingface_hub()
    with _explained(repository, revision):
        return repository, Path(
            hub.hf_hub_download(repository, CHECKSUMS, revision=revision)
        ).parent


def _has_list(folder: Path) -> bool:
    try:
        return bool(read_checksums(folder))
    except ValueError:
        return False


def _check_names(folder: Path, problem: str, fix: str) -> None:
    """Raise if the listed files are not those of a set."""
    names = list(read_checksums(folder))
    foreign = [file for file in names if not WEIGHTS.has(file)]
    if foreign or DESCRIPTION not in names:
        what = f"names {foreign[0]}" if foreign else f"does not name {DESCRIPTION}"
        raise InputError(f"{problem}: its {CHECKSUMS} {what}. {fix}")


def _huggingface_hub() -> ModuleType:
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingPackageError(
            f"The Hugging Face Hub needs a package that is not installed ({error}): run "
            "`pip install 'balancing_vae[hub]'`."
        ) from error
    return huggingface_hub


@contextmanager
def _explained(repository: str, revision: str | None) -> Iterator[None]:
    """Convert the Hub's errors to one sentence that says what failed and what to do."""
    from huggingface_hub import errors

    name = PREFIX + repository
    try:
        yield
    except BalancingVAEError:
        raise
    except errors.GatedRepoError as error:
        raise MissingFileError(
            f"{name} is gated: ask for access on its page, then {_LOG_IN}."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise MissingFileError(
            f"{name} does not exist, or it is private and you have no access; check the name, or "
            f"{_LOG_IN}."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise MissingFileError(
            f"{name} has no revision {revision!r}; give one of its branches, tags or commits."
        ) from error
    except errors.LocalEntryNotFoundError as error:
        raise ResourceError(
            f"{name} is not in the cache, and the Hub could not be reached "
            f"({_reason(error.__cause__ or error)}); check the network, or HF_ENDPOINT."
        ) from error
    except errors.EntryNotFoundError as error:
        raise InputError(
            f"{name} is not a set of weights: it has no {CHECKSUMS}. {_TAKE}"
        ) from error
    except errors.HFValidationError as error:
        raise InputError(f"{name} is not a valid name on the Hub: {_reason(error)}.") from error
    except Exception as error:  # the library also raises exceptions of other packages
        status = getattr(getattr(error, "response", None), "status_code", None)
        what, fix = ("refused", _LOG_IN) if status in (401, 403) else ("failed with", "try again")
        raise ResourceError(f"The Hub {what} {name} ({_reason(error)}); {fix}.") from error


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
