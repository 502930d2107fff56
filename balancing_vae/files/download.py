"""Download a file of known size, with limits on size and time."""

import hashlib
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from balancing_vae.errors import InputError
from balancing_vae.errors import ResourceError
from balancing_vae.files.atomic import atomic_file
from balancing_vae.progress import progress_bar

# A download may take this long, and then as long as its bytes take at this speed.
PATIENCE = 60.0  # seconds
SLOWEST = 50_000  # bytes a second
_PIECE = 2**16


class WrongContentError(InputError):
    """What came is not the file that was published; the message is a clause about its address."""


def download_file(address: str, path: Path, size: int, sha256: str | None = None) -> None:
    """Download a file, with a progress bar; it stands at `path` when it is whole, not before.

    Args:
        address: Where it is, http or https.
        path: Where it shall stand. Parent folders are made, an old file is replaced.
        size: Its bytes, or the most that it may have. The download stops there, and after a
            minute and the time that these bytes take at 50 kB a second.
        sha256: What it must be; None where the caller compares its content by himself.

    Raises:
        WrongContentError: It is larger, or has another sha256; a `ValueError`.
        ValueError: No file can be written at `path`.
        OSError: The server does not answer, breaks off or is too slow, or the disk is full.

    Example:
        ```python
        download_file("https://example.org/a.gz", Path("a.gz"), 28_881, sha256)
        ```
    """
    digest = hashlib.sha256()
    seconds = PATIENCE + size / SLOWEST
    with (
        atomic_file(path) as temporary,
        temporary.open("xb") as file,
        progress_bar(total=size, unit="B", unit_scale=True, desc=path.name) as bar,
    ):
        for piece in _pieces(address, size, seconds):
            digest.update(piece)
            file.write(piece)
            bar.update(len(piece))
        if sha256 is not None and digest.hexdigest() != sha256:
            raise WrongContentError(f"{address} has not the sha256 {sha256} that is published")


def _pieces(address: str, size: int, seconds: float) -> Iterator[bytes]:
    """Yield what a server sends.

    A thread waits for it, and this one watches the clock: a server can keep a reader waiting
    at many places, each time for less than a socket's timeout.
    """
    deadline = time.monotonic() + seconds
    arrived: queue.SimpleQueue = queue.SimpleQueue()
    given_up = threading.Event()
    threading.Thread(target=_receive, args=(address, size, arrived, given_up), daemon=True).start()
    try:
        while True:
            try:
                piece = arrived.get(timeout=max(deadline - time.monotonic(), 0))
            except queue.Empty:
                raise ResourceError(f"it was not complete after {seconds:,.0f} seconds") from None
            if isinstance(piece, Exception):
                raise piece
            if not piece:
                return
            yield piece
    finally:
        given_up.set()


def _receive(
    address: str, size: int, arrived: queue.SimpleQueue, given_up: threading.Event
) -> None:
    """Put what a server sends into a queue; then no bytes for the end, or an exception."""
    import requests
    import urllib3

    too_large = WrongContentError(f"{address} has more than the {size:,} bytes that are published")
    received = 0
    try:
        # As it is, not unpacked on the way: an archive may be declared a packed page.
        headers = {"Accept-Encoding": "identity"}
        with requests.get(address, headers=headers, stream=True, timeout=PATIENCE) as response:
            response.raise_for_status()
            declared = response.headers.get("Content-Length", "")
            if declared.isdecimal() and int(declared) > size:
                raise too_large
            for piece in response.raw.stream(_PIECE, decode_content=False):
                received += len(piece)
                if received > size:
                    raise too_large
                if given_up.is_set():
                    return
                if piece:
                    arrived.put(piece)
        arrived.put(b"")
    except (OSError, urllib3.exceptions.HTTPError) as error:
        arrived.put(ResourceError(str(error) or type(error).__name__))
    except Exception as error:  # for the caller's thread to raise
        arrived.put(error)
