"""CelebA: the aligned faces, as a folder or as the downloaded zip."""

from pathlib import Path
from pathlib import PurePosixPath

from balancing_vae.datasets.bounded import read_file
from balancing_vae.datasets.decoding import Entry
from balancing_vae.datasets.decoding import decode_files
from balancing_vae.datasets.description import SPLITS
from balancing_vae.datasets.files import Folder
from balancing_vae.datasets.files import Zip
from balancing_vae.datasets.files import only_images
from balancing_vae.datasets.files import open_files
from balancing_vae.datasets.images import Cut
from balancing_vae.datasets.prepared import Contents
from balancing_vae.errors import InputError

COUNTS = {"train": 162_770, "val": 19_867, "test": 19_962}
COUNT = sum(COUNTS.values())
SIZE = (178, 218)  # width, height of img_align_celeba
SIDE = 64
BOXES = {  # left, top, right, bottom; the last two exclusive
    "celeba": (25, 45, 153, 173),  # 128x128: Asperti; Dai & Wipf
    "celeba140": (19, 39, 159, 179),  # 140x140: Ghosh et al.; WAE
}
_LARGEST_PARTITION = 20 * COUNT  # bytes; a line such as "000001.jpg 0" has 13
_PARTITIONS = ("list_eval_partition.txt", "list_eval_partition.csv")


def read(
    name: str,
    source: Path,
    allow_partial: bool = False,
    skip_broken: bool = False,
    workers: int | None = None,
) -> Contents:
    """Read CelebA's aligned faces, cropped and resized to 64x64.

    Args:
        name: `celeba` (128x128 of each face) or `celeba140` (140x140).
        source: The folder `img_align_celeba`, a folder that contains it, or its zip.
        allow_partial: Whether fewer than 202,599 images are accepted.
        skip_broken: Whether unreadable images are skipped.
        workers: Number of processes; all cores by default.

    Returns:
        The faces, uint8 64x64x3, in three splits. `list_eval_partition` determines the splits;
        without that file they follow the position in the sorted names.

    Raises:
        FileNotFoundError: The source does not exist.
        ValueError: The count is wrong, or the partition file does not match the images.
    """
    files = open_files(source)
    names, passed_over = files.listing()
    partitions = [name for name in names if PurePosixPath(name).name in _PARTITIONS]
    others = sorted(set(names) - set(partitions))
    images, left = only_images(others, passed_over, (".jpg", ".jpeg"))
    by_name = {PurePosixPath(image).name: image for image in images}
    _check_count(source, images, by_name, allow_partial)
    partition = _find_partition(source, files, partitions)
    if partition is None:
        splits = dict(zip(sorted(by_name), split_by_position(len(by_name)), strict=True))
    else:
        place, text = partition
        splits = _splits_by_partition(place, text, by_name, allow_partial)
    return decode_files(
        source,
        [Entry(by_name[image], split) for image, split in sorted(splits.items())],
        Cut(BOXES[name], SIDE, SIZE, upright=False),
        {
            "source": {"file": source.name, "format": files.format},
            "passed_over": left,
            "partition": "position" if partition is None else PurePosixPath(partition[0]).name,
        },
        skip_broken,
        workers,
    )


def _check_count(
    source: Path, images: list[str], by_name: dict[str, str], allow_partial: bool
) -> None:
    if not images:
        raise InputError(
            f"{source} has no .jpg images; give the folder img_align_celeba or the zip of it "
            "(img_align_celeba.zip)."
        )
    if len(by_name) < len(images):
        twice = next(image for image in images if by_name[PurePosixPath(image).name] != image)
        raise InputError(
            f"{source} holds two images with the name {PurePosixPath(twice).name} "
            f"({twice}, {by_name[PurePosixPath(twice).name]}); give a folder with "
            "only img_align_celeba."
        )
    if len(images) != COUNT and not allow_partial:
        raise InputError(
            f"{source} has {len(images):,} images, CelebA has {COUNT:,}",
            "download all of it, or accept a part with allow_partial=True",
            "download all of it, or accept a part with --allow-partial",
        )


def _find_partition(source: Path, files: Folder | Zip, names: list[str]) -> tuple[str, str] | None:
    """Return the path and text of the partition file, in the source or next to it."""
    for partition in _PARTITIONS:
        for name in names:
            if PurePosixPath(name).name == partition:
                try:
                    text = files.read(name, _LARGEST_PARTITION)
                except InputError as error:
                    raise InputError(
                        f"{source}/{name} cannot be read ({error}); download it again."
                    ) from error
                return f"{source}/{name}", text.decode("utf-8", "replace")
        # The official layout has Img/img_align_celeba.zip and Eval/list_eval_partition.txt.
        for folder in (source.parent, source.parent / "Eval", source.parent.parent / "Eval"):
            if (folder / partition).is_file():
                path = folder / partition
                text = read_file(path, _LARGEST_PARTITION)
                return str(path), text.decode("utf-8", "replace")
    return None


def split_by_position(count: int) -> list[str]:
    """Return the split of each of `count` images in the order of their names.

    Args:
        count: Number of images.

    Returns:
        `train`, `val` or `test` for each. The bounds are CelebA's (162,770 and 182,637 of
        202,599), scaled if there are fewer images.
    """
    first_val = count * COUNTS["train"] // COUNT
    first_test = count * (COUNTS["train"] + COUNTS["val"]) // COUNT
    return [
        "train" if position < first_val else "val" if position < first_test else "test"
        for position in range(count)
    ]


def _splits_by_partition(
    place: str, text: str, by_name: dict[str, str], allow_partial: bool
) -> dict[str, str]:
    """Return each image's split according to the partition file."""
    splits = {}
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.replace(",", " ").split()
        if not fields or fields == ["image_id", "partition"]:
            continue
        if len(fields) != 2 or fields[1] not in ("0", "1", "2"):
            raise InputError(
                f"{place}, line {number}: {line[:80]!r} is not an image's name and 0, 1 or 2; "
                "download the file again."
            )
        if fields[0] in splits:
            raise InputError(
                f"{place}, line {number}: {fields[0]} appears twice; download the file again."
            )
        splits[fields[0]] = SPLITS[int(fields[1])]
    absent = splits.keys() - by_name.keys()
    if absent and not allow_partial:
        raise InputError(
            f"{place} names {min(absent)}, which is absent from the images (and {len(absent) - 1} "
            "more)",
            "download the images again, or accept a part with allow_partial=True",
            "download the images again, or accept a part with --allow-partial",
        )
    unlisted = by_name.keys() - splits.keys()
    if unlisted:
        raise InputError(
            f"{place} does not name {min(unlisted)} (and {len(unlisted) - 1} more images); "
            "download the file again, or remove it to split by position."
        )
    return {name: split for name, split in splits.items() if name in by_name}
