"""Paths of the project and of the test data."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "balancing"
GOLDEN_DAI_WIPF = ROOT / "tests" / "golden" / "dai_wipf"
SAVED_FOLDERS = ROOT / "tests" / "data"
