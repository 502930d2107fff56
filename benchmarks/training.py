"""Speed of training, encoding and generation of the preset `cifar10`, against plain PyTorch.

    python benchmarks/training.py            # everything, about eight minutes on two idle cores
    python benchmarks/training.py float32    # or one part: float32, mixed_bfloat16, executions
    python benchmarks/training.py executions --preset celeba --precision mixed_bfloat16
    python benchmarks/training.py executions --steps 10 --seconds 20

Each figure is a median. The compared sides alternate in one process on this machine. The images
are random, because their content does not matter here. KERAS_BACKEND chooses the package's backend.

`executions` measures both stages of a preset (by default `digits` on a CPU, `cifar10` on an
accelerator) with 1, 10 and 100 steps per execution, and with the `fit` of `keras.Model`, which runs
the same single steps but reads all logs after each. With JAX and float32, it also measures the
second stage's step in JAX alone, which is about the least time that the package could reach. It
prints the steps per second, their share of the matrix product's rate, and the time that the whole
recipe would take. For `cifar10` on a GPU it also measures PyTorch with `torch.compile`. It prints
each measurement at once, and it leaves out a side that fails.
"""

import argparse
import functools
import math
import os
import platform
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers
from keras import ops

from balancing_vae import TwoStageVAE
from balancing_vae.backend.compilation import uses_accelerator
from balancing_vae.backend.devices import describe_device
from balancing_vae.training.batches import EpochBatches
from balancing_vae.training.optimizer import Adam
from balancing_vae.versions import installed_version

TURNS = 5
BATCH = 100
STEPS = {1: 3, 2: 10}
IMAGES = 1_000
TRAINING_IMAGES = 50_000
IMAGES_OF = {"digits": 1_285, "celeba": 162_770}
# Side of the matrices whose product measures the machine's rate: large enough to fill a GPU.
PEAK_SIDE = 8_192 if uses_accelerator() else 2_048
PRODUCTS = 10
EXECUTIONS = (1, 10, 100)
# Number of timed steps, and the time after which fewer are enough (at least one execution).
TIMED_STEPS = 200
TIMED_SECONDS = 3.0
LATENTS = (np.zeros((10_000, 64), np.float32), np.ones((10_000, 64), np.float32))


class StepTimer(keras.callbacks.Callback):
    """Measures seconds per step, from the end of a `fit`'s first execution to the end of its last.

    After `TIMED_SECONDS` it ends the `fit` with the current execution.
    """

    first = None

    def on_train_batch_end(self, batch, logs=None):
        if self.first is None:
            # Reading a value waits until the computation is finished.
            float(logs["loss"])
            self.first, self.start = batch, time.perf_counter()
        self.last = batch
        if self.last > self.first and time.perf_counter() - self.start > TIMED_SECONDS:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        float(logs["loss"])
        self.seconds = (time.perf_counter() - self.start) / (self.last - self.first)


def fit_step(stage, data, steps, batch=BATCH, fit=None):
    """Return a function that trains for `steps` steps by `fit` and returns the seconds per step.

    One execution before them is not timed. Every execution must be complete, because Keras counts
    an incomplete one as if it were complete. By default, `fit` is the stage's.
    """
    fit = fit or stage.fit
    batches = EpochBatches(data, batch, seed=0)
    # The epoch has only these steps, so that nothing but `StepTimer` waits for a step.
    batches.skipped = len(batches) - stage.steps_per_execution - steps
    assert steps % stage.steps_per_execution == 0 and batches.skipped >= 0

    def run():
        timer = StepTimer()
        fit(batches, shuffle=False, verbose=0, callbacks=[timer])
        return timer.seconds

    return run


def seconds_of(function, per=1):
    """Return a function that returns the seconds that `function` takes, divided by `per`."""

    def run():
        start = time.perf_counter()
        function()
        return (time.perf_counter() - start) / per

    return run


def medians(sides):
    """Return each side's median seconds; the sides alternate, and the first turn does not count."""
    times = {name: [] for name in sides}
    for turn in range(TURNS + 1):
        for name, side in sides.items():
            # Threads of the previous side may still be spinning while they wait for work.
            time.sleep(0.25)
            seconds = side()
            if turn:
                times[name].append(seconds)
    return {name: statistics.median(values) for name, values in times.items()}


def medians_as_they_come(sides, seconds):
    """Return medians as `medians` does, of as many turns as fit into the time.

    Each measurement is printed, and a side that fails is left out. The first turn, which compiles,
    does not count. The second turn is always measured.
    """
    times = {name: [] for name in sides}
    end = time.perf_counter() + seconds
    for turn in range(TURNS + 1):
        if turn > 1 and time.perf_counter() > end:
            break
        for name, side in sides.items():
            if name not in times:
                continue
            start = time.perf_counter()
            try:
                times[name].append(side())
            except Exception as error:
                print(f"{name} failed: {error}", flush=True)
                del times[name]
                continue
            took = time.perf_counter() - start
            print(f"{turn} {name:30} {1e3 * times[name][-1]:10.3f} ms, {took:.1f} s in all")
        if turn == 0:
            end = time.perf_counter() + seconds
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def matrix_product(dtype):
    """Return a function that returns the seconds of one large matrix product."""
    a = ops.cast(keras.random.normal((PEAK_SIDE, PEAK_SIDE), seed=0), dtype)

    def run():
        start = time.perf_counter()
        # The device computes them one after the other; reading the last one waits for all.
        products = [ops.matmul(a, a) for _ in range(PRODUCTS)]
        ops.convert_to_numpy(products[-1][:1, :1])
        return (time.perf_counter() - start) / PRODUCTS

    return run


def pytorch_matrix_product(dtype):
    import torch

    a = torch.randn(PEAK_SIDE, PEAK_SIDE).to(getattr(torch, dtype))
    return seconds_of(lambda: a @ a)


def training_flops(model, batch=BATCH):
    """Return the operations of one training step: three times those of a forward pass."""
    return 3 * sum(
        2 * batch * _size(layer.kernel) // layer.kernel.shape[-1] * _positions(layer)
        for network in (model.encoder, model.decoder)
        for layer in network.layers
        if isinstance(layer, (layers.Conv2D, layers.Conv2DTranspose, layers.Dense))
    )


def _size(weight):
    return int(np.prod(weight.shape))


def _positions(layer):
    """Return how often a layer's kernel is applied to an image, times the kernel's last axis."""
    shape = layer.input.shape if isinstance(layer, layers.Conv2DTranspose) else layer.output.shape
    return int(np.prod(shape[1:-1], dtype=int)) * layer.kernel.shape[-1]


def package_sides(precision, x):
    """Return the pipeline and the package's sides."""
    vae = TwoStageVAE.untrained("cifar10", precision=precision)
    return vae, {
        "stage-1 step": fit_step(vae.stage1, x, STEPS[1]),
        "stage-2 step": fit_step(vae.stage2, LATENTS, STEPS[2]),
        "generation": seconds_of(lambda: vae.generate(IMAGES, stage=2, normalize=False, seed=0)),
        "encoding": seconds_of(lambda: vae.encode(x[:IMAGES])),
    }


def pytorch_sides(precision, x, vae):
    """Return the sides of plain PyTorch."""
    import plain_pytorch
    import torch

    stages = [
        make(precision == "mixed_bfloat16")
        for make in (plain_pytorch.first_stage, plain_pytorch.second_stage)
    ]
    for ours, theirs in zip((vae.stage1, vae.stage2), stages, strict=True):
        trained = sum(_size(weight) for weight in ours.trainable_weights)
        assert trained == theirs.count_parameters()
    first, second = stages
    batch = x[:BATCH]
    starts = range(0, IMAGES, BATCH)

    def steps(stage, make_input, count):
        return seconds_of(lambda: [stage.step(make_input()) for _ in range(count)], per=count)

    def generate():
        return np.concatenate(
            [
                first.decode(second.decode(torch.randn(BATCH, 64))).permute(0, 2, 3, 1).numpy()
                for _ in starts
            ]
        )

    def encode():
        parts = [first.encode(plain_pytorch.images_of(x[s : s + BATCH])) for s in starts]
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    return {
        "stage-1 step": steps(first, lambda: plain_pytorch.images_of(batch), STEPS[1]),
        "stage-2 step": steps(second, lambda: torch.randn(BATCH, 64), STEPS[2]),
        "generation": seconds_of(generate),
        "encoding": seconds_of(encode),
    }


def measure(precision, x):
    """Print a table that compares the package with PyTorch in one precision; return all medians."""
    dtype = precision.removeprefix("mixed_")
    vae, ours = package_sides(precision, x)
    sides = {f"ours {name}": side for name, side in ours.items()}
    sides["ours product"] = matrix_product(dtype)
    if keras.backend.backend() == "tensorflow":
        other = TwoStageVAE.untrained("cifar10", precision=precision).stage2
        other.compile(Adam(1e-4), jit_compile=not vae.stage2.jit_compile)
        name = f"stage-2 step {'with' if other.jit_compile else 'without'} XLA"
        sides[name] = fit_step(other, LATENTS, STEPS[2])
    if precision != "float32":
        in_float32 = package_sides("float32", x)[1]
        for stage in (1, 2):
            sides[f"float32 stage-{stage} step"] = in_float32[f"stage-{stage} step"]
    if not uses_accelerator():
        theirs = pytorch_sides(precision, x, vae)
        sides |= {f"pytorch {name}": side for name, side in theirs.items()}
        sides["pytorch product"] = pytorch_matrix_product(dtype)
    times = medians(sides)
    print(f"\n{precision}: seconds, the sides in turns, medians of {TURNS}")
    print(f"{'':16}{'ours':>10}{'PyTorch':>10}{'ratio':>8}")
    for name in [*ours, "product"]:
        mine, other = times[f"ours {name}"], times.get(f"pytorch {name}")
        beside = "" if other is None else f"{other:10.4f}{mine / other:8.2f}"
        print(f"{name:16}{mine:10.4f}{beside}")
    product = min(times[name] for name in times if name.endswith("product"))
    peak = 2 * PEAK_SIDE**3 / product
    rate = training_flops(vae.stage1) / times["ours stage-1 step"]
    print(
        f"matrix product {peak / 1e9:,.0f} GFLOP/s; stage 1 "
        f"({training_flops(vae.stage1) / 1e9:.0f} GFLOP a step) {rate / peak:.2f} of it; "
        f"generation {IMAGES / times['ours generation']:,.0f} images/s"
    )
    if precision != "float32":
        gains = [
            f"stage {n} {times[f'float32 stage-{n} step'] / times[f'ours stage-{n} step']:.2f}"
            for n in (1, 2)
        ]
        print(f"times as fast as float32: {', '.join(gains)}")
    for name, seconds in times.items():
        if name.endswith("XLA"):
            print(f"{name} {seconds / times['ours stage-2 step']:.2f} times as long")
    recipe = sum(
        epochs * (TRAINING_IMAGES // BATCH) * times[f"ours stage-{stage} step"]
        for stage, epochs in ((1, vae.config.epochs), (2, vae.config.epochs2))
    )
    print(f"the preset's whole recipe at this rate: {recipe / 3600:,.1f} hours")
    return times


def random_data(config, number, rows):
    """Return random training data of a stage: images, or posteriors."""
    random = np.random.default_rng(0)
    if number == 1:
        return random.integers(0, 256, (rows, *config.image_shape), dtype=np.uint8)
    shape = (rows, config.latent_dim)
    return random.standard_normal(shape, np.float32), np.full(shape, 0.3, np.float32)


def torch_steps(number, batch, steps, precision):
    """Return a function that returns the seconds of a compiled step of PyTorch on the GPU."""
    import plain_pytorch
    import torch

    make = plain_pytorch.first_stage if number == 1 else plain_pytorch.second_stage
    stage = make(precision == "mixed_bfloat16", "cuda")
    x = torch.rand((batch, 3, 32, 32) if number == 1 else (batch, 64), device="cuda")
    if number == 1:
        x = x.contiguous(memory_format=torch.channels_last)

    def run():
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(steps):
            stage.step(x)
        torch.cuda.synchronize()
        return (time.perf_counter() - start) / steps

    return run


def bare_jax_sides(stage, config, data, executions):
    """Return sides that run the second stage's step in JAX alone, by their names."""
    from bare_jax import SecondStage

    bare = SecondStage(config.latent_dim, config.second_dim, config.second_depth)
    assert sum(_size(weight) for weight in stage.trainable_weights) == bare.count_parameters()
    batch = tuple(array[: config.batch_size] for array in data)
    return {
        f"stage 2, JAX alone, {steps} a call": functools.partial(
            bare.seconds_per_step, batch, TIMED_STEPS if steps == 1 else steps, steps > 1
        )
        for steps in executions
    }


def measure_executions(preset, precision, executions, seconds, stages):
    """Print the steps per second of the stages, by the number of steps per execution."""
    accelerator = uses_accelerator()
    preset = preset or ("cifar10" if accelerator else "digits")
    config = TwoStageVAE.untrained(preset, precision=precision).config
    images = IMAGES_OF.get(preset.partition("-")[0], TRAINING_IMAGES)
    if keras.backend.backend() == "torch":
        executions = (1,)
    sides = {"product": matrix_product(precision.removeprefix("mixed_"))}
    flops = {}
    for number in stages:
        # As many rows as the dataset has if it is not large: this compiles the training's program.
        rows = max(3 * max(EXECUTIONS) * config.batch_size, images * (images <= TRAINING_IMAGES))
        data = random_data(config, number, rows)
        for steps in executions:
            stage = getattr(TwoStageVAE.untrained(preset, precision=precision), f"stage{number}")
            jit_compile = stage.jit_compile
            stage.compile(Adam(1e-4), jit_compile=jit_compile, steps_per_execution=steps)
            fits = {f"{steps} an execution": stage.fit}
            if steps == 1:
                fits["Keras's own fit"] = functools.partial(keras.Model.fit, stage)
            for how, fit in fits.items():
                name = f"stage {number}, {how}"
                sides[name] = fit_step(stage, data, TIMED_STEPS, config.batch_size, fit)
                flops[name] = training_flops(stage, config.batch_size)
        if number == 2 and keras.backend.backend() == "jax" and precision == "float32":
            for name, side in bare_jax_sides(stage, config, data, executions).items():
                sides[name] = side
                flops[name] = training_flops(stage, config.batch_size)
    if accelerator and preset == "cifar10" and installed_version("torch"):
        for number in stages:
            name = f"stage {number}, PyTorch compiled"
            sides[name] = torch_steps(number, config.batch_size, TIMED_STEPS, precision)
            flops[name] = flops[f"stage {number}, {executions[0]} an execution"]
    times = medians_as_they_come(sides, seconds)
    peak = 2 * PEAK_SIDE**3 / times.pop("product")
    print(f"\n{preset}, {precision}, batches of {config.batch_size}; the sides in turns")
    print(f"matrix product {peak / 1e9:,.0f} GFLOP/s")
    print(f"{'':30}{'ms a step':>10}{'steps/s':>10}{'of first':>10}{'of product':>11}")
    for name, step in times.items():
        first = next(one for other, one in times.items() if other[:7] == name[:7])
        share = flops[name] / step / peak
        print(f"{name:30}{1e3 * step:10.3f}{1 / step:10,.0f}{step / first:10.2f}{share:11.3f}")
    recipe = sum(
        epochs
        * (images // config.batch_size)
        * min(step for name, step in times.items() if is_ours(name, number))
        for number, epochs in ((1, config.epochs), (2, config.epochs2))
        if number in stages
    )
    print(
        f"the recipe's stages {' and '.join(map(str, stages))} on {images:,} images at the best "
        f"of these: {recipe / 60:,.1f} minutes"
    )


def is_ours(name, number):
    return name.startswith(f"stage {number}") and name.endswith("an execution")


def main():
    parts = {
        "float32": lambda x: measure("float32", x),
        "mixed_bfloat16": lambda x: measure("mixed_bfloat16", x),
        "executions": lambda x: measure_executions(
            options.preset, options.precision, options.steps, options.seconds, options.stages
        ),
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=parts, help="all by default")
    parser.add_argument("--preset", help="of `executions`")
    parser.add_argument("--precision", default="float32", help="of `executions` (float32)")
    parser.add_argument(
        "--steps", type=int, nargs="+", default=EXECUTIONS, help="an execution (1 10 100)"
    )
    parser.add_argument("--stages", type=int, nargs="+", default=(1, 2), help="which (1 2)")
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="for the turns of `executions` (all five)"
    )
    options = parser.parse_args()
    part = options.part
    backend = keras.backend.backend()
    print(describe_device())
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"Keras {keras.__version__} on {backend} {installed_version(backend)}, "
        f"PyTorch {installed_version('torch')}"
    )
    x = np.random.default_rng(0).integers(0, 256, (5_000, 32, 32, 3), dtype=np.uint8)
    for name in [part] if part else parts:
        parts[name](x)


if __name__ == "__main__":
    main()
