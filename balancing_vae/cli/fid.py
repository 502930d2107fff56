"""`balancing-vae fid`: compare two sets of images by metrics, or run the self-test."""

import argparse
import json
import math
from typing import TYPE_CHECKING

from balancing_vae.cli.arguments import add_command
from balancing_vae.errors import InputError
from balancing_vae.fid.protocols import PROTOCOLS

if TYPE_CHECKING:
    from balancing_vae.fid.scoring import Score

_EXAMPLE = """
balancing-vae fid data/cifar10 samples.npy --protocol asperti2020
balancing-vae fid data/cifar10/train.npy folder-of-png --protocol clean --json
balancing-vae fid data/cifar10 samples.npy --protocol clean --metrics fid kid precision recall
balancing-vae fid cifar10_statistics.npz samples.npy --protocol ttur
balancing-vae fid data/mnist samples.npy --features classifier:model.keras
balancing-vae fid data/mnist samples.npy --features classifier:data/mnist
balancing-vae fid --self-test --inception inception-2015-12-05.tgz
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand `fid`."""
    parser = add_command(
        subparsers,
        "fid",
        "Compare two sets of images by their Fréchet distance (FID) or other metrics.",
        _EXAMPLE,
    )
    side = (
        "images (a .npy file, a folder of pictures, or a prepared dataset, whose test images are "
        "used) or their statistics (.npz)"
    )
    parser.add_argument("real", metavar="A", nargs="?", help=f"real {side}")
    parser.add_argument("generated", metavar="B", nargs="?", help=f"generated {side}")
    add_measuring_arguments(parser)
    parser.add_argument(
        "--metrics",
        nargs="+",
        metavar="METRIC",
        help="metrics to compute, such as fid, kid, precision, recall, density, coverage; also "
        "mse, psnr and ssim if the images in B are reconstructions of those in A (default: fid)",
    )
    parser.add_argument(
        "--engine",
        choices=("eigenvalues", "tfgan"),
        default="eigenvalues",
        help="how the Fréchet distance is computed; tfgan uses TF-GAN and needs the extra "
        "balancing_vae[tfgan] (default: %(default)s)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one line of JSON for each number"
    )
    parser.add_argument(
        "--self-test",
        action="store_true",
        help="check this machine: the FID between 5,000 training images and 5,000 test images of "
        "CIFAR-10 must be 10.3233274. A is CIFAR-10's archive or prepared folder (default: "
        "download the archive)",
    )
    parser.set_defaults(run=run)


def add_measuring_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the shared options of `fid` and `evaluate`: protocol, features, Inception's path.

    Args:
        parser: The subcommand's parser.
    """
    parser.add_argument(
        "--protocol",
        choices=tuple(PROTOCOLS),
        default="asperti2020",
        help="resize, scale, quantisation and whether an incomplete last batch is dropped, as in "
        "one of the published programs (default: %(default)s)",
    )
    parser.add_argument(
        "--features",
        default="inception",
        metavar="inception|pixels|classifier:PATH",
        help="feature extractor (default: %(default)s). Distances in other features are not FIDs. "
        "PATH is a Keras classifier, or a prepared dataset with labels, on which a small "
        "classifier is trained",
    )
    parser.add_argument(
        "--inception",
        metavar="PATH",
        help="file of the Inception network, classify_image_graph_def.pb or "
        "inception-2015-12-05.tgz (default: the file in the cache; it is downloaded if missing)",
    )
    parser.add_argument(
        "--trusted-saved-model",
        metavar="FOLDER",
        help="a SavedModel of Inception, instead of --inception. A SavedModel is a program and can "
        "do anything, so use only one that you trust. The distance is called "
        "FD(saved_model:FOLDER), not FID",
    )


def run(options: argparse.Namespace) -> int:
    """Print one line per result; a distance is the last word of its line."""
    from balancing_vae.fid.scoring import choose_metrics
    from balancing_vae.fid.scoring import load_network
    from balancing_vae.fid.scoring import needs_network
    from balancing_vae.fid.scoring import open_side
    from balancing_vae.fid.scoring import score

    if options.self_test:
        return _self_test(options)
    if options.generated is None:
        raise InputError("give two sets of images, A and B, or --self-test; see --help.")
    sides = open_side(options.real), open_side(options.generated)
    names = options.metrics or ["fid"]
    metrics = choose_metrics(names, sides, options.engine)
    network = None
    if needs_network(metrics, sides):
        network = load_network(options.features, options.inception, options.trusted_saved_model)
    scores = score(*sides, network, options.protocol, options.engine, progress=True, metrics=names)
    for result in scores:
        if options.json:
            paths = {"real": options.real, "generated": options.generated}
            value = result.value if math.isfinite(result.value) else None  # JSON has no infinity
            print(json.dumps(paths | result.to_dict() | {"value": value}))
        else:
            print(_line(result))
    return 0


def _line(result: "Score") -> str:
    counts = f"{_count(result.real_count)} real and {_count(result.generated_count)} generated"
    protocol = f", protocol {result.protocol}" if result.protocol else ""
    deviation = "" if result.deviation is None else f" ± {result.deviation:.2g} over subsets"
    return f"{result.distance}{protocol}, {counts} images: {result.value:.7g}{deviation}"


def _count(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"


def _self_test(options: argparse.Namespace) -> int:
    from balancing_vae.fid.networks.inception_files import load_inception
    from balancing_vae.fid.self_test import EXPECTED
    from balancing_vae.fid.self_test import cifar10
    from balancing_vae.fid.self_test import self_test

    if options.generated is not None:
        raise InputError("--self-test takes at most one path, that of CIFAR-10.")
    if options.trusted_saved_model is not None:
        raise InputError("--self-test checks the Inception graph; omit --trusted-saved-model.")
    network = load_inception(options.inception)
    value = self_test(*cifar10(options.real), network, progress=True)
    print(f"self-test passed: FID, protocol ttur, expected {EXPECTED}, measured {value:.7f}")
    return 0
