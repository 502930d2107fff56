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

# A download may take PATIENCE seconds plus its size divided by SLOWEST.
PATIENCE = 60.0  # seconds
SLOWEST = 50_000  # bytes a second
_PIECE = 2**16


class WrongContentError(InputError):
    """The downloaded content is not the published file; the message has no full stop."""


def download_file(address: str, path: Path, size: int, sha256: str | None = None) -> None:
    """Download a file with a progress bar; `path` appears only when the file is complete.

    Args:
        address: Its URL, http or https.
        path: The file to write. Parent folders are created, and an old file is replaced.
        size: Its exact or maximum size in bytes. The download stops when it exceeds this size
            or takes longer than a minute plus the time for these bytes at 50 kB a second.
        sha256: The expected sha256; None if the caller checks the content itself.

    Raises:
        WrongContentError: The file is larger, or has another sha256; a `ValueError`.
        ValueError: A file cannot be written at `path`.
        OSError: The server does not answer, closes the connection or is too slow, or the disk
            is full.

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
            raise WrongContentError(f"{address} does not have the published sha256 {sha256}")


def _pieces(address: str, size: int, seconds: float) -> Iterator[bytes]:
    """Yield the bytes that a server sends, with a limit on the total time.

    Another thread reads, and this one watches the clock: a server can make a reader wait many
    times, each time for less than the socket's timeout.
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
    """Put the bytes that a server sends into a queue, then b"" for the end or an exception."""
    import requests
    import urllib3

    too_large = WrongContentError(f"{address} has more than the published {size:,} bytes")
    received = 0
    try:
        # Nothing is unpacked, because a server may declare an archive to be a compressed page.
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
    except Exception as error:  # the caller's thread raises it
        arrived.put(error)
