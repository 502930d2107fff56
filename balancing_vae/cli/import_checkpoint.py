"""`balancing-vae import-checkpoint`: convert a TensorFlow 1 checkpoint to a saved folder."""

import argparse
from pathlib import Path

from balancing_vae.cli.arguments import add_command
from balancing_vae.cli.data import open_images_to_fit
from balancing_vae.cli.data import open_split

EXAMPLE = """
balancing-vae import-checkpoint model/stage2 --out runs/imported --data data/cifar10
balancing-vae import-checkpoint model/stage2 --out runs/imported --reference golden.npz
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "import-checkpoint",
        "Import a checkpoint of the original BalancingVAE or TwoStageVAE program.",
        EXAMPLE,
    )
    parser.add_argument(
        "checkpoint",
        type=Path,
        metavar="CHECKPOINT",
        help="path of the checkpoint without .index, a folder with one checkpoint, or an .npz file",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the imported run")
    parser.add_argument(
        "--data",
        type=Path,
        help="training images, on which computed gamma is measured and the normalisation is "
        "fitted: a folder that `balancing-vae datasets prepare` wrote, or a .npy file (uint8 "
        "[images, height, width, channels]). Without them, computed gamma stays at 1, and there "
        "is no normalisation",
    )
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="FILE",
        help="an .npz file with `images` (uint8), `x` (the floats that the original network "
        "received), and the `mu` and `sigma` that it returned; the largest differences are printed",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing run")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Read sizes and weights, measure gamma and normalisation on images, and save."""
    from balancing_vae.files.atomic import atomic_folder
    from balancing_vae.files.formats import SAVED
    from balancing_vae.files.targets import output_folder
    from balancing_vae.storage.checkpoint import read_variables

    output_folder(options.out, SAVED, options.overwrite, sources=[options.data])
    if options.data is not None:
        open_split(options.data, None, "train")
    variables = read_variables(options.checkpoint)

    from balancing_vae.config import Config
    from balancing_vae.layers.singular_vector import vectors_kept
    from balancing_vae.pipeline import TwoStageVAE
    from balancing_vae.storage.folder import TRAINING
    from balancing_vae.storage.original import assign_variables
    from balancing_vae.storage.original import infer_sizes

    changes = _without_untrained_stages(variables, options.checkpoint)
    vae = TwoStageVAE(Config(**infer_sizes(variables) | changes))
    report = assign_variables(variables, vae.stage1, vae.stage2)
    report.check()
    print(f"{report.assigned} variables assigned; none missing, none left over")
    if report.debias_missing:
        print(
            "the checkpoint has no debias variables of batch normalisation, so its moving averages "
            "are used without correction"
        )
    # The checkpoint's vectors are saved, not those that the forward passes here update.
    with vectors_kept(vae.stage1.encoder, vae.stage1.decoder):
        _measure(vae, options)
    with atomic_folder(options.out, SAVED, options.overwrite) as folder:
        vae.write_into(folder, {TRAINING: [options.command_line]})
    print(vae)
    print(f"saved in {options.out}")


def _without_untrained_stages(variables: dict, checkpoint: Path) -> dict:
    """Raise if no stage is trained; return config changes that omit an untrained stage 2."""
    from balancing_vae.errors import InputError
    from balancing_vae.storage.original import untrained_stages

    untrained = untrained_stages(variables)
    if 1 in untrained:
        raise InputError(
            f"{checkpoint} is not trained: both stages have their initial values. Give a "
            "checkpoint that was written after training; the original program calls it `stage2`."
        )
    if not untrained:
        return {}
    beside = [checkpoint.with_name(f"stage2{ending}") for ending in (".index", ".npz", "")]
    there = next((path for path in beside if path.is_file()), None)
    trained = "the checkpoint that its training wrote at the end, `stage2`,"
    if there is not None:
        trained = f"{there.name.removesuffix('.index')} in the same folder"
    print(
        f"{checkpoint} was written before stage 2 was trained: the imported run has no second "
        f"stage to sample from; {trained} has both stages"
    )
    return {"samplers": ("prior", "gaussian"), "second_stage_noise": False}


def _measure(vae, options: argparse.Namespace) -> None:
    """Compare with a recorded pass, measure gamma and fit normalisation, if data are given."""
    from balancing_vae.storage.reference import forward_differences

    computed = vae.config.balancing["name"] == "computed"
    if options.reference is not None:
        for name, difference in forward_differences(vae.encode, options.reference).items():
            print(f"largest difference from the original, {name}: {difference:.2e}")
    if options.data is None:
        if computed:
            print("gamma is not in the checkpoint and stays at 1; give --data to measure it")
        print("normalisation is not fitted; give --data to fit it, or generate with --plain")
        return
    if computed:
        gammas = vae.measure_gamma(open_split(options.data, None, "train"))
    else:
        gammas = [float(stage.balancing.gamma) for stage in vae.stages.values()]
    vae.fit_normalization(open_images_to_fit(options.data, None, vae.config.held_out))
    found = ", ".join(f"stage {i} {gamma:.5g}" for i, gamma in enumerate(gammas, start=1))
    print(f"gamma {'measured' if computed else 'learned, kept unchanged'}: {found}")
