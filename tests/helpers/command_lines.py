"""Run command lines, one after the other, in a fresh process with its own working folder."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.processes import HANG
from tests.helpers.processes import environment

_RUN_ALL = """
import contextlib, io, json, sys
from balancing_vae.cli import main

results = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as exit:
            code = exit.code
    results.append((code, out.getvalue(), err.getvalue()))
heavy = sorted({"tensorflow", "jax", "torch", "keras"} & set(sys.modules))
print(json.dumps({"results": results, "heavy": heavy}))
"""


@dataclass
class Result:
    """The exit code and the output of a command line."""

    code: int
    out: str
    err: str


def run_all(folder: Path, *commands: list) -> tuple[list[Result], list[str]]:
    """Run command lines with `folder` as the working folder; a hang fails the test.

    Returns their results, and the names of the heavy packages that they imported.
    """
    done = subprocess.run(
        [sys.executable, "-c", _RUN_ALL, json.dumps([list(map(str, words)) for words in commands])],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.splitlines()[-1])
    return [Result(*result) for result in report["results"]], report["heavy"]


def contents(folder: Path) -> dict[str, object]:
    """Return the entries below a folder by name: the bytes of files and the targets of links."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))
        elif path.is_file():
            found[name] = path.read_bytes()
        else:
            found[name] = ("other", path.lstat().st_mode, path.lstat().st_rdev)
    return found
