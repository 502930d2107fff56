"""Damaged files and unusual arrays give a clear error or a valid result, and nothing else."""

import json
import math

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from balancing_vae.checks import check_images
from balancing_vae.config import Config
from balancing_vae.files.arrays import load_arrays
from balancing_vae.files.arrays import save_arrays
from balancing_vae.normalization import MODES
from balancing_vae.pipeline.stages import build_stages
from balancing_vae.samplers import Gaussian
from balancing_vae.samplers import Mixture
from balancing_vae.storage.checkpoint import read_variables
from balancing_vae.storage.folder import read_description
from balancing_vae.storage.folder import read_history
from balancing_vae.storage.samplers import load_samplers
from balancing_vae.storage.weights import load_weights
from tests.helpers.damage import damage
from tests.helpers.paths import SAVED_FOLDERS
from tests.helpers.pipelines import TINY_NETWORK
from tests.helpers.pipelines import tiny_config
from tests.helpers.pipelines import tiny_pipeline
from tests.helpers.tables import entry
from tests.helpers.tables import forge

DATA = SAVED_FOLDERS / "format-1"
CURRENT = SAVED_FOLDERS / "format-2"
CLEAR = (ValueError, FileNotFoundError)

fuzzing = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

# Values that JSON can hold, and values that only Python's reader accepts.
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([10**9, 10**40, -(10**9)]),
    st.floats(),
    st.sampled_from(["", "evil", "reference", "resnet", "own", "prior", "\ud800"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["name", "mode", "encoder", "x"]), inner, max_size=3),
    ),
    max_leaves=6,
)


def change(tree: dict, data) -> None:
    """Replace, remove or add one value anywhere in a tree of dicts and lists."""
    part = tree
    while True:
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        key = data.draw(st.sampled_from(keys), label="key") if keys else None
        inner = part[key] if keys else None
        if not (isinstance(inner, dict | list) and data.draw(st.booleans(), label="deeper")):
            break
        part = inner
    action = data.draw(st.sampled_from(["replace", "remove", "add"]), label="action")
    if action == "add" and isinstance(part, dict):
        part[data.draw(st.sampled_from(["x", "name", "mode", "seed"]))] = data.draw(values)
    elif action == "remove" and keys:
        del part[key]
    elif keys:
        part[key] = data.draw(values, label="value")


def is_sound(description: dict) -> None:
    config = Config.from_dict(description["config"])
    assert min(config.image_shape) > 0 and config.latent_dim > 0 and config.batch_size > 0
    assert all(0 < rate < math.inf for rate in (config.lr, config.lr2, config.adam_epsilon))
    if description["trained_epochs"] is None:
        return
    assert all(type(n) is int and n >= 0 for n in description["trained_epochs"].values())
    assert "stage2" in description["trained_epochs"] or "second_stage" not in config.samplers
    assert all(isinstance(name, str) for name in description["samplers"])
    for name in ("latent_normalization", "image_normalization"):
        if description[name] is not None:
            assert description[name]["mode"] in MODES
            assert 0 <= description[name]["target"] < math.inf


# Weights.


@pytest.fixture(scope="module")
def stage2():
    return tiny_pipeline().stage2


@pytest.fixture(scope="module")
def undamaged(stage2):
    load_weights(DATA / "stage2.weights.h5", stage2)
    return stage2.get_weights()


def differing(stage2, undamaged) -> int:
    """Return how many weights are not the undamaged ones; all must be sound."""
    found = stage2.get_weights()
    assert [w.shape for w in found] == [w.shape for w in undamaged]
    assert all(np.isfinite(w).all() for w in found)
    return sum(int((a != b).sum()) for a, b in zip(found, undamaged, strict=True))


@fuzzing
@given(data=st.data())
# Keras warns of layers without weights before it raises.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_weights_load_or_are_refused(tmp_path, stage2, undamaged, data):
    path = tmp_path / "stage2.weights.h5"
    content = damage((DATA / "stage2.weights.h5").read_bytes(), data)
    path.write_bytes(content)
    stage2.set_weights(undamaged)
    try:
        load_weights(path, stage2)
    except CLEAR as error:
        assert "stage2.weights.h5" in str(error)
        assert differing(stage2, undamaged) == 0
    else:
        # 64 bytes touch 17 numbers. HDF5 has no checksums: nobody can see that.
        assert differing(stage2, undamaged) <= 17


def rename(file, name, data):
    file.move(name, data.draw(st.sampled_from([f"{name}x", "x", "balancing/vars/7"])))


def retype(file, name, data):
    array, kind = file[name][()], data.draw(st.sampled_from(["f2", "f8", "i4", "c8", "S3", "?"]))
    del file[name]
    file[name] = array.astype(kind)


def reshape(file, name, data):
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6))
    del file[name]
    file[name] = np.zeros(shape, "f4")


def store_elsewhere(file, name, data):
    array = file[name][()]
    del file[name]
    options = data.draw(
        st.sampled_from(
            [
                {"chunks": True, "compression": "gzip"},
                {"maxshape": tuple(None for _ in array.shape), "chunks": True},
                {"external": [("/etc/hostname", 0, h5py.h5f.UNLIMITED)]},
            ]
        )
    )
    if array.ndim == 0 and "external" not in options:
        options = {}
    file.create_dataset(name, array.shape, array.dtype, **options)


def link(file, name, data):
    del file[name]
    kinds = [h5py.SoftLink("/balancing/vars/0"), h5py.ExternalLink("other.h5", "/x"), file["/"]]
    file[name] = data.draw(st.sampled_from(kinds))


def claim(file, name, data):
    del file[name]
    file.create_dataset(name, data.draw(st.sampled_from([(10**6, 10**4), (2, 4), ()])), "f4")


def spoil(file, name, data):
    array = file[name][()]
    file[name][...] = np.full(array.shape, data.draw(st.sampled_from([np.nan, np.inf, -np.inf])))


@fuzzing
@given(data=st.data())
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_restructured_weights_load_or_are_refused(tmp_path, stage2, undamaged, data):
    path = tmp_path / "stage2.weights.h5"
    path.write_bytes((DATA / "stage2.weights.h5").read_bytes())
    edits = [rename, retype, reshape, store_elsewhere, link, claim, spoil]
    with h5py.File(path, "r+") as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if "vars/" in name else None)
        edit = data.draw(st.sampled_from(edits), label="edit")
        edit(file, data.draw(st.sampled_from(names), label="name"), data)
    stage2.set_weights(undamaged)
    try:
        load_weights(path, stage2)
    except CLEAR as error:
        assert "stage2.weights.h5" in str(error)
    else:
        # Other sizes of float hold the same to three digits; whole numbers are cut.
        assert edit in (retype, reshape, store_elsewhere)
        differing(stage2, undamaged)


# Arrays and samplers.


@fuzzing
@given(data=st.data())
def test_damaged_arrays_load_or_are_refused(tmp_path, data):
    path = tmp_path / "arrays.npz"
    arrays = {"a": np.arange(5), "b": np.eye(3)}
    save_arrays(path, **arrays)
    path.write_bytes(damage(path.read_bytes(), data))
    try:
        found = load_arrays(path)
    except CLEAR as error:
        assert "arrays.npz" in str(error)
    else:  # each has a checksum
        assert set(found) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)


@fuzzing
@given(data=st.data())
def test_changed_samplers_draw_or_are_refused(tmp_path, data):
    z = np.random.default_rng(0).normal(size=(40, 3))
    name, sampler = data.draw(
        st.sampled_from(
            [("gaussian", Gaussian.fit(z)), ("mixture", Mixture(np.full(2, 0.5), z[:2], ROOTS))]
        )
    )
    arrays = sampler.to_arrays()
    action = data.draw(st.sampled_from(["replace", "remove", "add", "scale"]), label="action")
    key = data.draw(st.sampled_from(sorted(arrays)), label="key")
    if action == "remove":
        del arrays[key]
    elif action == "scale":
        arrays[key] = arrays[key] * data.draw(st.sampled_from([np.nan, np.inf, -1.0, 0.0, 1e300]))
    else:
        shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
        kinds = st.sampled_from(["f8", "f4", "i8", "?", "c8", "U3"])
        arrays["x" if action == "add" else key] = data.draw(hnp.arrays(kinds, shapes))
    (tmp_path / "samplers").mkdir(exist_ok=True)
    save_arrays(tmp_path / "samplers" / f"{name}.npz", **arrays)
    try:
        found = load_samplers(tmp_path, [name], latent_dim=3)[name]
    except CLEAR as error:
        assert f"{name}.npz" in str(error)
    else:
        drawn = found.sample(5, seed=0)
        assert drawn.shape == (5, 3) and drawn.dtype == np.float32
        assert np.isfinite(drawn).all()


ROOTS = np.stack([np.eye(3), 2 * np.eye(3)])


# Descriptions and histories.


def reads_or_refuses_description(folder) -> None:
    try:
        description = read_description(folder)
    except CLEAR as error:
        assert "config.json" in str(error) or "update balancing_vae" in str(error)
    else:
        is_sound(description)


@fuzzing
@given(data=st.data())
def test_damaged_descriptions_are_read_or_refused(tmp_path, data):
    (tmp_path / "config.json").write_bytes(damage((DATA / "config.json").read_bytes(), data))
    reads_or_refuses_description(tmp_path)


@settings(fuzzing, max_examples=400)
@given(data=st.data())
def test_changed_descriptions_are_read_or_refused(tmp_path, data):
    description = json.loads((CURRENT / "config.json").read_text())
    description |= {"format_version": data.draw(st.sampled_from([2, 3, 4, 5])), "samplers": []}
    change(description, data)
    (tmp_path / "config.json").write_text(json.dumps(description))
    reads_or_refuses_description(tmp_path)


@settings(fuzzing, max_examples=25)
@given(data=st.data())
def test_changed_parts_are_built_or_refused(data):
    parts = {
        "network": dict(TINY_NETWORK),
        "model": {"name": "vae"},
        "balancing": {"name": "computed", "rate": 0.5},
        "samplers": ["prior", "second_stage"],
    }
    change(parts, data)
    try:
        stages = build_stages(tiny_config().replace(**parts))
    except CLEAR as error:
        assert str(error)
    else:
        weights = [w for stage in stages if stage is not None for w in stage.get_weights()]
        assert sum(w.size for w in weights) < 10**6
        assert all(np.isfinite(w).all() for w in weights)


@fuzzing
@given(data=st.data())
def test_damaged_histories_are_read_or_refused(tmp_path, data):
    content = (DATA / "history.csv").read_bytes()
    if data.draw(st.booleans(), label="bytes"):
        content = damage(content, data)
    else:
        lines = [line.split(b",") for line in content.splitlines()]
        line = data.draw(st.sampled_from(lines))
        cells = [b"", b"-1", b"0", b"1e9", b"x", b"nan", b'"', b"1,1", "ü".encode("latin-1")]
        line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.sampled_from(cells))
        content = b"\n".join(b",".join(line) for line in lines)
    (tmp_path / "history.csv").write_bytes(content)
    try:
        rows = read_history(tmp_path)
    except CLEAR as error:
        assert "history.csv" in str(error)
    else:
        assert all(row["stage"] in (1, 2) and row["epoch"] >= 1 for row in rows)
        assert all(
            isinstance(k, str) and type(v) in (int, float) for r in rows for k, v in r.items()
        )


# Checkpoints.


@fuzzing
@given(data=st.data())
def test_damaged_checkpoints_are_read_or_refused(tmp_path, data):
    names = ("forged.index", "forged.data-00000-of-00001")
    damaged = data.draw(st.sampled_from(names))
    prefix = forge(tmp_path, {b"a": entry(4, size=16), b"b": entry(0, size=0, crc=EMPTY)})
    sound = read_variables(prefix)
    path = tmp_path / damaged
    path.write_bytes(damage(path.read_bytes(), data))
    try:
        found = read_variables(prefix)
    except CLEAR as error:
        assert "forged" in str(error)
    else:  # everything has a checksum
        assert set(found) == set(sound)
        for name, value in sound.items():
            np.testing.assert_array_equal(found[name], value)


EMPTY = (0xA282EAD8).to_bytes(4, "little")


# Arguments.


@fuzzing
@given(
    hnp.arrays(
        st.sampled_from(["uint8", "float32", "float64", "int16", "bool", "complex64"]),
        hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5),
    )
)
@pytest.mark.filterwarnings("ignore:x is u?int.* with no value above 1")
def test_arrays_are_images_or_refused(x):
    try:
        check_images(x, (4, 4, 1))
    except ValueError as error:
        assert str(error).startswith("x ")
    else:
        assert x.shape[1:] == (4, 4, 1) and len(x) > 0
        assert 0 <= x.min() and x.max() <= (255 if x.dtype.kind in "iu" else 1)


@fuzzing
@given(
    st.dictionaries(
        st.sampled_from([*json.loads((DATA / "config.json").read_text())["config"], "other"]),
        values,
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
    assert json.loads(json.dumps(config.to_dict(), allow_nan=True)).keys() == set(config.to_dict())
