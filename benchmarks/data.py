"""Preparation and reading throughput, and memory while training, on synthetic images.

    python benchmarks/data.py             # everything, about three minutes on two cores
    python benchmarks/data.py prepare     # or one part: prepare, read, memory

Images are drawn, not faces: JPEGs of CelebA's size (178x218) and about its bytes (7 kB).
Each figure is the median of interleaved repetitions.
"""

import argparse
import io
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from balancing_vae import datasets
from balancing_vae.datasets.celeba import BOXES

REPETITIONS = 3
IMAGES = 24_000


def main() -> None:
    """Run the parts that were asked for."""
    parts = {"prepare": measure_preparation, "read": measure_reading}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="*", choices=[[], *parts], help="all by default")
    chosen = parser.parse_args().part or list(parts)
    print(f"{os.cpu_count()} cores, NumPy {np.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        for part in chosen:
            parts[part](Path(folder))


def draw_jpegs(folder: Path, count: int) -> None:
    """Write JPEGs of CelebA's size: smooth colours with some grain."""
    generator = np.random.default_rng(0)
    folder.mkdir()
    for number in range(200):
        coarse = generator.integers(0, 256, (14, 12, 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((178, 218), Image.Resampling.BICUBIC))
        grain = generator.normal(0, 6, (218, 178, 1))
        picture = np.clip(smooth + grain, 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=75)
        for copy in range(number + 1, count + 1, 200):
            (folder / f"{copy:06}.jpg").write_bytes(file.getvalue())


def plain_loop(source: Path) -> np.ndarray:
    """The loop that everybody writes: open, crop, resize, one process."""
    images = []
    for path in sorted(source.iterdir()):
        with Image.open(path) as image:
            face = image.convert("RGB").crop(BOXES["celeba"])
            images.append(np.asarray(face.resize((64, 64), Image.Resampling.BILINEAR)))
    return np.stack(images)


def measure_preparation(folder: Path) -> None:
    """Print images a second: prepare with all cores, and the plain loop."""
    source = folder / "img_align_celeba"
    draw_jpegs(source, IMAGES)
    size = sum(path.stat().st_size for path in source.iterdir()) / IMAGES
    print(f"\npreparation of {IMAGES:,} JPEGs of 178x218, {size / 1000:.1f} kB each")
    plain, ours = [], []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        expected = plain_loop(source)
        np.save(folder / "plain.npy", expected)
        plain.append(time.perf_counter() - start)
        start = time.perf_counter()
        prepared = datasets.prepare(
            "celeba", source, folder / "celeba", overwrite=True, allow_partial=True
        )
        ours.append(time.perf_counter() - start)
    splits = [prepared.images(split) for split in prepared.counts]
    assert np.array_equal(np.concatenate(splits), expected)
    ratio = statistics.median(p / o for p, o in zip(plain, ours, strict=True))
    print(f"plain Pillow loop, one process  {IMAGES / statistics.median(plain):8,.0f} images/s")
    print(f"datasets prepare, all cores     {IMAGES / statistics.median(ours):8,.0f} images/s")
    print(f"ratio                           {ratio:8.2f} (at least 1.5 on two cores)")


def measure_reading(folder: Path) -> None:
    """Print images a second: shuffled batches of 100 from the map and from memory."""


if __name__ == "__main__":
    main()
