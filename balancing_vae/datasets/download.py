"""Fetch the sources whose hosts allow it, each file checked against its published sha256."""

from pathlib import Path

from balancing_vae.datasets.published import sources
from balancing_vae.errors import InputError
from balancing_vae.errors import ResourceError
from balancing_vae.progress import shows_bars


def fetch(name: str, published: dict | None = None) -> Path:
    """Download a dataset's files into the user's cache, or find them there.

    Each file is downloaded under a temporary name, its sha256 is compared, and only then it
    is moved into place.

    Args:
        name: `cifar10`, `mnist` or `fashion_mnist`.
        published: `base` (the address before each name) and `files` (name to sha256);
            by default what the package knows about `name`.

    Returns:
        The folder that holds the files.

    Raises:
        ValueError: A file has another sha256 than the published one.
        OSError: The host does not answer.

    Example:
        ```python
        prepare("mnist", fetch("mnist"), "data/mnist")
        ```
    """
    import pooch

    published = published or sources()[name]
    folder = pooch.os_cache("balancing_vae") / name
    for file, sha256 in published["files"].items():
        address = published["base"] + file
        mend = f"fetch {', '.join(published['files'])} by other means and give --source"
        try:
            pooch.retrieve(
                address, f"sha256:{sha256}", fname=file, path=folder, progressbar=shows_bars()
            )
        except ValueError as error:
            raise InputError(
                f"{address} has not the sha256 {sha256} that is published, and was thrown away; "
                f"try again later, or {mend}."
            ) from error
        except OSError as error:
            raise ResourceError(f"{address} could not be fetched ({error}); {mend}.") from error
    return folder
