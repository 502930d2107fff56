"""Preparation and reading throughput, and memory while training, on synthetic images.

    python benchmarks/data.py             # everything, about four minutes on two idle cores
    python benchmarks/data.py prepare     # or one part: prepare, read, memory

The images are synthetic patterns, not faces: JPEGs with CelebA's dimensions (178x218) and about its
file size (7 kB). Each rate is the median of interleaved repetitions.
"""

import argparse
import io
import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from balancing_vae import datasets
from balancing_vae.datasets.array_writer import ArrayWriter
from balancing_vae.datasets.celeba import BOXES

REPETITIONS = 3
IMAGES = 24_000
READ_IMAGES = 40_000
TRAINING_SIZES = (10_000, 162_770, 2 * 162_770)
LATENT = 64


def main() -> None:
    """Run the parts that were asked for."""
    parts = {"prepare": measure_preparation, "read": measure_reading, "memory": measure_memory}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=parts, help="part to run (default: all)")
    part = parser.parse_args().part
    print(f"{os.cpu_count()} cores, NumPy {np.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        for name in [part] if part else parts:
            parts[name](Path(folder))


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
    """Prepare the images in a simple loop: open, crop and resize, in one process."""
    images = []
    for path in sorted(source.iterdir()):
        with Image.open(path) as image:
            face = image.convert("RGB").crop(BOXES["celeba"])
            images.append(np.asarray(face.resize((64, 64), Image.Resampling.BILINEAR)))
    return np.stack(images)


def measure_preparation(folder: Path) -> None:
    """Print images per second of `datasets prepare` with all cores, and of the plain loop."""
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
    """Print images per second of shuffled training batches, from a memory map and from memory."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from balancing_vae.training.batches import EpochBatches

    path = write_images(folder / "read.npy", READ_IMAGES)
    sources = {"memory map": np.load(path, mmap_mode="r"), "memory": np.load(path)}
    rates = {name: [] for name in sources}
    for epoch in range(REPETITIONS):
        for name, images in sources.items():
            batches = EpochBatches(images, batch_size=100, seed=0)
            batches.set_epoch(epoch)
            start = time.perf_counter()
            for index in range(len(batches)):
                batches[index]
            rates[name].append(READ_IMAGES / (time.perf_counter() - start))
    print(f"\nreading {READ_IMAGES:,} images of 64x64x3, shuffled, in batches of 100")
    for name, measured in rates.items():
        print(f"{name:31} {statistics.median(measured):8,.0f} images/s")
    ratio = statistics.median(m / r for m, r in zip(*rates.values(), strict=True))
    print(f"ratio                           {ratio:8.2f}")


def measure_memory(folder: Path) -> None:
    """Print the peak of RssAnon while both stages are trained, for three sizes of the data."""
    print(
        "\npeak anonymous memory (RssAnon, MiB) while training on 64x64x3, one epoch of each stage;"
    )
    print("the networks are tiny, so only the memory for the images and their latents grows")
    print(f"{'':20} {'both stages':>20} {'and normalisation':>20}")
    smallest = None
    for count in TRAINING_SIZES:
        path = write_images(folder / "train.npy", count)
        # Each training has a new process, because freed memory may not go back to the system.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            peaks = pool.submit(peak_memory_of_training, path).result()
        smallest = smallest or peaks
        columns = [
            f"{peak:11,.0f} {peak - least:+8,.0f}"
            for peak, least in zip(peaks, smallest, strict=True)
        ]
        print(f"{count:9,} images     {' '.join(columns)}", flush=True)
    print("(required: at most 300 MiB more than for 10,000 images)")


def write_images(path: Path, count: int) -> Path:
    """Write a .npy of random images, uint8 [count, 64, 64, 3], one piece at a time."""
    piece = np.random.default_rng(0).integers(0, 256, (1_000, 64, 64, 3), dtype=np.uint8)
    path.unlink(missing_ok=True)
    with ArrayWriter(path, (64, 64, 3)) as writer:
        for start in range(0, count, len(piece)):
            writer.append(piece[: count - start])
    return path


def peak_memory_of_training(path: Path) -> tuple[float, float]:
    """Train both stages for an epoch on a memory map.

    Returns the peak of RssAnon in MiB, up to the end of stage 2 and over the whole `fit`. A `fit`
    ends with the normalisation, which uses 10,000 images whatever the size of the training set.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    from balancing_vae import Config
    from balancing_vae import TwoStageVAE

    image = keras.Input((64, 64, 3))
    small = keras.layers.Flatten()(keras.layers.AveragePooling2D(16)(image))
    heads = [keras.layers.Dense(LATENT, name=name)(small) for name in ("mu", "log_sigma")]
    z = keras.Input((LATENT,))
    coarse = keras.layers.Reshape((4, 4, 3))(keras.layers.Dense(48, activation="sigmoid")(z))
    config = Config((64, 64, 3), LATENT, second_dim=64, second_depth=1, epochs=1, epochs2=1)
    vae = TwoStageVAE(
        config,
        keras.Model(image, heads),
        keras.Model(z, keras.layers.UpSampling2D(16)(coarse)),
    )
    ends = []
    with PeakMemory() as memory:
        note_peak = keras.callbacks.LambdaCallback(
            on_train_end=lambda logs: ends.append(memory.peak)
        )
        vae.fit(np.load(path, mmap_mode="r"), callbacks=[note_peak], verbose=False)
    return ends[-1], memory.peak


class PeakMemory:
    """The largest RssAnon of this process in a block, sampled a hundred times a second."""

    def __enter__(self) -> "PeakMemory":
        self.peak = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            status = Path("/proc/self/status").read_text()
            line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
            self.peak = max(self.peak, int(line.split()[1]) / 1024)


if __name__ == "__main__":
    main()
