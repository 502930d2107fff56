"""Every failure of the command line prints one sentence and sets an exit code."""

import errno
import gc
import os
import signal
import subprocess
import sys
import warnings

import pytest

from balancing_vae import cli
from balancing_vae.cli import compare
from balancing_vae.cli import failures
from balancing_vae.cli import fid
from balancing_vae.cli import interrupts
from balancing_vae.cli import main
from balancing_vae.errors import ExistingFileError
from balancing_vae.errors import InputError
from tests.helpers.parsers import all_parsers
from tests.helpers.processes import HANG
from tests.helpers.processes import environment


def raising(error):
    def run(options):
        raise error

    return run


def program(*words, **options) -> subprocess.CompletedProcess:
    """Run the program as a user does, outside the checkout."""
    changes = options.pop("env", {})
    return subprocess.run(
        [sys.executable, "-m", "balancing_vae", *map(str, words)],
        env=environment(**changes),
        **{"capture_output": True, "text": True, "timeout": HANG, **options},
    )


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (InputError("Too small; give more."), 2, "Too small; give more."),
        (ExistingFileError("a is there", "pass x=1", "give --x"), 2, "a is there; give --x."),
        (
            PermissionError(errno.EACCES, "Permission denied", "a.npy"),
            2,
            "a.npy: Permission denied.",
        ),
        (
            OSError(errno.EXDEV, "Invalid cross-device link", "a", None, "b"),
            2,
            "a -> b: Invalid cross-device link.",
        ),
        (OSError("Unable to open file\n(truncated)"), 2, "Unable to open file (truncated)"),
        (KeyboardInterrupt(), 130, "interrupted."),
        (
            MemoryError("Unable to allocate 7 TiB"),
            2,
            "not enough memory (Unable to allocate 7 TiB)",
        ),
        (type("ResourceExhaustedError", (Exception,), {})("OOM"), 2, "not enough memory (OOM)"),
        (RecursionError("maximum depth"), 2, "nested too deeply"),
        (ValueError("not ours"), 1, "bug in balancing_vae: ValueError: not ours. Please report"),
        (KeyError(), 1, "bug in balancing_vae: KeyError: no message. Please report"),
        (ImportError("no x"), 1, "bug in balancing_vae: ImportError: no x. Please report"),
    ],
)
def test_each_kind_of_failure_prints_one_line_and_has_an_exit_code(
    error, code, sentence, monkeypatch, capsys
):
    monkeypatch.setattr(compare, "run", raising(error))
    assert main(["compare", "a"]) == code
    shown = capsys.readouterr()
    assert len(shown.err.splitlines()) == 1 and shown.out == ""
    assert shown.err.startswith("balancing-vae compare: ") and sentence in shown.err


def test_messages_name_arguments_in_python_and_options_on_the_command_line():
    error = InputError("The images are padded", "pass pad=True", "give --pad")
    assert str(error) == "The images are padded; pass pad=True."
    assert failures.explain(error) == (2, "The images are padded; give --pad.")


@pytest.mark.parametrize("place", range(3))
def test_traceback_works_at_any_position_on_the_command_line(place, capsys):
    words = ["datasets", "info", "absent"]
    assert main(words) == 2
    assert "Traceback" not in capsys.readouterr().err
    words.insert(place, "--traceback")
    assert main(words) == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown and "open_prepared" in shown
    assert shown.splitlines()[-1].startswith("balancing-vae datasets: absent is not")


def test_ctrl_c_while_arguments_are_parsed_prints_one_line(monkeypatch, capsys):
    def build_parser():
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "build_parser", build_parser)
    assert main(["compare", "a"]) == 130
    assert capsys.readouterr().err == "balancing-vae: interrupted.\n"


def test_ctrl_c_in_code_that_catches_everything_is_raised_after_it():
    with pytest.raises(KeyboardInterrupt), interrupts.interrupts_raised():
        try:
            signal.raise_signal(signal.SIGINT)
        except BaseException:
            pass
    with pytest.raises(KeyboardInterrupt), interrupts.interrupts_raised():
        try:
            signal.raise_signal(signal.SIGINT)
        except BaseException:
            raise ImportError("half imported") from None
    with pytest.raises(ImportError), interrupts.interrupts_raised():
        raise ImportError("another reason")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_in_a_callback_whose_errors_are_ignored_is_raised_again(capsys):
    def callback(phase, _):
        gc.callbacks.remove(callback)
        signal.raise_signal(signal.SIGINT)

    def wait():
        for _ in range(200):
            signal.sigtimedwait([], 0.05)

    with pytest.raises(KeyboardInterrupt), interrupts.interrupts_again():
        gc.callbacks.append(callback)
        gc.collect()
        wait()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("module", "words"), [(compare, ["compare", "a"]), (fid, ["fid", "a", "b"])]
)
def test_every_command_shows_warnings_as_lines(module, words, monkeypatch, capsys):
    def run(options):
        text = "warnings.warn('careful')"
        exec(compile(text, "x.py", "exec"), {"warnings": warnings, "__name__": "balancing_vae.x"})

    monkeypatch.setattr(module, "run", run)
    assert main(words) == 0
    assert capsys.readouterr().err == f"balancing-vae {words[0]}: warning: careful\n"


def test_a_closed_pipe_is_silent():
    read, write = os.pipe()
    os.close(read)
    process = program(
        "datasets", "list", capture_output=False, stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    assert (process.returncode, process.stderr) == (141, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a disk that is full")
def test_output_without_space_on_the_disk_is_one_line():
    with open("/dev/full", "w") as full:
        process = program(
            "datasets", "list", capture_output=False, stdout=full, stderr=subprocess.PIPE
        )
    assert process.returncode == 2
    assert process.stderr == "balancing-vae datasets: No space left on device.\n"


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}])
def test_every_character_can_be_printed_on_an_ascii_terminal(environment):
    environment = {"PYTHONUTF8": "0", **environment}
    process = program("pretrained", "info", "digits", env=environment, encoding="utf-8")
    assert (process.returncode, process.stderr) == (0, "")
    assert "-0.7255 \\xb1 0.16" in process.stdout


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_closed_streams_do_no_harm(closed):
    # What is opened later must not get the number of stderr: C++ logs to number 2.
    code = """
        import sys
        from balancing_vae.cli import main
        code = main(["datasets", "list"])
        with open(sys.argv[1]) as file:
            print("to nobody", file=sys.stderr)
            sys.exit(code or int(file.fileno() < 3))
    """
    process = subprocess.run(
        [sys.executable, "-c", "\n".join(line[8:] for line in code.splitlines()), __file__],
        env=environment(),
        preexec_fn=lambda: [os.close(number) for number in closed],
        timeout=HANG,
    )
    assert process.returncode == 0


@pytest.mark.parametrize("stream", [1, 2])
def test_a_stream_that_is_open_for_reading_does_no_harm(stream):
    """Stderr of a shell script that was started with it closed is the script's own file."""
    code = """
        import sys
        from balancing_vae.cli import main
        code = main(["datasets", "list"])
        print("to nobody", file=sys.stderr, flush=True)
        sys.exit(code)
    """
    process = subprocess.run(
        [sys.executable, "-c", "\n".join(line[8:] for line in code.splitlines())],
        env=environment(),
        preexec_fn=lambda: os.dup2(os.open(__file__, os.O_RDONLY), stream),
        timeout=HANG,
    )
    assert process.returncode == 0


def test_version_names_the_packages_that_affect_numbers(capsys):
    with pytest.raises(SystemExit) as exit:
        main(["--version"])
    shown = capsys.readouterr().out
    assert exit.value.code == 0 and len(shown.splitlines()) == 1
    assert shown.startswith("balancing-vae ") and "keras 3" in shown and "numpy" in shown


def test_every_parser_has_the_traceback_option():
    found = dict(all_parsers())
    assert {"", *cli.COMMANDS} <= {words.replace("-", "_") for words in found}
    assert [words for words, p in found.items() if "--traceback" not in p.format_help()] == []
