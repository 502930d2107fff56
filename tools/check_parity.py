"""Compare this port with numbers that the original programs produced.

    python tools/check_parity.py FOLDER

FOLDER is laid out like `tests/golden/balancing` (BalancingVAE), `tests/golden/dai_wipf`
(TwoStageVAE of Dai and Wipf) or `tests/golden/rae` (RAE of Ghosh et al.). There is one line per
quantity, with the measured difference and the largest allowed one. The exit code is 1 if any
difference is larger than allowed. The backend is that of Keras:

    KERAS_BACKEND=jax python tools/check_parity.py FOLDER
"""

import argparse
import json
import os
import sys
from pathlib import Path

from parity.rows import Row


def check(folder: str | Path) -> list[Row]:
    """Compare every quantity of a folder.

    Args:
        folder: A folder laid out like one of `tests/golden`.

    Returns:
        One row per quantity.

    Raises:
        FileNotFoundError: A file of the folder is missing.
    """
    # The numbers were recorded with TensorFlow's own kernels, not with those of oneDNN.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    folder = Path(folder)
    if (folder / "golden.npz").is_file():
        from parity import balancing as program
    elif described := [p for p in folder.glob("*.json") if p.with_suffix(".npz").is_file()]:
        # Only recordings of the program of Ghosh et al. have a builder for each network.
        if "builder" in json.loads(described[0].read_text("utf-8")):
            from parity import rae as program
        else:
            from parity import dai_wipf as program
    else:
        raise FileNotFoundError(
            f"{folder} has neither golden.npz (BalancingVAE) nor a pair of NAME.json and "
            "NAME.npz (TwoStageVAE, RAE)."
        )
    return program.check(folder)


def main() -> int:
    """Print the rows; return 1 if a difference is larger than allowed, 2 on bad input."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folder", type=Path, help="folder with the recorded numbers of the original program"
    )
    folder = parser.parse_args().folder
    try:
        rows = check(folder)
    except (OSError, ValueError, KeyError) as error:
        print(f"check_parity: {error}", file=sys.stderr)
        return 2
    print(*rows, sep="\n")
    exceeding = [row.name for row in rows if row.exceeds]
    print(f"\n{len(exceeding)} of {len(rows)} quantities exceed: {', '.join(exceeding) or 'none'}")
    return 1 if exceeding else 0


if __name__ == "__main__":
    sys.exit(main())
