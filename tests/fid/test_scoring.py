"""A score and the fields stored with it; the command `fid`."""

import json
import re

import numpy as np
import pytest

from balancing_vae.cli import main
from balancing_vae.fid.distance import frechet_distance
from balancing_vae.fid.features import extract
from balancing_vae.fid.measuring import measure
from balancing_vae.fid.metrics import METRICS
from balancing_vae.fid.metrics.metric import Metric
from balancing_vae.fid.neighbors import Features
from balancing_vae.fid.networks.inception import FrozenInception
from balancing_vae.fid.networks.pixels import Pixels
from balancing_vae.fid.scoring import load_network
from balancing_vae.fid.scoring import score
from balancing_vae.fid.statistics import Statistics
from tests.helpers import stand_ins

RNG = np.random.default_rng(0)
REAL = RNG.integers(0, 256, (2200, 4, 4, 3), dtype="uint8")
FAKE = RNG.integers(20, 200, (2100, 4, 4, 3), dtype="uint8")


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("real.npy", REAL)
    np.save("fake.npy", FAKE)


def by_hand(real=REAL, fake=FAKE):
    """FD(pixels) from the formula, by NumPy alone."""
    real, fake = (x.reshape(len(x), -1).astype("float64") / 255 for x in (real, fake))
    s1, s2 = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    difference = real.mean(axis=0) - fake.mean(axis=0)
    root = np.sqrt(np.linalg.eigvals(s1 @ s2).astype(complex)).real.sum()
    return difference @ difference + np.trace(s1) + np.trace(s2) - 2 * root


def test_distance_of_pixels():
    result = score(REAL, FAKE, Pixels(), "clean")
    assert result.value == pytest.approx(by_hand(), rel=1e-6)
    assert (result.distance, result.protocol) == ("FD(pixels)", "clean")
    assert (result.real_count, result.generated_count) == (2200, 2100)


def test_batch_remainder_is_dropped():
    result = score(REAL, FAKE, Pixels(), "asperti2020")
    assert (result.real_count, result.generated_count) == (2176, 2048)
    assert result.value == pytest.approx(by_hand(REAL[:2176], FAKE[:2048]), rel=1e-6)


def test_engines_agree():
    ours, theirs = (
        score(REAL, FAKE, Pixels(), "asperti2020", engine).value
        for engine in ("eigenvalues", "tfgan")
    )
    assert ours == pytest.approx(theirs, rel=1e-5)


def test_statistics_and_images_give_the_same():
    real = measure(REAL, Pixels(), "clean")
    assert score(real, FAKE, Pixels(), "clean") == score(REAL, FAKE, Pixels(), "clean")
    with pytest.raises(ValueError, match="The engine tfgan computes from features"):
        score(real, FAKE, Pixels(), "clean", engine="tfgan")


def test_statistics_of_another_protocol_are_refused():
    real = measure(REAL, Pixels(), "clean")
    with pytest.raises(ValueError, match="real side were made with the protocol clean, not ttur"):
        score(real, FAKE, Pixels(), "ttur")


def test_statistics_of_other_features_are_refused():
    network = FrozenInception(stand_ins.graph())
    fake = measure(FAKE[:2], network, "clean")
    with pytest.raises(ValueError, match="two features, pixels and inception"):
        score(measure(REAL, Pixels(), "clean"), fake, None, "clean")


def test_statistics_of_other_tools_are_accepted():
    real = measure(REAL, Pixels(), "clean")
    foreign = Statistics(real.mu, real.sigma, count=None)
    with pytest.warns(UserWarning, match="real side do not name their protocol"):
        assert score(foreign, FAKE, Pixels(), "clean").value == pytest.approx(by_hand(), rel=1e-6)


@pytest.mark.parametrize(
    ("images", "message"),
    [(FAKE[:1], "1 image cannot have a covariance"), (FAKE[:0], "There are no features")],
)
@pytest.mark.parametrize("engine", ["eigenvalues", "tfgan"])
def test_fewer_than_two_images(images, message, engine):
    with pytest.raises(ValueError, match=f"{message}|at least one array"):
        score(REAL, images, Pixels(), "clean", engine)


def test_unknown_features_and_engine():
    with pytest.raises(ValueError, match="choose inception, pixels or classifier:PATH"):
        load_network("vgg")
    with pytest.raises(ValueError, match="choose one of eigenvalues, tfgan"):
        score(REAL, FAKE, Pixels(), "clean", engine="sqrtm")


@pytest.mark.filterwarnings("ignore:Only")
def test_metrics_of_the_same_features():
    """The Fréchet distance does not change when others are computed with it."""
    names = ["precision", "fid", "kid", "mean_std"]
    real, fake = REAL[:80], FAKE[:60]
    scores = score(real, fake, Pixels(), "clean", metrics=names)
    assert [s.metric for s in scores] == names
    precision, fid, kid, std = scores
    assert fid == score(real, fake, Pixels(), "clean")
    assert (fid.engine, fid.deviation, precision.engine) == ("eigenvalues", None, None)
    assert precision.distance == "precision(pixels)"
    assert 0 <= precision.value <= 1
    assert kid.distance == "KD(pixels)"
    assert kid.value > 3 * kid.deviation > 0
    features = [np.concatenate(list(extract(x, Pixels(), "clean"))) for x in (real, fake)]
    assert kid.value == METRICS["kid"](*map(Features, features)).value
    assert (std.distance, std.protocol, std.features) == ("mean std", None, None)
    assert std.value == pytest.approx((fake / 255).std(axis=0).mean(), rel=1e-5)


def test_metrics_count_the_images_that_they_take():
    names = ["fid", "coverage", "variance_loss"]
    counts = [
        (s.real_count, s.generated_count)
        for s in score(REAL, FAKE, Pixels(), "asperti2020", metrics=names)
    ]
    assert counts == [(2176, 2048), (2176, 2048), (2200, 2100)]


def test_both_engines_give_one_of_several_metrics():
    scores = score(REAL, FAKE, Pixels(), "clean", "tfgan", metrics=["fid", "precision"])
    assert [s.engine for s in scores] == ["tfgan", None]
    assert scores[0].value == pytest.approx(by_hand(), rel=1e-5)


def test_metrics_of_images_need_no_network():
    assert score(REAL, REAL, None, "clean", metrics=["psnr"])[0].value == np.inf
    with pytest.raises(ValueError, match="Computing fid from images needs features"):
        score(REAL, FAKE, None, "clean")


@pytest.mark.parametrize(
    ("name", "needed"), [("kid", "features"), ("recall", "features"), ("mse", "images")]
)
def test_metrics_of_more_than_statistics_refuse_them(name, needed):
    message = f"The metric {name} computes from {needed}, not from statistics"
    for sides in (
        (measure(REAL, Pixels(), "clean"), FAKE),
        (REAL, measure(FAKE, Pixels(), "ttur")),
    ):
        with pytest.raises(ValueError, match=message):
            score(*sides, Pixels(), "clean", metrics=["fid", name])


def test_unknown_metrics():
    with pytest.raises(ValueError, match="Unknown metric 'is'"):
        score(REAL, FAKE, Pixels(), "clean", metrics=["is"])
    with pytest.raises(ValueError, match="must be a list of names, got 'fid'"):
        score(REAL, FAKE, Pixels(), "clean", metrics="fid")


@pytest.mark.usefixtures("files")
@pytest.mark.filterwarnings("ignore:Only")
def test_command_prints_a_line_for_each_metric(capsys):
    np.save("few.npy", FAKE[:60])
    words = "fid real.npy few.npy --protocol clean --features pixels --metrics fid recall kid"
    assert main([*words.split(), "variance_loss"]) == 0
    fid, recall, kid, lost = capsys.readouterr().out.splitlines()
    images = "2,200 real and 60 generated images: "
    assert fid.startswith(f"FD(pixels), protocol clean, {images}")
    assert float(fid.split()[-1]) == pytest.approx(by_hand(fake=FAKE[:60]), rel=1e-6)
    assert recall.startswith(f"recall(pixels), protocol clean, {images}0.")
    assert re.fullmatch(rf"KD\(pixels\), protocol clean, {images}\S+ ± \S+ over subsets", kid)
    assert lost.startswith(f"variance loss, {images}0.0")
    assert main([*words.split(), "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["metric"] for answer in answers] == ["fid", "recall", "kid"]
    assert answers[2]["deviation"] > 0


@pytest.mark.usefixtures("files")
def test_command_loads_no_network_if_none_is_needed(capsys):
    measure(REAL, Pixels(), "clean").save("real.npz")
    absent = "--inception absent.pb".split()
    assert main(["fid", "real.npy", "real.npy", "--metrics", "mse", *absent]) == 0
    assert capsys.readouterr().out == "mse, 2,200 real and 2,200 generated images: 0\n"
    assert main(["fid", "real.npz", "fake.npy", "--metrics", "kid", *absent]) == 2
    assert "The metric kid computes from features" in capsys.readouterr().err


@pytest.mark.usefixtures("files")
def test_command(capsys):
    assert main("fid real.npy fake.npy --protocol clean --features pixels".split()) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("FD(pixels), protocol clean, 2,200 real and 2,100 generated images: ")
    assert float(last.split()[-1]) == pytest.approx(by_hand(), rel=1e-6)


@pytest.mark.usefixtures("files")
def test_command_in_json(capsys):
    assert main("fid real.npy fake.npy --protocol clean --features pixels --json".split()) == 0
    (line,) = capsys.readouterr().out.splitlines()
    answer = json.loads(line)
    assert answer["distance"] == "FD(pixels)"
    assert answer["real"] == "real.npy"
    assert list(answer)[-1] == "value"
    assert answer["value"] == pytest.approx(by_hand(), rel=1e-6)


@pytest.mark.usefixtures("files")
def test_values_that_json_cannot_represent_are_null(capsys):
    assert main("fid real.npy real.npy --metrics psnr --json".split()) == 0
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["value"] is None


@pytest.mark.usefixtures("files", "accepted")
@pytest.mark.filterwarnings("ignore:Only")
def test_command_with_the_graph(capsys, tmp_path):
    (tmp_path / "g.pb").write_bytes(stand_ins.graph())
    np.save("few.npy", FAKE[:70])
    np.save("other.npy", REAL[:70])
    assert main("fid other.npy few.npy --inception g.pb --protocol ttur".split()) == 0
    output = capsys.readouterr()
    assert output.out.startswith("FID, protocol ttur, 50 real and 50 generated images: ")
    assert "fid: warning: Only 50 images" in output.err
    network = FrozenInception(stand_ins.graph())
    expected = frechet_distance(*(measure(x[:70], network, "ttur") for x in (REAL, FAKE)))
    assert float(output.out.split()[-1]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("fid real.npy", "give two sets of images"),
        ("fid real.npy absent.npy --features pixels", "There is no absent.npy"),
        ("fid real.npy fake.npy --inception absent.pb", "There is no file absent.pb"),
        ("fid --self-test a b --inception g.pb", "at most one path"),
        ("fid real.npy fake.npy --metrics is", "Unknown metric 'is'"),
        ("fid real.npy fake.npy --metrics mse", "2,200 images and 2,100 reconstructions"),
    ],
)
def test_command_reports_errors_in_one_line(capsys, words, message):
    assert main(words.split()) == 2
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    assert line.startswith("balancing-vae fid: ")
    assert message in line


def test_a_new_metric_takes_ten_lines(monkeypatch):
    def farthest(real: Features, generated: Features) -> float:
        return np.abs(real.rows.mean(axis=0) - generated.rows.mean(axis=0)).max()

    FARTHEST = Metric("farthest", "farthest mean", "features", better="smaller", compute=farthest)
    monkeypatch.setitem(METRICS, "farthest", FARTHEST)

    (found,) = score(REAL[:9], REAL[9:18], Pixels(), "clean", metrics=["farthest"])
    assert found.distance == "farthest mean(pixels)"
    assert found.value > 0 == score(REAL, REAL, Pixels(), "clean", metrics=["farthest"])[0].value
