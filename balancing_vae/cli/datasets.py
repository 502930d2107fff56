"""`balancing-vae datasets`: list, describe and prepare datasets."""

import argparse

from balancing_vae.cli.arguments import add_command

_EXAMPLE = """
balancing-vae datasets list
balancing-vae datasets info celeba
balancing-vae datasets prepare celeba --source img_align_celeba.zip --out data/celeba
balancing-vae datasets prepare cifar10 --jpeg --out data/cifar10
balancing-vae datasets prepare folder --source photos --side 64 --out data/photos
balancing-vae datasets prepare folder --source scans --side 28 --grayscale --out data/scans
balancing-vae datasets info data/celeba
"""
_PREPARE_EXAMPLE = """
balancing-vae datasets prepare mnist --source idx-files --out data/mnist --pad
balancing-vae datasets prepare celeba140 --source img_align_celeba --out data/celeba140
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand `datasets`."""
    parser = add_command(subparsers, "datasets", "List, describe and prepare datasets.", _EXAMPLE)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    listing = add_command(
        actions, "list", "List all datasets by name.", "balancing-vae datasets list"
    )
    listing.set_defaults(run=_list)

    info = add_command(
        actions,
        "info",
        "Describe a dataset and what to download, or check and describe a prepared folder.",
        "balancing-vae datasets info mnist\nbalancing-vae datasets info data/mnist",
    )
    info.add_argument("what", metavar="NAME|FOLDER", help="a dataset's name or a prepared folder")
    info.set_defaults(run=_info)

    prepare = add_command(
        actions,
        "prepare",
        "Convert a dataset's files, or a folder of images, to NumPy arrays that training opens.",
        _PREPARE_EXAMPLE,
    )
    prepare.add_argument("name", metavar="NAME", help="a dataset's name; see `datasets list`")
    prepare.add_argument(
        "--source",
        metavar="PATH",
        help="the dataset's files, or your folder or zip file of images (default for mnist, "
        "fashion_mnist and cifar10: download the files)",
    )
    prepare.add_argument("--out", metavar="FOLDER", required=True, help="the folder to write")
    prepare.add_argument("--overwrite", action="store_true", help="replace an existing FOLDER")
    prepare.set_defaults(run=_prepare)

    # Options that are not given are left unset, so that a dataset refuses only options that were
    # given.
    some = prepare.add_argument_group("for some datasets")
    some.argument_default = argparse.SUPPRESS
    some.add_argument(
        "--jpeg",
        action="store_true",
        help="cifar10: write each image as a JPEG and read it back, as the original program does",
    )
    some.add_argument("--pad", action="store_true", help="mnist, fashion_mnist: pad 28x28 to 32x32")
    some.add_argument(
        "--crop",
        type=_crop,
        help="folder: side of a centred square, or LEFT,TOP,RIGHT,BOTTOM, in pixels (default: the "
        "largest centred square)",
    )
    some.add_argument("--side", type=int, help="folder, required: side of the result in pixels")
    some.add_argument("--grayscale", action="store_true", help="folder: one channel instead of RGB")
    some.add_argument(
        "--allow-partial",
        action="store_true",
        help="all but digits and folder: accept a source with fewer images",
    )
    some.add_argument(
        "--skip-broken",
        action="store_true",
        help="celeba, celeba140, folder: skip unreadable images (default: refuse the source)",
    )
    some.add_argument("--workers", type=int, help="number of processes (default: one per core)")


def _crop(text: str) -> int | tuple[int, ...]:
    numbers = tuple(int(part) for part in text.split(","))
    if len(numbers) not in (1, 4):
        raise argparse.ArgumentTypeError(f"{text!r} is neither SIDE nor LEFT,TOP,RIGHT,BOTTOM")
    return numbers if len(numbers) == 4 else numbers[0]


def _list(options: argparse.Namespace) -> None:
    from balancing_vae import datasets

    for entry in datasets.DATASETS.values():
        counts = ", ".join(f"{count:,} {split}" for split, count in entry.counts.items())
        print(f"{entry.name:14} {entry.shape:24} {counts or 'the images in your folder'}")
        print(f"{'':14} {entry.summary}")


def _info(options: argparse.Namespace) -> None:
    from balancing_vae import datasets

    if options.what not in datasets.DATASETS:
        _show(datasets.open_prepared(options.what), verify=True)
        return
    entry = datasets.dataset(options.what)
    counts = ", ".join(f"{count:,} {split}" for split, count in entry.counts.items())
    print(f"{entry.name}: {entry.summary}")
    print(f"images   {entry.shape}, uint8; {counts or 'the images in your folder'}")
    print(f"options  {', '.join('--' + o.replace('_', '-') for o in entry.options) or 'none'}")
    print(f"source   {entry.instructions or 'Nothing to download: scikit-learn contains it.'}")


def _prepare(options: argparse.Namespace) -> None:
    from balancing_vae import datasets

    fixed = {"command", "command_line", "action", "run", "traceback"}
    fixed |= {"name", "source", "out", "overwrite"}
    chosen = {key: value for key, value in vars(options).items() if key not in fixed}
    prepared = datasets.prepare(
        options.name, options.source, options.out, options.overwrite, **chosen
    )
    _show(prepared, verify=False)


def _show(prepared, verify: bool) -> None:
    """Print the content of a prepared folder, after checking its arrays if `verify` is true."""
    from balancing_vae.datasets.files import in_words

    if verify:
        prepared.verify()
    description = prepared.description
    print(f"{prepared.folder}: {prepared.name}")
    for split, about in description["splits"].items():
        mean = " ".join(f"{value:.4f}" for value in about["mean"])
        std = " ".join(f"{value:.4f}" for value in about["std"])
        shape = "x".join(map(str, prepared.image_shape))
        print(f"{split:6} {about['count']:>8,} of {shape}  mean {mean}  std {std}")
    for key in ("source", "partition", "crop", "filter", "jpeg", "padding"):
        if description.get(key):
            print(f"{key:10} {_plain(description[key])}")
    for key, title in (("passed_over", "left out"), ("changed", "changed")):
        if description.get(key):
            print(f"{title:10} {in_words(description[key])}")
    if prepared.classes:
        print(f"{'classes':10} {', '.join(prepared.classes)}")
    if description.get("skipped"):
        print(f"{'skipped':10} {len(description['skipped'])} broken images:")
        for name in description["skipped"]:
            print(f"  {name}")
    if verify:
        print("The sha256 of every array is correct.")


def _plain(value: object) -> str:
    if isinstance(value, dict):
        value = [f"{key} {inner}" for key, inner in value.items()]
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
