"""The demo explains its terms, measures each step, and reports whether it helped."""

from functools import partial

import pytest

from balancing_vae import TwoStageVAE
from balancing_vae import experiments
from balancing_vae.cli import demo
from balancing_vae.cli import main
from balancing_vae.fid.networks import classifier
from balancing_vae.fid.networks.pixels import Pixels
from tests.helpers.pipelines import as_if_trained
from tests.helpers.pipelines import digits_pipeline


@pytest.mark.filterwarnings("ignore:Only .* images")
def test_the_demo_explains_and_assesses_its_results(tmp_path, monkeypatch, capsys):
    vae = as_if_trained(digits_pipeline())
    vae.fit = lambda *images, **options: None
    asked = {}
    monkeypatch.setattr(
        TwoStageVAE, "untrained", lambda name, **changes: asked.update(changes) or vae
    )
    monkeypatch.setattr(type(vae.history), "plot", lambda history: demo_figure())
    few = partial(experiments.measure_improvements, seeds=(0, 1), samples=64)
    monkeypatch.setattr(experiments, "measure_improvements", few)
    monkeypatch.setattr(classifier, "dataset_classifier", lambda prepared: Pixels())
    assert main(["demo", "--out", str(tmp_path / "out")]) == 0
    assert asked == {"kl_weight": demo.KL_WEIGHT}
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    for word in ("REC ", "GEN-1 ", "GEN-2 ", "normalised ", "variance law ", "inactive "):
        assert any(line.startswith(word) for line in lines), word
    assert "512 real images against 64" in printed
    # This network has learned nothing.
    assert "does not hold in all seeds" in printed
    assert (tmp_path / "out" / "samples.png").is_file()


def demo_figure():
    from balancing_vae.figures.style import Figure

    return Figure()
