"""Time and memory of the steps of an FID, compared with the usual implementations.

    python benchmarks/fid.py             # everything, about four minutes on two idle cores
    python benchmarks/fid.py distance    # or one part: distance, metrics, features, memory

Each compared time is the median of three runs. The compared sides alternate in one process, on
this machine's CPU. Inception's weights are random on both sides; its size, layers and operations
are the real ones.
"""

import argparse
import os
import platform
import resource
import statistics
import time
import tracemalloc

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import scipy
import scipy.linalg
from inception_stand_in import frozen_graph
from inception_stand_in import torch_network

from balancing_vae.fid.distance import trace_sqrt_product
from balancing_vae.fid.features import extract
from balancing_vae.fid.measuring import measure
from balancing_vae.fid.metrics import METRICS
from balancing_vae.fid.neighbors import Features
from balancing_vae.fid.networks.inception import FrozenInception
from balancing_vae.fid.networks.pixels import Pixels

REPETITIONS = 3
# One batch of pytorch-fid, so that all sides do the same work.
IMAGES = 50


def medians(**sides):
    """Return each side's median time in seconds; the sides alternate."""
    times = {name: [] for name in sides}
    for _ in range(REPETITIONS):
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def covariance(seed, images=10_000, features=2048):
    """Return a covariance with a spectrum as wide as that of Inception's features."""
    rng = np.random.default_rng(seed)
    x = rng.gamma(1.0, 1.0, (images, features)) * np.exp(rng.normal(-3, 1.5, features))
    x += 0.05 * rng.normal(size=(images, 64)) @ rng.normal(size=(64, features))
    return np.cov(x, rowvar=False)


def benchmark_distance():
    first, second = covariance(0), covariance(1)
    times = medians(
        ours=lambda: trace_sqrt_product(first, second),
        sqrtm=lambda: scipy.linalg.sqrtm(first @ second),
    )
    ours = trace_sqrt_product(first, second)
    theirs = np.trace(scipy.linalg.sqrtm(first @ second)).real
    print(
        f"distance, 2,048 features: {times['ours']:.2f} s, scipy.linalg.sqrtm "
        f"{times['sqrtm']:.2f} s, ratio {times['ours'] / times['sqrtm']:.3f}, values differ by "
        f"{abs(ours / theirs - 1):.1e} relative"
    )


def benchmark_metrics(images=10_000, features=2048):
    rng = np.random.default_rng(0)
    sides = []
    for shift in (0.0, 0.01):
        hidden = rng.normal(size=(images, 64)).astype("float32")
        rows = hidden @ np.random.default_rng(1).normal(size=(64, features)).astype("float32")
        rows = np.maximum(0.05 * rows + 0.3 + shift, 0)
        rows += 0.1 * rng.random(rows.shape, dtype="float32")
        sides.append(rows)
    for names in (("kid",), ("precision", "recall", "density", "coverage")):
        start, processor = time.perf_counter(), time.process_time()
        tracemalloc.start()
        real, generated = map(Features, sides)
        values = [METRICS[name](real, generated).value for name in names]
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        print(
            f"{', '.join(names)} of {images:,} and {images:,} images, {features:,} features: "
            f"{time.perf_counter() - start:.0f} s ({time.process_time() - processor:.0f} s of "
            f"processors), {peak:,.0f} MiB in addition to the features, "
            f"values {', '.join(f'{value:.4g}' for value in values)}"
        )


def benchmark_features():
    import torch

    images = np.random.default_rng(0).integers(0, 256, (IMAGES, 32, 32, 3), dtype="uint8")
    network = FrozenInception(frozen_graph())
    theirs = torch_network()

    def pytorch_fid():
        batch = images.transpose(0, 3, 1, 2) / np.float32(255)
        with torch.no_grad():
            theirs(torch.from_numpy(batch))

    def ours(protocol):
        return lambda: list(extract(images, network, protocol))

    sides = {"asperti2020": ours("asperti2020"), "ttur": ours("ttur"), "pytorch": pytorch_fid}
    for side in sides.values():
        side()
    times = medians(**sides)
    print(
        "features, Inception at its real size, images per second: "
        + ", ".join(f"{name} {IMAGES / seconds:.1f}" for name, seconds in times.items())
    )


class Synthetic:
    """Images that are generated when they are read, so that only the reader's memory counts."""

    def __init__(self, count, side):
        self.count = count
        self.side = side

    def __len__(self):
        return self.count

    def __getitem__(self, part):
        start, stop, _ = part.indices(self.count)
        shape = (stop - start, self.side, self.side, 3)
        return np.random.default_rng(start).integers(0, 256, shape, dtype="uint8")


def benchmark_memory():
    # A sixteenth of the channels: only the memory of statistics and batches matters here.
    network = FrozenInception(frozen_graph(width=16))
    for name, side, counts, features in (
        ("pixels", 16, (20_000, 80_000), Pixels()),
        ("inception", 32, (1_024, 4_096), network),
    ):
        peaks = []
        for count in counts:
            measure(Synthetic(count, side), features, "clean" if name == "pixels" else "ttur")
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        print(
            f"memory, {name}: peak {peaks[0]:,.0f} MiB with {counts[0]:,} images, "
            f"{peaks[1]:,.0f} MiB with {counts[1]:,}"
        )


def main():
    parts = {
        "memory": benchmark_memory,
        "distance": benchmark_distance,
        "metrics": benchmark_metrics,
        "features": benchmark_features,
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=parts, help="part to run (default: all)")
    part = parser.parse_args().part
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"NumPy {np.__version__}, SciPy {scipy.__version__}"
    )
    for name in [part] if part else parts:
        parts[name]()


if __name__ == "__main__":
    main()
