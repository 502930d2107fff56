"""Everything that is worth measuring on a GPU, in one run, each part kept if time ends.

    KERAS_BACKEND=jax python tools/gpu_run.py OUT --data data/cifar10 --minutes 25

In this order: the device; parity with the original program's recorded numbers, with full
float32 products and then with TF32; steps a second of both stages; the preset trained by its
published recipe as far as the time goes; if it came to its end, samplers, measurement and a
set of weights with its card; a short benchmark of `celeba`'s step. Each part is a process with
a log of its own in OUT, and `summary.txt` there has a line for each. The same command resumes
the training. Nothing is downloaded: the package's dependencies (pyproject.toml; not TensorFlow)
must be there. `--preset digits-small --epochs 1` rehearses all of it.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
COMMAND = (sys.executable, "-m", "balancing_vae")
DEVICE = "from balancing_vae.backend.devices import describe_device as d; print(d())"
# Left for what follows the training: samplers, measurement, card, `celeba`'s step.
AFTERWARDS = 0.2


class Sequence:
    """Parts that share a time, one after the other.

    Args:
        out: Folder of the logs.
        minutes: Time of all.
    """

    def __init__(self, out: Path, minutes: float):
        self.out = out
        self.deadline = time.monotonic() + 60 * minutes
        out.mkdir(parents=True, exist_ok=True)

    def left(self) -> float:
        """Return the seconds that are left."""
        return self.deadline - time.monotonic()

    def run(self, name: str, *words: str | Path, **environment: str) -> str | None:
        """Run a part; return what it printed, None where it failed or its time was over.

        Args:
            name: Names the log.
            *words: The command.
            **environment: What is set besides.
        """
        if self.left() <= 0:
            self.note(name, "no time left")
            return None
        start = time.monotonic()
        log = self.out / f"{name}.log"
        paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        with open(log, "w", encoding="utf-8") as file:
            process = subprocess.Popen(
                list(map(str, words)),
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": paths, **environment},
            )
            try:
                code = process.wait(timeout=self.left())
            except subprocess.TimeoutExpired:
                # It writes what it has, as at the end of a shift.
                process.terminate()
                process.wait()
                self.note(name, f"time over after {time.monotonic() - start:.0f} s")
                return None
        self.note(name, f"exit code {code}, {time.monotonic() - start:.0f} s")
        return log.read_text("utf-8") if code == 0 else None

    def note(self, name: str, line: str) -> None:
        """Print a line and keep it."""
        print(f"{name}: {line}", flush=True)
        with open(self.out / "summary.txt", "a", encoding="utf-8") as file:
            file.write(f"{name}: {line}\n")


def run_all(options: argparse.Namespace) -> None:
    """Run the parts in order; a part that fails does not stop those after it."""
    parts = Sequence(options.out, options.minutes)
    parts.note("device", (parts.run("device", sys.executable, "-c", DEVICE) or "unknown").strip())
    for name, precision in (("float32", "highest"), ("tf32", "tensorfloat32")):
        parts.run(
            f"parity-{name}",
            *(sys.executable, ROOT / "tools" / "check_parity.py", options.parity),
            JAX_DEFAULT_MATMUL_PRECISION=precision,
        )
    benchmark = (sys.executable, ROOT / "benchmarks" / "training.py", "executions", "--preset")
    for precision in dict.fromkeys(("float32", options.precision)):
        parts.run(f"benchmark-{precision}", *benchmark, options.preset, "--precision", precision)
    if train(options, parts):
        pack(options, parts)
    parts.run("step-other", *benchmark, options.other, "--precision", options.precision)


def train(options: argparse.Namespace, parts: Sequence) -> bool:
    """Train as far as the time goes; tell whether the run is finished."""
    run = options.out / "run"
    if (run / "stage1.weights.h5").is_file():
        return True
    words = ["train", "--precision", options.precision, *data_of(options)]
    words += ["--seconds-between-states", "60", "--time-limit", f"{seconds(options, parts)}s"]
    words += ["--resume", run] if (run / "config.json").is_file() else ["--out", run]
    if not (run / "config.json").is_file():
        words += ["--preset", options.preset]
    for name in ("epochs", "epochs2"):
        if getattr(options, name) is not None:
            words += [f"--{name}", getattr(options, name)]
    printed = parts.run("train", *COMMAND, *words)
    finished = (run / "stage1.weights.h5").is_file()
    if printed is not None and not finished:
        parts.note("train", "unfinished: the same command resumes it")
    return finished


def data_of(options: argparse.Namespace) -> tuple:
    """Return the words that name the data, none where the preset's come with the package."""
    return () if options.data is None else ("--data", options.data)


def seconds(options: argparse.Namespace, parts: Sequence) -> int:
    """Return how long the training may take."""
    return max(1, int(parts.left() - AFTERWARDS * 60 * options.minutes))


def pack(options: argparse.Namespace, parts: Sequence) -> None:
    """Fit samplers, and pack and measure the run as the sets that are there were."""
    run, data = options.out / "run", data_of(options)
    for sampler in ("gaussian", "mixture"):
        parts.run(f"sampler-{sampler}", *COMMAND, "fit-sampler", run, sampler, *data)
    packed = options.out / options.preset
    if not packed.is_dir():
        words = ("pretrained", "pack", run, *data, "--out", packed, "--float16")
        parts.run("pack", *COMMAND, *words)
    for features in options.features:
        name = f"evaluate-{features.partition(':')[0]}"
        parts.run(name, *COMMAND, "evaluate", packed, *data, "--features", features)
    parts.run("card", *COMMAND, "pretrained", "card", packed)


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder of logs, run and weights")
    parser.add_argument("--data", type=Path, help="prepared images of the preset")
    parser.add_argument("--minutes", type=float, default=25.0, help="time of all (25)")
    parser.add_argument("--preset", default="cifar10", help="what is trained (cifar10)")
    parser.add_argument("--other", default="celeba", help="whose step is timed last (celeba)")
    parser.add_argument("--precision", default="float32", help="of the training (float32)")
    parser.add_argument("--epochs", type=int, help="of stage 1, for a rehearsal")
    parser.add_argument("--epochs2", type=int, help="of stage 2, for a rehearsal")
    parser.add_argument(
        "--features", action="append", default=[], help="pixels, classifier:DATA, ...; repeatable"
    )
    parser.add_argument(
        "--parity",
        type=Path,
        default=ROOT / "tests" / "golden" / "balancing",
        help="recorded numbers",
    )
    run_all(parser.parse_args())


if __name__ == "__main__":
    main()
