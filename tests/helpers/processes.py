"""Fresh Python processes."""

import json
import os
import re
import subprocess
import sys

from tests.helpers.paths import ROOT

# Seconds after which a process counts as hanging: no machine is that slow.
HANG = 1800


def compared_and_none_exceeds(output: str) -> int:
    """Return how many quantities `tools/check_parity.py` compared; fail if one exceeds."""
    return int(re.search(r"\b0 of (\d+) quantities exceed: none", output).group(1))


def environment(*folders, **changes: str) -> dict[str, str]:
    """Return the environment of a process that imports from `folders`, then from this checkout."""
    path = [*map(str, folders), str(ROOT), os.environ.get("PYTHONPATH", "")]
    joined = os.pathsep.join(filter(None, path))
    return {**os.environ, "PYTHONPATH": joined, "TF_CPP_MIN_LOG_LEVEL": "3", **changes}


def run_python(*arguments: str, **changes: str) -> subprocess.CompletedProcess:
    """Run a fresh Python process in the project's root."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=HANG,
    )


def python_prints(code: str, *arguments: str, **changes: str):
    """Run code in a fresh process, and return its last line of output, parsed as JSON."""
    process = run_python("-c", code, *arguments, **changes)
    assert process.returncode == 0, process.stderr[-3000:]
    return json.loads(process.stdout.splitlines()[-1])
