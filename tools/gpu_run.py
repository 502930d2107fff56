"""Measure everything that needs a GPU in one run; finished parts are kept if the time runs out.

    python tools/gpu_run.py OUT --data data/cifar10 --minutes 9

The parts, in this order:

- the device;
- parity with the original program's recorded numbers, with full float32 products, then with TF32;
- steps per second of both stages;
- training of the preset by its published recipe, as far as the time allows;
- if the training is finished: samplers, and a set of weights with its card and measurements;
- a few seconds of `celeba`'s training step.

Each part is a process with its own log in OUT, and `summary.txt` there has a line for each part.

The same command, given again, continues with the remaining parts: it skips finished parts and
resumes the training. `--results FOLDER` collects the results in a few files there: `logs.tar.gz`,
which is updated after each part, and the set of weights as `set.tar.00`, `set.tar.01`, ... of at
most 15 MB each (`cat set.tar.* | tar x` unpacks them).

The backend is JAX, or the one that KERAS_BACKEND names. Nothing is downloaded: the package's
dependencies (pyproject.toml; TensorFlow is not needed) must be installed. The options `--preset
digits-small --other digits-small --epochs 1 --epochs2 1 --features pixels --benchmark "--stages 2"`
rehearse all parts on a CPU. Only stage 2 is timed then, because a compiled loop of convolutions is
slow on a CPU.
"""

import argparse
import io
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
COMMAND = (sys.executable, "-m", "balancing_vae")
DEVICE = "from balancing_vae.backend.devices import describe_device as d; print(d())"
# Largest share of the whole time for each part before the training.
BEFORE = 0.15
# Share of the whole time that is reserved for the parts after the training: samplers, measurement,
# card, `celeba`'s step.
AFTERWARDS = 0.2
# Seconds that a benchmark runs after compilation, and that a part may take to stop cleanly.
BENCHMARK, ORDERLY_END = 20, 20
PIECE = 15_000_000


class Sequence:
    """Parts that run one after the other and share a time limit.

    Args:
        out: Folder of the logs.
        minutes: Time limit of all parts together.
        results: Folder for the collected results, or None.
    """

    def __init__(self, out: Path, minutes: float, results: Path | None = None):
        self.out = out
        self.time = 60 * minutes
        self.deadline = time.monotonic() + self.time
        self.results = results
        for folder in filter(None, (out, results)):
            folder.mkdir(parents=True, exist_ok=True)

    def left(self) -> float:
        """Return the remaining seconds."""
        return self.deadline - time.monotonic()

    def run(
        self,
        name: str,
        *words: str | Path,
        share: float = 1.0,
        accepted: tuple[int, ...] = (0,),
        **environment: str,
    ) -> bool:
        """Run a part, unless it is done already; return whether it is done.

        Args:
            name: Name of the log, `NAME.log`; until the part is done it is `NAME.unfinished`.
            *words: The command.
            share: Share of the whole time that the part may take.
            accepted: Exit codes with which the part counts as done.
            **environment: Further environment variables.
        """
        log, unfinished = (self.out / f"{name}.{ending}" for ending in ("log", "unfinished"))
        if log.exists():
            return True
        seconds = min(self.left() - ORDERLY_END, share * self.time)
        if seconds <= 0:
            self.note(name, "no time left")
            return False
        start = time.monotonic()
        with open(unfinished, "w", encoding="utf-8") as file:
            process = subprocess.Popen(
                list(map(str, words)),
                stdout=file,
                stderr=subprocess.STDOUT,
                env=self.environment() | environment,
            )
            ended = end(process, seconds)
        done = ended and process.returncode in accepted
        if done:
            unfinished.replace(log)
        how = f"exit code {process.returncode}" if ended else "time over"
        self.note(name, f"{how}, {time.monotonic() - start:.0f} s")
        self.take_home("logs.tar.gz", self.logs())
        return done

    def environment(self) -> dict[str, str]:
        """Return the environment variables of all parts."""
        paths = filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))
        # One part can reuse what another compiled.
        compiled = {"JAX_COMPILATION_CACHE_DIR": str(self.out.resolve() / "compiled")}
        chosen = {"KERAS_BACKEND": "jax", "PYTHONUNBUFFERED": "1"}
        return chosen | compiled | os.environ | {"PYTHONPATH": os.pathsep.join(paths)}

    def logs(self) -> list[Path]:
        """Return the small files that record how the parts went."""
        run = self.out / "run"
        found = [*self.out.glob("*.*"), run / "config.json", run / "history.csv"]
        return sorted(path for path in found if path.is_file())

    def take_home(self, name: str, paths: list[Path]) -> None:
        """Write an archive into the results folder; an uncompressed one is split into pieces."""
        if self.results is None:
            return
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz" if name.endswith("gz") else "w") as file:
            for path in paths:
                file.add(path, path.relative_to(self.out))
        data = archive.getvalue()
        if name.endswith("gz"):
            (self.results / name).write_bytes(data)
            return
        for number, start in enumerate(range(0, len(data), PIECE)):
            (self.results / f"{name}.{number:02d}").write_bytes(data[start : start + PIECE])

    def note(self, name: str, line: str) -> None:
        """Print a line, and append it to the summary."""
        print(f"{name}: {line}", flush=True)
        with open(self.out / "summary.txt", "a", encoding="utf-8") as file:
            file.write(f"{name}: {line}\n")


def end(process: subprocess.Popen, seconds: float) -> bool:
    """Wait for a process, stop it when its time is over, and return whether it ended by itself."""
    try:
        process.wait(timeout=seconds)
        return True
    except subprocess.TimeoutExpired:
        # SIGTERM lets the process write what it has so far.
        process.terminate()
    try:
        process.wait(timeout=ORDERLY_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return False


def run_all(options: argparse.Namespace) -> None:
    """Run the parts in order; the next one runs even if one fails."""
    parts = Sequence(options.out, options.minutes, options.results)
    if parts.run("device", sys.executable, "-c", DEVICE):
        print((options.out / "device.log").read_text("utf-8").strip(), flush=True)
    parity = (sys.executable, ROOT / "tools" / "check_parity.py", options.parity)
    for name, precision in (("float32", "highest"), ("tf32", "tensorfloat32")):
        # Exit code 1 means that a quantity exceeds its bound, which is a result and not a failure.
        given = {"JAX_DEFAULT_MATMUL_PRECISION": precision}
        parts.run(f"parity-{name}", *parity, share=BEFORE, accepted=(0, 1), **given)
    benchmark = (sys.executable, ROOT / "benchmarks" / "training.py", "executions", "--preset")
    for precision in dict.fromkeys(("float32", options.precision)):
        words = ("--precision", precision, "--seconds", BENCHMARK, *options.benchmark)
        parts.run(f"benchmark-{precision}", *benchmark, options.preset, *words, share=BEFORE)
    if train(options, parts):
        pack(options, parts)
    words = ("--precision", options.precision, "--seconds", 10, "--steps", 10, *options.benchmark)
    parts.run("step-other", *benchmark, options.other, *words)


def train(options: argparse.Namespace, parts: Sequence) -> bool:
    """Train as far as the time allows; return whether the run is finished."""
    run = options.out / "run"
    weights = run / "stage1.weights.h5"
    if weights.is_file():
        return True
    words = ["train", "--precision", options.precision, *data_of(options)]
    words += ["--seconds-between-states", "60", "--time-limit", f"{training_seconds(parts)}s"]
    if (run / "config.json").is_file():
        words += ["--resume", run]
    else:
        words += ["--out", run, "--preset", options.preset]
    for name in ("epochs", "epochs2"):
        if getattr(options, name) is not None:
            words += [f"--{name}", getattr(options, name)]
    words += options.training
    # Each call has its own log.
    parts.run(f"train-{len([*options.out.glob('train-*')]) + 1}", *COMMAND, *words)
    if not weights.is_file():
        parts.note("train", "unfinished: the same command resumes it")
    return weights.is_file()


def data_of(options: argparse.Namespace) -> tuple:
    """Return the option for the data, or nothing if the preset's data come with the package."""
    return () if options.data is None else ("--data", options.data)


def training_seconds(parts: Sequence) -> int:
    """Return how long the training may take."""
    return max(1, int(parts.left() - max(AFTERWARDS * parts.time, 2 * ORDERLY_END)))


def pack(options: argparse.Namespace, parts: Sequence) -> None:
    """Fit samplers, then pack and measure the run, as was done for the existing sets."""
    run, data = options.out / "run", data_of(options)
    packed = options.out / options.preset
    for sampler in ("gaussian", "mixture"):
        parts.run(f"sampler-{sampler}", *COMMAND, "fit-sampler", run, sampler, *data)
    words = ("pretrained", "pack", run, *data, "--out", packed, "--float16", "--overwrite")
    parts.run("pack", *COMMAND, *words)
    for features in options.features:
        name = f"evaluate-{features.partition(':')[0]}"
        words = ("evaluate", packed, *data, "--features", features, *options.evaluation)
        parts.run(name, *COMMAND, *words)
    parts.run("card", *COMMAND, "pretrained", "card", packed)
    parts.take_home("set.tar", sorted(path for path in packed.rglob("*") if path.is_file()))


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder for logs, the run and its weights")
    parser.add_argument("--results", type=Path, help="folder for copies of the few files to keep")
    parser.add_argument("--data", type=Path, help="prepared folder of the preset's dataset")
    parser.add_argument(
        "--minutes", type=float, default=25.0, help="time for everything (default: 25)"
    )
    parser.add_argument("--preset", default="cifar10", help="preset to train (default: cifar10)")
    parser.add_argument(
        "--other",
        default="celeba",
        help="preset whose training step is timed last (default: celeba)",
    )
    parser.add_argument(
        "--precision", default="float32", help="precision of the training (default: float32)"
    )
    parser.add_argument("--epochs", type=int, help="epochs of stage 1 (default: the preset's)")
    parser.add_argument("--epochs2", type=int, help="epochs of stage 2 (default: the preset's)")
    for name, whose in (
        ("--training", "`train`"),
        ("--evaluation", "`evaluate`"),
        ("--benchmark", "the benchmarks"),
    ):
        parser.add_argument(
            name,
            type=str.split,
            default=[],
            help=f"further options of {whose}, as one quoted argument",
        )
    parser.add_argument(
        "--features",
        action="append",
        default=[],
        help="features of `evaluate`, such as pixels or classifier:DATA; can be repeated",
    )
    parser.add_argument(
        "--parity",
        type=Path,
        default=ROOT / "tests" / "golden" / "balancing",
        help="folder with recorded numbers of the original program",
    )
    run_all(parser.parse_args())


if __name__ == "__main__":
    main()
