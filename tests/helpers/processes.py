"""Fresh Python processes."""

import json
import os
import re
import subprocess
import sys

from tests.helpers.paths import ROOT

# Seconds after which a test hangs: no machine is so slow.
HANG = 900


def compared_and_none_exceeds(output: str) -> int:
    """Return how many quantities `tools/check_parity.py` compared, of which none may exceed."""
    return int(re.search(r"\b0 of (\d+) quantities exceed: none", output).group(1))


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run a fresh Python process in the project's root."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        capture_output=True,
        text=True,
        timeout=HANG,
    )


def python_prints(code: str, *arguments: str, **environment: str):
    """Run code in a fresh process; return what its last line of output says, as JSON."""
    process = run_python("-c", code, *arguments, **environment)
    assert process.returncode == 0, process.stderr[-3000:]
    return json.loads(process.stdout.splitlines()[-1])
