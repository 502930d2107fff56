"""A download ends at the known size or at a time limit, and leaves nothing behind if it fails."""

import contextlib
import hashlib
import socketserver
import threading

import pytest

from balancing_vae.files import download as module
from balancing_vae.files.download import download_file

BODY = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(BODY).hexdigest()


@contextlib.contextmanager
def serving(*pieces, pause=0.0, times=1):
    """Answer each request with these bytes, as slowly and as often as told; yield the address."""
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(65536)
            with contextlib.suppress(OSError):
                for _ in range(times):
                    for piece in pieces:
                        self.request.sendall(piece)
                        if over.wait(pause):
                            return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/a.gz"
        over.set()
        server.shutdown()


def answer(headers=b""):
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + headers + b"\r\n"


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.4)
    monkeypatch.setattr(module, "SLOWEST", 10_000_000)


def refuses(address, folder, error, match):
    with pytest.raises(error, match=match):
        download_file(address, folder / "a.gz", len(BODY), SHA256)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("headers", [b"", b"Content-Length: 256000\r\n"])
def test_the_right_body(tmp_path, headers):
    with serving(answer(headers), BODY) as address:
        download_file(address, tmp_path / "folder" / "a.gz", len(BODY), SHA256)
    assert (tmp_path / "folder" / "a.gz").read_bytes() == BODY
    assert len(list((tmp_path / "folder").iterdir())) == 1


def test_a_body_is_kept_packed_as_it_is(tmp_path):
    with serving(answer(b"Content-Encoding: gzip\r\n"), BODY) as address:
        download_file(address, tmp_path / "a.gz", len(BODY), SHA256)
    assert (tmp_path / "a.gz").read_bytes() == BODY


def test_another_body(tmp_path):
    with serving(answer(), BODY[1:]) as address:
        refuses(address, tmp_path, ValueError, f"a.gz does not have the published sha256 {SHA256}")


def test_a_body_that_is_longer(tmp_path):
    with serving(answer(), BODY, b"!") as address:
        refuses(address, tmp_path, ValueError, "has more than the published 256,000 bytes")


def test_a_body_that_says_it_is_longer_is_not_downloaded(tmp_path):
    with serving(answer(b"Content-Length: 256001\r\n")) as address:
        refuses(address, tmp_path, ValueError, "has more than the published 256,000 bytes")


def test_a_body_without_end(tmp_path):
    with serving(answer(), BODY, times=10**9) as address:
        refuses(address, tmp_path, ValueError, "has more than the published 256,000 bytes")


def test_a_body_that_ends_too_early_is_refused(tmp_path):
    with serving(answer(b"Content-Length: 256000\r\n"), BODY[:1000]) as address:
        refuses(address, tmp_path, OSError, "1000 bytes read")


@pytest.mark.parametrize(
    "pieces",
    [(b"H",), (answer(), b"x"), (b"HTTP/1.1 200 OK\r\nA: ", b"x"), (answer(), *[b"x"] * 100)],
    ids=["before the headers", "a byte, then nothing", "in the headers", "in the body"],
)
def test_a_server_that_is_too_slow_is_abandoned(tmp_path, hurried, pieces):
    """Each byte comes in time for the socket; all of them do not."""
    with serving(*pieces, pause=0.1, times=1000) as address:
        refuses(address, tmp_path, OSError, "not complete after|timed out")


def test_a_server_that_does_not_answer_is_abandoned(tmp_path, hurried):
    with serving(b"", pause=60) as address:
        refuses(address, tmp_path, OSError, "timed out|not complete")


def test_an_old_file_is_kept_if_a_download_fails(tmp_path):
    (tmp_path / "a.gz").write_bytes(b"old")
    with serving(answer(), BODY[1:]) as address, pytest.raises(ValueError, match="sha256"):
        download_file(address, tmp_path / "a.gz", len(BODY), SHA256)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_another_status_and_no_server(tmp_path):
    with serving(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as address:
        refuses(address, tmp_path, OSError, "404")
    refuses("http://127.0.0.1:1/a.gz", tmp_path, OSError, "refused")
