"""The packages that a command imports, and which of their output reaches the user."""

import json
import resource
import subprocess
import sys
import textwrap

import pytest

from balancing_vae import datasets
from tests.helpers.paths import ROOT
from tests.helpers.processes import HANG
from tests.helpers.processes import environment

# A TensorFlow that logs as the real one does, and then does what the environment says.
FAKE_TENSORFLOW = """
import os
import resource
os.write(2, b"I0000 start-up line\\n")
how = os.environ.get("FAKE")
if how == "fails":
    raise ImportError("cannot open shared object file")
if how == "dies":
    os.abort()
if how == "is interrupted":
    import signal
    try:
        signal.raise_signal(signal.SIGINT)
    except BaseException:
        pass
"""
# What computes nothing, and what is refused before anything is computed.
LIGHT = [
    ["datasets", "list"],
    ["datasets", "info", "mnist"],
    ["datasets", "prepare", "digits", "--out", "digits"],
    ["datasets", "info", "digits"],
    ["presets", "list"],
    ["presets", "info", "mnist"],
    ["pretrained", "list"],
    ["pretrained", "info", "digits"],
    ["pretrained", "verify", "digits"],
    ["compare", "RUN"],
    ["compare", "absent"],
    # A preset, a run, a file or a value that is not there.
    ["train", "--preset", "absent", "--out", "out"],
    ["train", "--preset", "cifar10", "--out", "out"],
    ["train", "--preset", "digits", "--out", "digits"],
    ["train", "--preset", "digits", "--data", "absent", "--out", "out"],
    ["train", "--preset", "digits", "--set", "absent=1", "--out", "out"],
    ["train", "--preset", "digits", "--epochs", "-1", "--out", "out"],
    ["generate", "absent", "--out", "out"],
    ["generate", "RUN", "--out", "digits"],
    ["generate", "RUN", "-n", "0", "--out", "out"],
    ["reconstruct", "absent", "--out", "out"],
    ["reconstruct", "RUN", "--data", "absent", "--out", "out"],
    ["fit-sampler", "absent", "gaussian"],
    ["fit-sampler", "RUN", "absent"],
    ["fit-sampler", "RUN", "gaussian", "--components", "3"],
    ["import-checkpoint", "absent", "--out", "out"],
    ["import-checkpoint", "absent", "--out", "out", "--data", "absent"],
    ["evaluate", "absent"],
    ["evaluate", "RUN", "--data", "absent"],
    ["fid", "absent", "digits"],
    ["fid", "digits/test.npy", "digits/test.npy", "--features", "absent"],
    ["compare-systems", "absent", "--out", "out"],
    ["compare-systems", "digits", "--out", "digits"],
    ["compare-systems", "digits", "--data", "absent", "--out", "out"],
    ["demo", "--out", "digits"],
    ["pretrained", "pack", "absent", "--out", "out"],
    ["pretrained", "pack", "RUN", "--data", "absent", "--out", "out"],
    ["pretrained", "card", "absent"],
    ["pretrained", "download", "absent"],
    ["reproduce", "fig4", "--data", "absent"],
    ["reproduce", "normalization", "absent"],
    ["reproduce", "faces", "absent"],
    ["reproduce", "table1", "--data", "absent"],
]


def run_python(code: str, *words: str, folder, **changes) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, words)],
        cwd=folder,
        env=environment(folder, **changes),
        capture_output=True,
        text=True,
        timeout=HANG,
    )


def test_commands_that_compute_nothing_import_no_backend(tmp_path):
    code = """
        import json, sys
        from balancing_vae.cli import main
        loaded = {}
        for words in json.loads(sys.argv[1]):
            try:
                main(words)
            except SystemExit:
                pass
            found = {"keras", "tensorflow", "jax", "torch"} & sys.modules.keys()
            if found:
                sys.exit(f"{words} imported {found}")
    """
    run = ROOT / "balancing_vae" / "pretrained" / "digits"
    words = [[str(run) if word == "RUN" else word for word in words] for words in LIGHT]
    process = run_python(code, json.dumps(words), folder=tmp_path)
    assert process.returncode == 0, process.stderr


def import_tensorflow(tmp_path, how: str, *words: str) -> subprocess.CompletedProcess:
    (tmp_path / "tensorflow.py").write_text(FAKE_TENSORFLOW)
    code = """
        import sys
        from balancing_vae import cli
        from balancing_vae.cli import compare

        def run(options):
            import tensorflow
            print("computed")

        compare.run = run
        sys.exit(cli.main(["compare", "a", *sys.argv[1:]]))
    """
    return run_python(code, *words, folder=tmp_path, FAKE=how)


def test_tensorflow_starts_without_output(tmp_path):
    process = import_tensorflow(tmp_path, "works")
    assert (process.returncode, process.stdout, process.stderr) == (0, "computed\n", "")
    shown = import_tensorflow(tmp_path, "works", "--traceback").stderr
    assert shown == "I0000 start-up line\n"


def test_the_output_of_tensorflow_is_shown_if_it_does_not_start(tmp_path):
    process = import_tensorflow(tmp_path, "fails")
    first, second = process.stderr.splitlines()
    assert process.returncode == 1 and first == "I0000 start-up line"
    assert "ImportError: cannot open shared object file" in second
    # Its abort ends Python at once; where that happened is known at least.
    process = import_tensorflow(tmp_path, "dies")
    assert process.returncode < 0
    assert "Fatal Python error: Aborted" in process.stderr and "tensorflow.py" in process.stderr


def test_ctrl_c_ends_the_command_although_tensorflow_ignores_it(tmp_path):
    process = import_tensorflow(tmp_path, "is interrupted")
    assert process.returncode == 130 and process.stdout == ""
    assert process.stderr == "balancing-vae compare: interrupted.\n"


@pytest.mark.slow
def test_the_real_tensorflow_starts_without_output(tmp_path):
    words = ["generate", ROOT / "weights/digits", "-n", "2", "--out", "x.npy"]
    process = run_python(
        "import sys; from balancing_vae.cli import main; sys.exit(main())", *words, folder=tmp_path
    )
    assert (process.returncode, process.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("words", [["--help"], ["--version"], *LIGHT], ids=" ".join)
def test_commands_that_compute_nothing_are_fast(words, tmp_path):
    if words[:2] != ["datasets", "prepare"]:
        datasets.prepare("digits", None, tmp_path / "digits")
    words = [str(ROOT / "weights/digits") if w == "RUN" else w for w in words]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run_python(
        "import sys; from balancing_vae.cli import main; sys.exit(main())", *words, folder=tmp_path
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Half a second on the machine where it was written, where Keras alone takes four.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2.5
