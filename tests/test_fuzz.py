"""Damaged files and odd arrays: a clear error or a sound result, nothing else."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tiny import tiny_pipeline

from balancing_vae.checks import check_images
from balancing_vae.config import Config
from balancing_vae.storage.arrays import load_arrays
from balancing_vae.storage.arrays import save_arrays
from balancing_vae.storage.checkpoint import read_variables
from balancing_vae.storage.folder import read_description
from balancing_vae.storage.folder import read_history
from balancing_vae.storage.weights import load_weights

DATA = Path(__file__).parent / "data/format-1"
GOLDEN = Path(__file__).parent / "golden/balancing"
CLEAR = (ValueError, FileNotFoundError)

fuzzing = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def damage(content: bytes, data) -> bytes:
    """Cut a file short, or overwrite some of its bytes."""
    if data.draw(st.booleans(), label="truncate"):
        return content[: data.draw(st.integers(0, len(content) - 1), label="length")]
    place = data.draw(st.integers(0, len(content) - 1), label="place")
    garbage = data.draw(st.binary(min_size=1, max_size=64), label="garbage")
    return content[:place] + garbage + content[place + len(garbage) :]


@pytest.fixture(scope="module")
def stage2():
    return tiny_pipeline().stage2


@fuzzing
@given(data=st.data())
# Keras warns of layers without weights before it raises.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_weights_load_or_are_refused(tmp_path, stage2, data):
    path = tmp_path / "stage2.weights.h5"
    path.write_bytes(damage((DATA / "stage2.weights.h5").read_bytes(), data))
    try:
        load_weights(path, stage2)
    except CLEAR as error:
        assert "stage2.weights.h5" in str(error)


@fuzzing
@given(data=st.data())
def test_damaged_arrays_load_or_are_refused(tmp_path, data):
    path = tmp_path / "arrays.npz"
    save_arrays(path, a=np.arange(5), b=np.eye(3))
    path.write_bytes(damage(path.read_bytes(), data))
    try:
        load_arrays(path)
    except CLEAR as error:
        assert "arrays.npz" in str(error)


@fuzzing
@given(data=st.data())
def test_damaged_descriptions_are_read_or_refused(tmp_path, data):
    (tmp_path / "config.json").write_bytes(damage((DATA / "config.json").read_bytes(), data))
    try:
        Config.from_dict(read_description(tmp_path)["config"])
    except CLEAR as error:
        assert str(error)


@fuzzing
@given(data=st.data())
def test_damaged_histories_are_read_or_refused(tmp_path, data):
    (tmp_path / "history.csv").write_bytes(damage((DATA / "history.csv").read_bytes(), data))
    try:
        read_history(tmp_path)
    except CLEAR as error:
        assert "history.csv" in str(error)


@fuzzing
@given(data=st.data())
def test_damaged_checkpoints_are_read_or_refused(tmp_path, data):
    damaged = data.draw(st.sampled_from(["init.index", "init.data-00000-of-00001"]))
    for name in ("init.index", "init.data-00000-of-00001"):
        content = (GOLDEN / name).read_bytes()
        (tmp_path / name).write_bytes(damage(content, data) if name == damaged else content)
    try:
        read_variables(tmp_path / "init")
    except CLEAR as error:
        assert "init" in str(error)


@fuzzing
@given(
    hnp.arrays(
        st.sampled_from(["uint8", "float32", "float64", "int16", "bool", "complex64"]),
        hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5),
    )
)
def test_arrays_are_images_or_refused(x):
    try:
        check_images(x, (4, 4, 1))
    except ValueError as error:
        assert str(error).startswith("x ")
    else:
        assert x.shape[1:] == (4, 4, 1) and len(x) > 0
        assert x.dtype == np.uint8 or (0 <= x.min() and x.max() <= 1)


@fuzzing
@given(
    st.dictionaries(
        st.sampled_from([*json.loads((DATA / "config.json").read_text())["config"], "other"]),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(-3, 3),
            st.floats(),
            st.text(max_size=3),
            st.lists(st.integers(-1, 4), max_size=4),
            st.dictionaries(st.text(max_size=2), st.none()),
        ),
        max_size=4,
    )
)
def test_configs_are_sound_or_refused(changes):
    fields = json.loads((DATA / "config.json").read_text())["config"] | changes
    try:
        config = Config.from_dict(fields)
    except CLEAR:
        return
    assert config.latent_dim > 0 and config.batch_size > 0 and min(config.image_shape) > 0
