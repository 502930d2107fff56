"""The command `compare`."""

import pytest
from PIL import Image

from balancing_vae.cli import main
from balancing_vae.evaluation.metrics_file import write_metrics
from tests.helpers.measurements import changed
from tests.helpers.measurements import measurements


@pytest.fixture
def run_folder(tmp_path):
    write_metrics(tmp_path / "mine", measurements())
    return tmp_path / "mine"


@pytest.mark.parametrize("form", ["markdown", "text", "html", "csv", "json"])
def test_every_form_of_the_table_names_protocols_and_omitted_rows(run_folder, capsys, form):
    assert main(["compare", str(run_folder), "--format", form]) == 0
    printed = capsys.readouterr()
    assert "asperti2020" in printed.out
    # Comma-separated values have no place for it.
    assert "only repeat" in (printed.err if form == "csv" else printed.out)


def test_a_picture_is_not_replaced_without_permission(run_folder, tmp_path, capsys):
    moments = changed(measurements()[:2], metric="mse", protocol=None, features=None)
    write_metrics(run_folder, moments)
    picture = tmp_path / "plot.png"
    picture.write_bytes(b"somebody's")
    words = ["compare", str(run_folder), "--plot", str(picture)]
    assert main(words) == 2
    assert "plot.png already exists" in capsys.readouterr().err
    assert picture.read_bytes() == b"somebody's"
    assert main([*words, "--overwrite"]) == 0
    with Image.open(picture) as image:
        assert image.size[0] > 1000
