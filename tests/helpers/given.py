"""The names and files that the examples of the documentation assume."""

import gzip
import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_digits

from balancing_vae import Config
from balancing_vae import TwoStageVAE
from balancing_vae import fid
from balancing_vae.cli import main
from balancing_vae.datasets.arrays import from_arrays
from balancing_vae.datasets.prepared import write_prepared
from balancing_vae.evaluation import two_stage_columns
from balancing_vae.evaluation.effects import normalization_effects
from balancing_vae.evaluation.metrics_file import read_metrics
from balancing_vae.experiments.moment_matching import PosteriorMoments
from balancing_vae.fid.networks.classifier import train_classifier
from balancing_vae.fid.networks.inception_files import GRAPH_NAME
from balancing_vae.fid.networks.pixels import Pixels
from balancing_vae.layers.right_spectral_norm import RightSpectralNormDense
from balancing_vae.layers.spectral_norm import SpectralNormDense
from balancing_vae.networks import latent_networks
from balancing_vae.normalization import ImageNormalization
from balancing_vae.normalization import LatentNormalization
from balancing_vae.samplers.velocity import Velocity
from balancing_vae.storage.checkpoint import read_variables
from balancing_vae.storage.fingerprint import fingerprint
from balancing_vae.storage.original_sizes import infer_sizes
from balancing_vae.storage.weights import save_weights
from tests.helpers import layouts
from tests.helpers import stand_ins
from tests.helpers.examples import Example
from tests.helpers.networks import dense_networks
from tests.helpers.paths import GOLDEN
from tests.helpers.paths import ROOT
from tests.helpers.pipelines import save_run
from tests.helpers.stage_cases import one_headed_networks

RANDOM = np.random.default_rng(0)
DIGITS = (load_digits().images[:128, ..., None] * (255 / 16)).astype(np.uint8)
LABELS = load_digits().target[:128]
COLORED = layouts.random_images(64, 32, 3)
MATRIX = RANDOM.normal(size=(64, 8)).astype("f4")
MU, SIGMA = RANDOM.normal(size=(256, 2)).astype("f4"), np.full((256, 2), 0.5, "f4")


class Given:
    """Objects that take long to make; each is made once."""

    def __init__(self, folder: Path):
        self.folder = folder

    @cached_property
    def run(self) -> Path:
        """A finished run on digits, measured without normalisation and in two of its modes."""
        run, images = self.folder / "run", self.folder / "images.npy"
        save_run(run)
        np.save(images, DIGITS[:64])
        assert main(["fit-sampler", str(run), "mixture", "--data", str(images)]) == 0
        words = ["evaluate", run, "--data", images, "--features", "pixels", "--seeds", "2"]
        for mode in ("gated", "latents_and_images"):
            assert main([*map(str, words), "--normalization", mode]) == 0
        return run

    @cached_property
    def cache(self) -> Path:
        """A cache that holds the stand-in for the Inception graph."""
        graph = self.folder / "cache" / "balancing_vae" / "inception-2015-12-05" / GRAPH_NAME
        graph.parent.mkdir(parents=True)
        graph.write_bytes(stand_ins.graph())
        return self.folder / "cache"

    @cached_property
    def classifier(self) -> Path:
        """The file of a trained classifier of digits."""
        path = self.folder / "classifier.keras"
        train_classifier(DIGITS, LABELS, path, epochs=1)
        return path

    def vae(self) -> TwoStageVAE:
        """Return a pipeline that an example may train."""
        return TwoStageVAE.load(self.run)

    def trained(self) -> TwoStageVAE:
        """Return a pipeline with a history."""
        vae = self.vae()
        vae.fit(DIGITS, epochs=1, epochs2=1, verbose=False)
        return vae

    def rows(self) -> list:
        """Return the measurements of the run."""
        return read_metrics(self.run)


Make = Callable[[Given], object]

# Names by a prefix of the example's own name. Names of a longer prefix take precedence.
NAMES: dict[str, dict[str, Make]] = {
    "": {
        **dict.fromkeys(("x_train", "x", "images"), lambda given: DIGITS[:64]),
        **dict.fromkeys(("x_test", "x_val", "x_other"), lambda given: DIGITS[64:]),
        "y_train": lambda given: LABELS[:64],
        "samples": lambda given: layouts.random_images(64, 8, 1),
        "real": lambda given: DIGITS[64:],
        "mu": lambda given: MU,
        "sigma": lambda given: SIGMA,
        "log_sigma": lambda given: np.log(SIGMA),
        "z": lambda given: 0.5 * MU,
        "z_hat": lambda given: 0.5 * MU,
        "latents": lambda given: MU,
        "mu_validation": lambda given: MU,
        "noise": lambda given: MU,
        "moments": lambda given: PosteriorMoments.measure(MU, SIGMA),
        "vae": Given.vae,
        "model": lambda given: given.vae().stage1,
        "stage": lambda given: given.vae().stage1,
        "config": lambda given: given.vae().config,
        "encoder": lambda given: dense_networks((8, 8, 1))[0],
        "decoder": lambda given: dense_networks((8, 8, 1))[1],
        "latent_encoder": lambda given: latent_networks(2, 4, 1)[0],
        "latent_decoder": lambda given: latent_networks(2, 4, 1)[1],
        "network": lambda given: Pixels(),
        **dict.fromkeys(("rows", "measurements"), Given.rows),
        "columns": lambda given: two_stage_columns(given.vae(), DIGITS[64:]),
        "x_hat": lambda given: DIGITS[:64],
        "runs": lambda given: [given.run],
        "effect": lambda given: normalization_effects(given.rows())[0],
        "folder": lambda given: given.run,
        "path": lambda given: _saved_weights(given),
        "archive": lambda given: _archive(),
        "features": lambda given: MATRIX,
        "generated_rows": lambda given: RANDOM.normal(size=(64, 192)),
        "data": lambda given: None,
        "preset": lambda given: "digits",
        "index": lambda given: 0,
        "framed": lambda given: np.zeros((4, 32, 32, 1), np.uint8),
        "show": lambda given: len,
        "dataset": lambda given: tf.data.Dataset.from_tensor_slices(COLORED).batch(8),
        "load_images": lambda given: lambda: [DIGITS[:8]] * 5,
        "augment": lambda given: lambda images: images / 255,
        "statistics": lambda given: fid.Statistics.from_features(MATRIX),
        "contents": lambda given: from_arrays({"train": (DIGITS, None)}, {}),
        "cases": lambda given: [{"case": 1}],
        "train_and_measure": lambda given: lambda case: {"mse": 0.5},
        "block": lambda given: b"bytes",
        "stored": lambda given: 0,
        "variables": lambda given: read_variables(GOLDEN / "stage2"),
        "cifar10_images": lambda given: COLORED[:4],
    },
    "checks.check_images": {"x_train": lambda given: COLORED},
    "datasets.array_writer": {"images": lambda given: layouts.random_images(4, 64, 3)},
    "datasets.parallel": {"images": lambda given: COLORED},
    "experiments.moment_matching": {"x_test": lambda given: DIGITS[:64]},
    "fid": {"a": lambda given: MATRIX, "b": lambda given: MATRIX + 1},
    "fid.metrics": {"x": lambda given: MATRIX, "samples": lambda given: MATRIX + 1},
    "fid.metrics.images": {"mse": lambda given: lambda x, y: np.zeros(len(x))},
    "fid.networks.classifier.dataset": {"images": lambda given: layouts.random_images(64, 28, 1)},
    "fid.tfgan": {
        "a": lambda given: DIGITS,
        "b": lambda given: RANDOM.normal(size=(64, 192)).astype("f4"),
    },
    "figures.training_curves": {"vae": lambda given: given.trained()},
    "pipeline.plots.Plots.plot_history": {"vae": lambda given: given.trained()},
    "layers": {
        "x": lambda given: MATRIX,
        "images": lambda given: (COLORED / 255).astype("f4"),
    },
    "layers.right_spectral_norm": {"layer": lambda given: _built(RightSpectralNormDense(4))},
    "layers.right_spectral_norm.RightSpectralNormConv2DTranspose": {
        "x": lambda given: np.zeros((1, 4, 4, 3), "f4")
    },
    "layers.singular_vector": {"x": lambda given: DIGITS},
    "layers.spectral_norm": {"layer": lambda given: _built(SpectralNormDense(4))},
    "layers.transposed_convolution": {"x": lambda given: np.zeros((1, 4, 4, 3), "f4")},
    "models.r": {
        "encoder": lambda given: one_headed_networks()[0],
        "decoder": lambda given: one_headed_networks()[1],
    },
    "evaluation.metrics_file.of_run": {"state": lambda given: fingerprint(given.run)},
    "models.rae": {"images": lambda given: layouts.random_images(8, 4, 1)},
    "moments": {"x": lambda given: DIGITS / 255},
    "normalization.LatentNormalization": {
        "normalization": lambda given: LatentNormalization.fit(MU, SIGMA, MU / 2)
    },
    "normalization.ImageNormalization": {
        "normalization": lambda given: ImageNormalization.fit(DIGITS / 255),
        "x_hat": lambda given: DIGITS / 255,
    },
    "pipeline": {"history": lambda given: given.trained().history},
    "samplers.unfinished": {"velocity": lambda given: _compiled(Velocity(2, 8))},
    "samplers.velocity": {
        "z": lambda given: RANDOM.normal(size=(8, 16)).astype("f4"),
        "t": lambda given: np.full((8, 1), 0.5, "f4"),
        "velocity": lambda given: Velocity(16, width=8),
    },
    "storage.states": {"rows": lambda given: [{"stage": 1, "epoch": 1}]},
    "storage.original.assign": {"vae": lambda given: _original()},
    "training.optimizer.Adam": {"vae": lambda given: given.vae().stage1},
    "training.batches.EpochBatches": {"model": lambda given: given.vae().stage2},
}


def _compiled(model: keras.Model) -> keras.Model:
    model.compile("adam", "mse")
    return model


def _built(layer: keras.Layer) -> keras.Layer:
    layer.build((None, 8))
    return layer


def _original() -> TwoStageVAE:
    return TwoStageVAE(Config(**infer_sizes(read_variables(GOLDEN / "stage2"))))


def _saved_weights(given: Given) -> Path:
    path = Path("saved.weights.h5")
    save_weights(path, given.vae().stage1)
    return path


def _archive() -> zipfile.ZipFile:
    with zipfile.ZipFile("faces.zip", "w") as archive:
        archive.writestr("000001.jpg", layouts.jpeg(layouts.face(1)))
    return zipfile.ZipFile("faces.zip")


def needs_nothing(example: Example) -> bool:
    """Return whether an example of a docstring runs without any of these names and files."""
    given = set().union(*NAMES.values())
    return example.module is not None and not (example.lacks() & given or files_in(example.texts()))


def files_in(texts: set[str]) -> list[str]:
    """Return the entries of FILES that a text names, directly or by a path below them."""
    paths = [text.removeprefix("classifier:") for text in texts]
    return [name for name in FILES if any(f"{path}/".startswith(f"{name}/") for path in paths)]


def write_files(given: Given, names: list[str]) -> None:
    """Write these entries of FILES below the working folder."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        if not Path(name).exists():
            FILES[name](given, Path(name))


def _run(given: Given, path: Path) -> None:
    shutil.copytree(given.run, path)


def _classifier(given: Given, path: Path) -> None:
    shutil.copy(given.classifier, path)


def _statistics(given: Given, path: Path) -> None:
    fid.Statistics.from_features(MATRIX).save(path)


def _second_part(given: Given, path: Path) -> None:
    fid.measure_part(DIGITS[:64], Pixels(), "ttur", part=1, parts=2).save(path)


def _cifar10(given: Given, path: Path) -> None:
    splits = {split: (COLORED, np.zeros(64, int)) for split in ("train", "test")}
    write_prepared(path, "cifar10", from_arrays(splits, {}))


def _mnist(given: Given, path: Path) -> None:
    splits = {split: (layouts.random_images(64, 28, 1), LABELS[:64]) for split in ("train", "test")}
    write_prepared(path, "mnist", from_arrays(splits, {"classes": list("0123456789")}))


def _celeba(given: Given, path: Path) -> None:
    faces = layouts.random_images(8, 64, 3)
    splits = {split: (faces, None) for split in ("train", "val", "test")}
    write_prepared(path, "celeba", from_arrays(splits, {}))


def _all_data(given: Given, path: Path) -> None:
    for name, write in (("cifar10", _cifar10), ("mnist", _mnist), ("celeba", _celeba)):
        if not (path / name).exists():
            write(given, path / name)


def _array(given: Given, path: Path) -> None:
    np.save(path, COLORED)


def _arrays(given: Given, path: Path) -> None:
    np.savez(path, COLORED)


def _pictures(given: Given, path: Path) -> None:
    path.mkdir()
    for number, image in enumerate(COLORED[:8]):
        Image.fromarray(image).resize((64, 64)).save(path / f"{number}.png")


def _photo(given: Given, path: Path) -> None:
    path.write_bytes(layouts.jpeg(layouts.face(1)))


def _zip(given: Given, path: Path) -> None:
    layouts.zip_of(layouts.celeba_folder(path.parent)).replace(path)


def _idx(given: Given, path: Path) -> None:
    path.write_bytes(gzip.compress(layouts.idx(layouts.random_images(7, 28, 1)[..., 0])))


def _weights(given: Given, path: Path) -> None:
    shutil.copytree(ROOT / "weights" / path.name, path)


def _checkpoint(given: Given, path: Path) -> None:
    for file in GOLDEN.glob(f"{path.name}.*"):
        shutil.copy(file, path.parent)


def _reference(given: Given, path: Path) -> None:
    np.savez(path, images=DIGITS[:4], mu=np.zeros((4, 2), "f4"))


def _graph(given: Given, path: Path) -> None:
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo(GRAPH_NAME)
        entry.size = len(stand_ins.graph())
        archive.addfile(entry, io.BytesIO(stand_ins.graph()))


def _stage(given: Given, path: Path) -> None:
    save_weights(path, given.vae().stage1)


FILES: dict[str, Callable[[Given, Path], None]] = {
    **dict.fromkeys(("runs/a", "runs/b", "runs/0", "runs/1", "runs/mnist", "weights/a"), _run),
    **dict.fromkeys(("data/cifar10", "data/digits"), _cifar10),
    "data/mnist": _mnist,
    "data/celeba": _celeba,
    "data": _all_data,
    **dict.fromkeys(("mnist.keras", "classifier.keras"), _classifier),
    **dict.fromkeys(("samples.npy", "test.npy"), _array),
    "samples.npz": _arrays,
    **dict.fromkeys(("samples", "photos"), _pictures),
    **dict.fromkeys(
        ("real.npz", "generated.npz", "a.npz", "b.npz", "part0.npz", "part1.npz"), _statistics
    ),
    "1.npz": _second_part,
    "cifar10_test.npz": _statistics,
    **dict.fromkeys(("photo.jpg", "000001.jpg"), _photo),
    "img_align_celeba.zip": _zip,
    "train-images-idx3-ubyte.gz": _idx,
    "list_eval_partition.txt": lambda given, path: path.write_text("000001.jpg 0\n"),
    "state.json": lambda given, path: path.write_text(json.dumps({"epoch": 1})),
    "reference.npz": _reference,
    "weights/mnist": _weights,
    **dict.fromkeys(("model/stage1", "model/stage2"), _checkpoint),
    "stage1.weights.h5": _stage,
    "inception-2015-12-05.tgz": _graph,
}
