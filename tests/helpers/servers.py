"""Servers for a test: a folder over HTTP, and a small Hugging Face Hub."""

import base64
import contextlib
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from functools import partial
from pathlib import Path
from urllib.parse import unquote
from urllib.parse import urlsplit

import yaml


@contextlib.contextmanager
def serving(handler) -> Iterator[str]:
    """Serve on a free port of this machine, and yield the address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def serving_folder(folder: Path) -> Iterator[tuple[str, list]]:
    """Serve a folder; yield the address and a list that grows with each request."""
    requests: list = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, _, *arguments):
            requests.append(arguments)

    with serving(partial(Handler, directory=str(folder))) as address:
        yield address, requests


@dataclass
class Repository:
    """A repository of the Hub: its commits, and the commits of its branches and tags."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes]) -> str:
        """Add a commit to the branch main; return its hash."""
        sha = hashlib.sha1(repr((len(self.commits), sorted(files.items()))).encode()).hexdigest()
        self.commits[sha] = files
        self.refs["main"] = sha
        return sha

    def resolve(self, revision: str) -> str | None:
        """Return the hash of the commit that a branch, a tag or a hash names; None if unknown."""
        return self.refs.get(revision, revision if revision in self.commits else None)


class Hub:
    """The endpoints of the Hub that uploads and downloads of small files need.

    Attributes:
        repositories: The repositories by name, `owner/name`.
        token: The only token with access to private repositories and with write access.
        requests: Method and path of each request so far.
        dropped: Number of further downloads of a file to cut off in the middle.
        before_file: A function of a file's name that is called before the file is sent.
    """

    def __init__(self, token: str = "hf_secret"):
        self.repositories: dict[str, Repository] = {}
        self.token = token
        self.requests: list[tuple[str, str]] = []
        self.dropped = 0
        self.before_file = lambda name: None

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """Serve, and yield the address for `HF_ENDPOINT`."""
        with serving(partial(_HubHandler, self)) as address:
            yield address


def _is_private(asked: dict) -> bool:
    # Version 2 of huggingface_hub sends the first key, version 1 the second.
    return asked.get("visibility") == "private" or asked.get("private", False)


class _HubHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, hub: Hub, *arguments):
        self.hub = hub
        super().__init__(*arguments)

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self._get()

    def do_GET(self):
        self._get()

    def _get(self):
        parts = self._parts()
        if parts[:2] == ["api", "models"]:
            owner, name, kind, revision, *_ = [*parts[2:], "revision", "main"]
            repository, commit = self._find(f"{owner}/{name}", revision)
            if commit is None:
                return
            files = repository.commits[commit]
            if kind == "tree":
                self._answer([self._entry(path, data) for path, data in files.items()])
            else:
                siblings = [{"rfilename": path} for path in files]
                self._answer({"id": f"{owner}/{name}", "sha": commit, "siblings": siblings})
            return
        if parts[2:3] != ["resolve"]:
            self._refuse(404, "", "Not found")
            return
        owner, name, _, revision, *path = parts
        if self.command == "GET":
            self.hub.before_file("/".join(path))
        repository, commit = self._find(f"{owner}/{name}", revision)
        if commit is not None:
            self._send_file(repository.commits[commit], "/".join(path), commit)

    def do_POST(self):
        parts = self._parts()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if parts == ["api", "validate-yaml"]:
            self._answer({"errors": [], "warnings": self._warnings(json.loads(body)["content"])})
        elif not self._knows_us():
            self._refuse(401, "", "Invalid credentials in Authorization header")
        elif parts == ["api", "repos", "create"]:
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            is_new = name not in self.hub.repositories
            if is_new:
                self.hub.repositories[name] = Repository(_is_private(asked))
                self.hub.repositories[name].commit({".gitattributes": b"*.h5 filter=lfs"})
            self._answer({"url": f"{self._endpoint()}/{name}"}, 200 if is_new else 409)
        elif parts[4] == "preupload":
            files = json.loads(body)["files"]
            answers = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in files
            ]
            self._answer({"files": answers})
        else:
            self._commit("/".join(parts[2:4]), body)

    @staticmethod
    def _warnings(card: str) -> list[dict]:
        head = yaml.safe_load(card.split("---\n")[1]) if card.startswith("---\n") else None
        return [] if isinstance(head, dict) else [{"message": "empty or missing yaml metadata"}]

    def _commit(self, name: str, body: bytes):
        repository = self.hub.repositories[name]
        files = dict(repository.commits[repository.refs["main"]])
        for operation in map(json.loads, body.splitlines()):
            if operation["key"] == "file":
                file = operation["value"]
                files[file["path"]] = base64.b64decode(file["content"])
        commit = repository.commit(files)
        self._answer(
            {"commitUrl": f"{self._endpoint()}/{name}/commit/{commit}", "commitOid": commit}
        )

    def _parts(self) -> list[str]:
        path = urlsplit(self.path).path
        self.hub.requests.append((self.command, path))
        return [unquote(part) for part in path.strip("/").split("/")]

    def _endpoint(self) -> str:
        return f"http://{self.headers['Host']}"

    def _knows_us(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.hub.token}"

    def _find(self, name: str, revision: str) -> tuple[Repository, str] | tuple[None, None]:
        repository = self.hub.repositories.get(name)
        if repository is None and self._knows_us():
            self._refuse(404, "RepoNotFound", "Repository not found")
        elif repository is None or (repository.private and not self._knows_us()):
            # The Hub does not tell strangers whether a repository exists.
            self._refuse(401, "RepoNotFound", "Repository not found")
        elif repository.resolve(revision) is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        else:
            return repository, repository.resolve(revision)
        return None, None

    def _entry(self, path: str, data: bytes) -> dict:
        return {"type": "file", "path": path, "size": len(data), "oid": self._oid(data)}

    @staticmethod
    def _oid(data: bytes) -> str:
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

    def _send_file(self, files: dict[str, bytes], path: str, commit: str):
        if path not in files:
            self._refuse(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit})
            return
        data = files[path]
        headers = {"X-Repo-Commit": commit, "ETag": f'"{self._oid(data)}"'}
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        breaks_off = self.command == "GET" and self.hub.dropped > 0
        self._send(206 if start else 200, data[start:], headers, breaks_off)

    def _answer(self, value, status: int = 200):
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _refuse(self, status: int, code: str, message: str, headers: dict | None = None):
        headers = {"X-Error-Code": code, "X-Error-Message": message} | (headers or {})
        body = json.dumps({"error": message}).encode()
        self._send(status, body, headers | {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str], breaks_off: bool = False):
        self.send_response(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if breaks_off:
            self.hub.dropped -= 1
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif self.command != "HEAD":
            self.wfile.write(body)
