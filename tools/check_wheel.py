"""Install the wheel into a fresh environment of each Python, and run the core tests there.

    python tools/check_wheel.py 3.11 3.12 3.13
    python tools/check_wheel.py 3.11 --lowest    # the oldest versions that pyproject.toml allows

The environments and a copy of the tests are in a temporary folder, so that nothing can be imported
from the checkout. The content of the wheel is checked first: no file may be missing, and nothing
but the package and its metadata may be in it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "balancing_vae", "weights")
CORE = (
    "tests/layers",
    "tests/networks",
    "tests/balancing",
    "tests/models",
    "tests/samplers",
    "tests/storage/test_saved_folder.py",
    "tests/test_config.py",
    "tests/test_moments.py",
    "tests/test_normalization.py",
)
MUST_HAVE = (
    "balancing_vae/py.typed",
    "balancing_vae/__init__.pyi",
    "balancing_vae/figures/figures.mplstyle",
    "balancing_vae/presets/cifar10.json",
    "balancing_vae/evaluation/published.json",
    "balancing_vae/datasets/sources.json",
    "balancing_vae/weights/digits/stage1.weights.h5",
    "balancing_vae/weights/mnist/stage1.weights.h5",
    "balancing_vae/weights/cifar10-small/stage1.weights.h5",
    "balancing_vae/weights/cifar10/stage1.weights.h5",
)
PACKAGES = {"balancing_vae"}
TOOLS = ("pytest>=8", "hypothesis>=6.100")


def main() -> None:
    """Check the wheel with the Python versions that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("versions", nargs="+", help="Python versions, such as 3.12")
    parser.add_argument(
        "--lowest",
        action="store_true",
        help="install the oldest versions of the dependencies that are allowed",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build(folder)
        check_contents(wheel)
        copy_tests(folder)
        for version in options.versions:
            python = install(folder, version, wheel, options.lowest)
            print(f"Python {version}:\n{uv('pip', 'freeze', '--python', python)}", flush=True)
            test(folder, python)
            print(f"Python {version}: passed", flush=True)


def build(folder: Path) -> Path:
    """Build the wheel from a copy of the sources, so that the checkout does not change."""
    sources = folder / "sources"
    sources.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, sources / name)
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, sources)
    (wheel,) = folder.glob("*.whl")
    return wheel


def check_contents(wheel: Path) -> None:
    """Exit if the wheel lacks a file or has one that does not belong to the package."""
    names = zipfile.ZipFile(wheel).namelist()
    missing = sorted(set(MUST_HAVE) - set(names))
    tops = {name.partition("/")[0] for name in names}
    strange = sorted(top for top in tops - PACKAGES if not top.endswith(".dist-info"))
    if missing or strange:
        raise SystemExit(f"{wheel.name}: missing: {missing}; not part of the package: {strange}")
    size = wheel.stat().st_size / 1e6
    print(f"{wheel.name}: {len(names)} files, {size:.1f} MB, complete", flush=True)


def copy_tests(folder: Path) -> None:
    """Copy the tests, the benchmarks that they import and their settings, but not the package."""
    for name in ("tests", "benchmarks"):
        shutil.copytree(ROOT / name, folder / name)
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lines = ["[pytest]", "pythonpath = ."]
    for name in ("addopts", "markers", "filterwarnings"):
        values = settings["tool"]["pytest"]["ini_options"][name]
        values = [values] if isinstance(values, str) else values
        lines += [f"{name} =", *(f"    {value}" for value in values)]
    (folder / "pytest.ini").write_text("\n".join(lines), "utf-8")


def install(folder: Path, version: str, wheel: Path, lowest: bool) -> Path:
    """Make an environment with the wheel for a Python version; return its interpreter."""
    environment = folder / f"python-{version}"
    uv("venv", "--quiet", "--no-python-downloads", "--python", version, environment)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    if lowest:
        # For uv, a wheel's dependencies are indirect: it would install their newest versions.
        words = ["--resolution", "lowest-direct", "-r", ROOT / "pyproject.toml", *TOOLS]
        uv("pip", "install", "--quiet", "--python", python, *words)
        uv("pip", "install", "--quiet", "--python", python, "--no-deps", wheel)
    else:
        uv("pip", "install", "--quiet", "--python", python, wheel, *TOOLS)
    where = "import balancing_vae; print(balancing_vae.__file__)"
    if environment not in Path(run(python, "-c", where, cwd=folder).strip()).parents:
        raise SystemExit(f"Python {version} does not import the installed wheel.")
    return python


def test(folder: Path, python: Path) -> None:
    """Run the core tests, with their output."""
    words = ["-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", *CORE]
    if subprocess.run([python, *words], cwd=folder, env=_environment()).returncode:
        raise SystemExit("The tests above failed.")


def uv(*words: str | Path) -> str:
    """Run uv, which finds the interpreters and can install the oldest allowed versions."""
    return run(sys.executable, "-m", "uv", *words)


def run(*words: str | Path, cwd: Path | None = None) -> str:
    """Run a program; return what it prints."""
    words = [str(word) for word in words]
    done = subprocess.run(words, cwd=cwd, env=_environment(), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stderr[-3000:]}")
    return done.stdout


def _environment() -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    return kept | {"TF_CPP_MIN_LOG_LEVEL": "3"}


if __name__ == "__main__":
    main()
