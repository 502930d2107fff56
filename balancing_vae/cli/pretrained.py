"""`balancing-vae pretrained`: list, describe, download, verify, pack and push sets of weights."""

import argparse
from pathlib import Path

from balancing_vae.cli.arguments import add_command
from balancing_vae.cli.data import add_data_argument
from balancing_vae.cli.data import check_run
from balancing_vae.cli.data import open_in_turns
from balancing_vae.errors import InputError

_EXAMPLE = """
balancing-vae pretrained list
balancing-vae pretrained info digits
balancing-vae pretrained download mnist --base-url https://example.org/weights
balancing-vae pretrained verify weights/mnist
balancing-vae pretrained pack runs/mnist --data data/mnist --out weights/mnist
balancing-vae pretrained push weights/mnist owner/mnist
balancing-vae pretrained download hf://owner/mnist
"""
_BASE_URL_HELP = (
    "address of a copy of the folder weights/, or hf://OWNER (default: the environment variable "
    "BALANCING_VAE_WEIGHTS_URL)"
)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand `pretrained`."""
    parser = add_command(
        subparsers,
        "pretrained",
        "List, describe, download, verify, create and upload sets of trained weights.",
        _EXAMPLE,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    listing = add_command(
        actions,
        "list",
        "List all sets by name, with their dataset, size and folder.",
        "balancing-vae pretrained list",
    )
    listing.set_defaults(run=_list)

    info = add_command(
        actions,
        "info",
        "Describe a set and show its measured numbers.",
        "balancing-vae pretrained info digits\nbalancing-vae pretrained info weights/mnist",
    )
    info.add_argument("what", metavar="NAME|FOLDER", help="a set's name or a weights folder")
    info.set_defaults(run=_info)

    download = add_command(
        actions,
        "download",
        "Download a set to the cache and verify its sha256.",
        "balancing-vae pretrained download mnist --base-url https://example.org/weights\n"
        "balancing-vae pretrained download hf://owner/mnist@main",
    )
    download.add_argument(
        "name",
        metavar="NAME",
        help="a set's name, see `pretrained list`; or hf://OWNER/NAME[@REVISION] on the Hub",
    )
    download.add_argument("--base-url", metavar="URL", help=_BASE_URL_HELP)
    download.set_defaults(run=_download)

    verify = add_command(
        actions,
        "verify",
        "Check the sha256 of every file of a set.",
        "balancing-vae pretrained verify\nbalancing-vae pretrained verify digits weights/mnist",
    )
    verify.add_argument(
        "what",
        metavar="NAME|FOLDER",
        nargs="*",
        help="sets or weights folders (default: all sets on this machine)",
    )
    verify.set_defaults(run=_verify)

    pack = add_command(
        actions,
        "pack",
        "Create a weights folder (a set) from a finished run of a preset.",
        "balancing-vae pretrained pack runs/mnist --data data/mnist --out weights/mnist",
    )
    pack.add_argument("run_folder", type=Path, metavar="RUN", help="folder of the finished run")
    add_data_argument(pack)
    pack.add_argument(
        "--out", type=Path, required=True, help="folder to write; its name becomes the set's"
    )
    pack.add_argument(
        "--float16", action="store_true", help="store large weights as float16, half the size"
    )
    pack.add_argument("--overwrite", action="store_true", help="replace an existing folder")
    pack.set_defaults(run=_pack)

    push = add_command(
        actions,
        "push",
        "Upload a weights folder to the Hugging Face Hub.",
        "balancing-vae pretrained push weights/mnist owner/mnist",
    )
    push.add_argument("what", metavar="NAME|FOLDER", help="a set's name or a weights folder")
    push.add_argument(
        "repository",
        metavar="OWNER/NAME",
        help="the repository; it is created if it does not exist",
    )
    push.add_argument("--private", action="store_true", help="make the repository private")
    push.set_defaults(run=_push)

    card = add_command(
        actions,
        "card",
        "Write the model card of a weights folder again, from the numbers in the folder.",
        "balancing-vae pretrained card weights/mnist",
    )
    card.add_argument("folder", type=Path, metavar="FOLDER", help="a weights folder")
    card.set_defaults(run=_card)


def _list(options: argparse.Namespace) -> None:
    from balancing_vae import pretrained

    for entry in pretrained.pretrained_sets().values():
        print(f"{entry.name:14} {entry.dataset:8} {_megabytes(entry.size):>8}  {_place(entry)}")
        if not entry.sha256 and not _on_this_machine(entry.name):
            print(f"{'':33} To train this set:")
            for command in entry.training_commands:
                print(f"{'':33} {command}")


def _info(options: argparse.Namespace) -> None:
    from balancing_vae import pretrained
    from balancing_vae.packing.card import summary

    entry = pretrained.pretrained_sets().get(options.what)
    if entry and not _on_this_machine(entry.name):
        size = _megabytes(entry.size)
        print(f"{entry.name}: on {entry.dataset}, preset {entry.preset}, {size}\n{_place(entry)}")
        print("\n".join(["To train this set:", *entry.training_commands]))
        return
    here = _on_this_machine(entry.name).values() if entry else [pretrained.find(options.what)]
    folder = next(iter(here))
    print(summary(folder))
    print(f"folder: {folder}; full model card: {folder / 'README.md'}")


def _download(options: argparse.Namespace) -> None:
    from balancing_vae import pretrained

    name = pretrained.pin(options.name)
    if name != options.name:
        print(name)
    print(pretrained.download(name, options.base_url))


def _verify(options: argparse.Namespace) -> None:
    from balancing_vae import pretrained
    from balancing_vae.files.checksums import CHECKSUMS
    from balancing_vae.files.checksums import check_checksums
    from balancing_vae.files.checksums import sha256

    entries = pretrained.pretrained_sets()
    problems = []
    for what in options.what or entries:
        if what not in entries and not Path(what).is_dir():
            pretrained.pretrained_set(what)  # raises an error that names the known sets
        folders = _on_this_machine(what).values() if what in entries else [Path(what)]
        if options.what and not folders:
            problems.append(f"{what} is not on this machine.")
        for folder in folders:
            try:
                print(
                    f"{folder}: the sha256 of all {len(check_checksums(folder))} files is correct"
                )
            except (ValueError, OSError) as error:
                problems.append(str(error))
                continue
            published = entries[what].sha256 if what in entries else None
            if published and published != sha256(folder / CHECKSUMS):
                problems.append(f"{folder} is intact, but is not the published set {what}.")
    if problems:
        raise InputError(" ".join(problems))


def _pack(options: argparse.Namespace) -> None:
    from balancing_vae.files.formats import WEIGHTS
    from balancing_vae.files.targets import output_folder

    sources = [options.run_folder, options.data]
    output_folder(options.out, WEIGHTS, options.overwrite, sources)
    x = open_in_turns(options.data, check_run(options.run_folder).preset, "test")

    from balancing_vae.packing.pack import pack

    folder = pack(
        options.run_folder,
        options.out,
        x,
        options.float16,
        options.overwrite,
        options.command_line,
    )
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{_megabytes(size)} in {options.out}; next: balancing-vae evaluate {options.out} ...")


def _push(options: argparse.Namespace) -> None:
    from balancing_vae.pretrained import find
    from balancing_vae.pretrained import push

    print(push(find(options.what), options.repository, options.private))


def _card(options: argparse.Namespace) -> None:
    from balancing_vae.packing.card import write_card

    write_card(options.folder)
    print(f"wrote {options.folder / 'README.md'}")


def _on_this_machine(name: str) -> dict[str, Path]:
    """Return the folders on this machine that have a set, by place."""
    from balancing_vae.pretrained import places
    from balancing_vae.storage.folder import DESCRIPTION

    return {
        place: folder for place, folder in places(name).items() if (folder / DESCRIPTION).is_file()
    }


def _place(entry) -> str:
    """Return where a set is, or why it is not available."""
    for place, folder in _on_this_machine(entry.name).items():
        return f"{'cached' if place == 'cache' else 'installed'}: {folder}"
    if entry.sha256 is None:
        return f"not available. {entry.note}"
    return (
        "not on this machine, and there is no default server; `balancing-vae pretrained "
        f"download {entry.name} --base-url URL` downloads it from a copy of the folder weights/"
    )


def _megabytes(size: int | None) -> str:
    return f"{size / 1e6:.1f} MB" if size else "-"
