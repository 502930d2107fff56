"""Record a set of weights in the package, so that a download from any server can be verified.

    python tools/pin_weights.py mnist

writes the sha256 of `weights/mnist/SHA256SUMS` and the set's size into
`balancing_vae/pretrained/sets.json`. Run it when the set is final.
"""

import argparse
import json
from pathlib import Path

from balancing_vae.files.checksums import CHECKSUMS
from balancing_vae.files.checksums import check_checksums
from balancing_vae.files.checksums import sha256

ROOT = Path(__file__).parent.parent
SETS = ROOT / "balancing_vae" / "pretrained" / "sets.json"


def main() -> None:
    """Check the folders that the command line names, and record their checksums and sizes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", metavar="NAME", nargs="+", help="names of folders in weights/")
    sets = json.loads(SETS.read_text("utf-8"))
    for name in parser.parse_args().names:
        folder = ROOT / "weights" / name
        files = [*check_checksums(folder), CHECKSUMS]
        sets[name] |= {
            "sha256": sha256(folder / CHECKSUMS),
            "size": sum((folder / file).stat().st_size for file in files),
            "note": "",
        }
        print(f"{name}: {sets[name]}")
    SETS.write_text(json.dumps(sets, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
