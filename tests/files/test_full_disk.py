"""A full disk: one sentence, the old files whole, nothing beside them, and no crash.

A limit on the size of a file makes its writes fail as a full disk does.
"""

import json
import subprocess
import sys

import numpy as np
import pytest

from balancing_vae.files.atomic import atomic_file
from balancing_vae.files.images import write_images
from balancing_vae.storage.states import TrainingStates
from tests.helpers.command_lines import contents
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline
from tests.helpers.processes import HANG
from tests.helpers.processes import environment

pytest.importorskip("resource")

# Everything that writes HDF5, with less and less space. A crash would end the process.
WRITE_ALL = """
import json, resource, sys
from pathlib import Path
from balancing_vae import TwoStageVAE
from balancing_vae.cli import main
from balancing_vae.errors import ResourceError
from balancing_vae.packing.plain import plain_copy
from balancing_vae.files.atomic import atomic_file
from balancing_vae.storage.half import round_kernels
from balancing_vae.storage.states import TrainingStates

folder = Path(sys.argv[1])
vae = TwoStageVAE.load(folder / "saved")
decoder = plain_copy(vae.stage1.decoder)
vae.stage1.optimizer.build(vae.stage1.trainable_variables)

def save_decoder():
    with atomic_file(folder / "decoder.keras") as temporary:
        decoder.save(temporary)

writes = {
    "save": lambda: vae.save(folder / "saved", overwrite=True),
    "write_into": lambda: vae.write_into(folder / "saved"),
    "new folder": lambda: vae.save(folder / "new"),
    "state": lambda: TrainingStates(folder / "states").save(vae.stage1, 1, []),
    "decoder": save_decoder,
    "half": lambda: round_kernels(folder / "saved" / "stage1.weights.h5"),
}
messages = {}
for size in (0, 100, 1000, 4096, 20_000, 30_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    for name, write in writes.items():
        try:
            write()
        except ResourceError as error:
            messages[f"{name} {size}"] = str(error)
    code = main(["generate", str(folder / "saved"), "-n", "2500", "--plain", "--out",
                 str(folder / "samples.npy")])
    messages[f"generate {size}"] = code
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(json.dumps(messages))
"""


@pytest.mark.slow
def test_writers_of_weights_neither_crash_nor_leave_files(tmp_path):
    vae = tiny_pipeline(network={"name": "dense", "width": 64})
    for stage in vae.stages.values():
        stage.trained_epochs = 1
    vae.save(tmp_path / "saved")
    (tmp_path / "decoder.keras").write_text("old")
    before = contents(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", WRITE_ALL, str(tmp_path)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    messages = json.loads(done.stdout.splitlines()[-1])
    for name in ("save", "write_into", "new folder", "state", "decoder", "half"):
        for size in (0, 100, 1000, 4096):
            message = messages[f"{name} {size}"]
            assert "could not be written: File too large; free some space" in message
            assert "/." not in message and message.count("\n") == 0
    assert {messages[f"generate {size}"] for size in (0, 100, 1000, 4096, 20_000)} == {2}
    assert "samples.npy could not be written" in done.stderr
    found = contents(tmp_path)
    found.pop("states", None)
    assert found == before
    assert len(messages) == 7 * 6


@pytest.mark.parametrize("name", ["samples.npy", "samples.npz", "samples"])
@pytest.mark.parametrize("size", [0, 60, 200])
def test_pictures_are_complete_or_missing(tmp_path, name, size):
    images = np.random.default_rng(0).random((3, 16, 16, 3), np.float32)
    with limited(size), pytest.raises(OSError, match=f"{name}.* could not be written: .*free some"):
        write_images(tmp_path / name, images)
    assert list(tmp_path.iterdir()) == []
    write_images(tmp_path / name, images)
    before = contents(tmp_path)
    with limited(size), pytest.raises(OSError, match="The old content was left unchanged"):
        write_images(tmp_path / name, images, overwrite=True)
    assert contents(tmp_path) == before


def test_a_figure_is_complete_or_missing(tmp_path):
    from matplotlib.figure import Figure

    from balancing_vae.figures.style import save_figure

    (tmp_path / "a.png").write_text("old")
    with limited(100), pytest.raises(OSError, match="a.png could not be written"):
        save_figure(tmp_path / "a.png", Figure())
    assert contents(tmp_path) == {"a.png": b"old"}
    with pytest.raises(ValueError, match="must end in one of .png, .pdf, .svg"):
        save_figure(tmp_path / "config.json", Figure())


def test_a_state_without_space_on_the_disk_keeps_the_former_ones(tmp_path):
    states = TrainingStates(tmp_path / "states")
    vae = tiny_pipeline(epochs=1, epochs2=0)
    vae.fit(tiny_images(), verbose=False)
    states.save(vae.stage1, 1, list(vae.history))
    before = contents(tmp_path)
    with limited(2000), pytest.raises(OSError, match="epoch-00002/model.weights.h5 could not be"):
        states.save(vae.stage1, 2, list(vae.history))
    assert contents(tmp_path) == before


def test_other_errors_are_passed_on_unchanged(tmp_path):
    with pytest.raises(PermissionError, match="not yours"), atomic_file(tmp_path / "a"):
        raise PermissionError(13, "not yours")


class limited:
    """Files of this process may not grow beyond so many bytes."""

    def __init__(self, size: int):
        self.size = size

    def __enter__(self):
        import resource

        self.former = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.former[1]))

    def __exit__(self, *_):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, self.former)
