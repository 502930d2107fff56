"""The examples in docstrings, README, docs and model cards run as they are written.

`tests.helpers.given` has what they take as given, tiny.
"""

import importlib
import inspect
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from balancing_vae import TwoStageVAE
from balancing_vae import datasets
from balancing_vae import evaluation
from balancing_vae.balancing import STRATEGIES
from balancing_vae.fid.metrics import METRICS
from balancing_vae.networks import NETWORKS
from balancing_vae.samplers import SAMPLERS
from tests.helpers.backends import numbers
from tests.helpers.examples import Example
from tests.helpers.examples import defined_names
from tests.helpers.examples import docstring_examples
from tests.helpers.examples import page_examples
from tests.helpers.given import DIGITS
from tests.helpers.given import NAMES
from tests.helpers.given import Given
from tests.helpers.given import files_in
from tests.helpers.given import needs_nothing
from tests.helpers.given import write_files
from tests.helpers.paths import ROOT

DOWNLOAD = "downloads"
NOT_OURS = "needs a dataset's own files; see tests/datasets"
HUB = "needs the Hub; see tests/pretrained/test_hub.py"
MANY_DEVICES = "needs several devices; see tests/backend/test_distribution.py"
LONG = "trains many networks; see tests/experiments"
LONG_FLOW = "trains for a minute; see tests/samplers/test_flow.py"
NOT_RUN = {
    "backend.compilation.make_deterministic": "changes the whole process",
    "backend.distribution.data_parallel": MANY_DEVICES,
    "docs/several_devices.md": MANY_DEVICES,
    "datasets": NOT_OURS,
    "datasets.registry.prepare": NOT_OURS,
    "docs/datasets.md": NOT_OURS,
    "datasets.bounded.read_tar": NOT_OURS,
    "fid.self_test.cifar10": NOT_OURS,
    "fid.self_test.self_test": NOT_OURS,
    "datasets.download.download_source": DOWNLOAD,
    "files.download.download_file": DOWNLOAD,
    "pretrained.cache.download": DOWNLOAD,
    "pretrained.hub.download_from_hub": HUB,
    "pretrained.hub.pin": HUB,
    "pretrained.hub.push": HUB,
    "pipeline.two_stage_vae.TwoStageVAE.push_to_hub": HUB,
    "fid.networks.inception_files.download_graph": DOWNLOAD,
    "fid.networks.saved_model.TrustedSavedModel": DOWNLOAD,
    "packing.pack.pack": "needs a run on MNIST; see tests/packing",
    "experiments.balancing_strategies.measure_balancings": LONG,
    "experiments.balancing_strategies.compare_balancings": LONG,
    "experiments.figure4.slope_and_correlation": LONG,
    "experiments.normalization_study.compare_normalizations": LONG,
    "experiments.systems.systems_table": LONG,
    "experiments.figure4.fig4": LONG,
    "experiments.overfitting.overfit": LONG,
    "experiments.overfitting.compare_overfitting": LONG,
    "experiments.second_stage_causes.measure_second_stages": LONG,
    "experiments.second_stage_causes.compare_second_stages": LONG,
    "experiments.normalization_study.measure_normalizations": LONG,
    "experiments.systems.train_systems": LONG,
    "models": "adds to the registry; see tests/experiments/test_systems.py",
    "samplers.flow.Flow": LONG_FLOW,
    "samplers.flow.Flow.fit": LONG_FLOW,
    "samplers.flow_matching.train_velocity": LONG_FLOW,
}
EXAMPLES = docstring_examples() + page_examples()
RUN = [example for example in EXAMPLES if example.name not in NOT_RUN]
NEED_NOTHING = [example for example in RUN if needs_nothing(example)]
NEED_SOMETHING = [example for example in RUN if not needs_nothing(example)]
DEFINED = defined_names()
COMMON = {
    "Path": Path,
    "datasets": datasets,
    "evaluation": evaluation,
    "keras": keras,
    "np": np,
    "ops": ops,
    "tf": tf,
    "warnings": warnings,
}
# What such an example shows is the error.
RAISES = {
    "errors.BalancingVAEError": "pass normalize=False",
    "schema.rule_of": "lr must be positive",
}
# What these write may not be there yet.
NEW = {
    "README.md": "runs/a",
    "docs/pipeline.md": "runs/a",
    "pipeline.two_stage_vae.TwoStageVAE.save": "runs/a",
    "storage.run.open_run": "runs/a",
    "files.images.write_images": "samples.npy",
    "files.targets.output_file": "samples.npy",
}


@pytest.fixture(scope="session")
def given(tmp_path_factory) -> Given:
    return Given(tmp_path_factory.mktemp("given"))


@pytest.fixture
def short_trainings(monkeypatch):
    """Let a pipeline train for an epoch, whatever its preset says, and a flow for ten steps."""
    fit, fit_sampler = TwoStageVAE.fit, TwoStageVAE.fit_sampler

    def short(self, x, *arguments, **options):
        return fit(self, x, *arguments, **options | {"epochs": 1, "epochs2": 1})

    def small(self, name, *arguments, **options):
        sizes = {"width": 8, "training_steps": 10} if name == "flow" else {}
        return fit_sampler(self, name, *arguments, **sizes | options)

    monkeypatch.setattr(TwoStageVAE, "fit", short)
    monkeypatch.setattr(TwoStageVAE, "fit_sampler", small)


@pytest.fixture
def photos_that_fit(monkeypatch):
    """Let Keras read photos of the size that the pipelines here take."""
    real = inspect.signature(keras.utils.image_dataset_from_directory)

    def read(*arguments, **options):
        assert real.bind(*arguments, **options).arguments["labels"] is None
        photos = tf.data.Dataset.from_tensor_slices(DIGITS[:64].astype("f4"))
        return photos.batch(16)

    monkeypatch.setattr(keras.utils, "image_dataset_from_directory", read)


@pytest.fixture
def registries_as_before():
    """Take back what an example adds to a registry."""
    registries = (datasets.DATASETS, METRICS, NETWORKS, SAMPLERS, STRATEGIES)
    before = [dict(registry) for registry in registries]
    yield
    for registry, items in zip(registries, before, strict=True):
        registry.clear()
        registry.update(items)


def meaning(example: Example, name: str) -> Callable[[Given], object]:
    """Return what makes the object that an example means by a name that it does not define."""
    for beginning in sorted(NAMES, key=len, reverse=True):
        if example.name.startswith(beginning) and name in NAMES[beginning]:
            return NAMES[beginning][name]
    if name in COMMON:
        return lambda given: COMMON[name]
    modules = DEFINED.get(name, [])
    assert len(modules) == 1, f"the example does not say what {name} is; there are {modules}"
    return lambda given: getattr(importlib.import_module(modules[0]), name)


def run(example: Example, given: Given | None) -> dict[str, object]:
    """Run an example; return the names that it leaves."""
    write_files(given, files_in(example.texts() - {NEW.get(example.name)}))
    names = example.names() | {"__name__": "example"}
    names |= {name: meaning(example, name)(given) for name in example.lacks()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(example.code, f"<{example.name}>", "exec"), names)
    return names


@pytest.mark.parametrize("example", NEED_NOTHING, ids=lambda example: example.name)
def test_a_self_contained_example_runs_and_gives_the_stated_result(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if example.name in RAISES:
        with pytest.raises(ValueError, match=RAISES[example.name]):
            run(example, given=None)
        return
    names = run(example, given=None)
    for expression, expected in example.results():
        found = eval(expression, names)
        if np.issubdtype(np.asarray(expected).dtype, np.number):
            np.testing.assert_allclose(numbers(found), expected, rtol=1e-5)
        else:
            assert found == expected, expression


@pytest.mark.parametrize("example", NEED_SOMETHING, ids=lambda example: example.name)
def test_the_names_that_an_example_assumes_are_known(example):
    for name in example.lacks():
        meaning(example, name)


@pytest.mark.slow
@pytest.mark.usefixtures("accepted", "short_trainings", "photos_that_fit", "registries_as_before")
@pytest.mark.parametrize("example", NEED_SOMETHING, ids=lambda example: example.name)
def test_an_example_runs(example, given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(given.cache))
    # What a model card reads lies beside it.
    for file in (ROOT / example.name).parent.glob("*.keras"):
        shutil.copy(file, tmp_path)
    run(example, given)


def test_the_tables_of_exceptions_name_existing_examples():
    assert (NOT_RUN.keys() | RAISES.keys() | NEW.keys()) <= {example.name for example in EXAMPLES}
