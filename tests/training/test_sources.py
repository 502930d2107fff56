"""Training on datasets: another library reads, shuffles and augments the batches."""

import keras
import numpy as np
import pytest

from balancing_vae.checks import as_float
from balancing_vae.training.sources import ImageBatches
from tests.helpers.backends import needs_tensorflow
from tests.helpers.backends import numbers
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline
from tests.helpers.processes import python_prints

IMAGES = tiny_images(21)
LABELS = np.arange(21)


class Batches:
    """Batches out of a list, as often as they are asked for."""

    def __init__(self, *batches):
        self.batches = batches
        self.passes = 0

    def __iter__(self):
        self.passes += 1
        return iter(self.batches)


def batches_of(size, images=IMAGES):
    return Batches(*(images[i : i + size] for i in range(0, len(images), size)))


class Sequence(keras.utils.PyDataset):
    """Batches of 5 with labels, as Keras's own datasets have them."""

    def __len__(self):
        return 5

    def __getitem__(self, index):
        rows = slice(5 * index, 5 * index + 5)
        return IMAGES[rows], LABELS[rows]


def tf_dataset():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(5)


def data_loader():
    torch = pytest.importorskip("torch")
    channels_first = torch.tensor(as_float(IMAGES)).permute(0, 3, 1, 2)
    data = torch.utils.data.TensorDataset(channels_first, torch.tensor(LABELS))
    return torch.utils.data.DataLoader(data, batch_size=5)


def weights(vae):
    return [numbers(w) for stage in vae.stages.values() for w in stage.weights]


@pytest.fixture(scope="module")
def by_array():
    vae = tiny_pipeline(shuffle=False)
    vae.fit(IMAGES, verbose=False)
    return vae


@pytest.mark.parametrize(
    "dataset",
    [
        lambda: Sequence(),
        pytest.param(tf_dataset, marks=needs_tensorflow),
        pytest.param(data_loader, marks=pytest.mark.slow),
    ],
    ids=["PyDataset", "tf.data", "DataLoader"],
)
def test_a_dataset_gives_the_same_weights_as_its_array(by_array, dataset):
    vae = tiny_pipeline(shuffle=False)
    with pytest.warns(UserWarning, match="x comes with labels, which are ignored") as caught:
        vae.fit(dataset(), verbose=False)
    assert len([w for w in caught if "labels" in str(w.message)]) == 1
    for ours, theirs in zip(weights(vae), weights(by_array), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    for ours, theirs in zip(vae.history, by_array.history, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    assert vae.latent_normalization.target == pytest.approx(by_array.latent_normalization.target)


def test_datasets_are_accepted_wherever_images_are(by_array):
    dataset = batches_of(5)
    for found, expected in zip(by_array.encode(dataset), by_array.encode(IMAGES), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(
        by_array.reconstruct(dataset), by_array.reconstruct(IMAGES), atol=1e-6
    )
    assert str(by_array.evaluate(dataset)) == str(by_array.evaluate(IMAGES))
    by_array.fit_normalization(dataset)
    by_array.fit_sampler("gaussian", dataset)
    assert by_array.generate(3, sampler="gaussian").shape == (3, 4, 4, 1)


def test_each_epoch_is_a_new_pass_so_that_augmentation_works():
    rng = np.random.default_rng(0)

    class Augmented(Batches):
        def __iter__(self):
            self.passes += 1
            return iter([np.roll(IMAGES, rng.integers(4), axis=2)])

    dataset = Augmented()
    vae = tiny_pipeline(epochs=3, epochs2=1)
    vae.fit(dataset, verbose=False)
    # A look at all, a look at the second pass; three epochs (TensorFlow looks at the shapes
    # before); one pass for the latents, one for the normalisation.
    looks = 1 if keras.backend.backend() == "tensorflow" else 0
    assert dataset.passes >= 2 + looks + 3 + 1 + 1
    assert vae.stage1.trained_epochs == 3


def test_a_pydataset_is_notified_of_the_end_of_each_epoch():
    ends = []

    class Counting(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return (IMAGES[:8],)

        def on_epoch_end(self):
            ends.append(1)

    before = len(ends)
    tiny_pipeline(epochs=2, epochs2=1).fit(Counting(), verbose=False)
    assert len(ends) - before >= 4


def test_batches_are_cut_into_the_configs_batch_size():
    source = ImageBatches(Batches(IMAGES[:1], IMAGES[1:20], IMAGES[20:]), (4, 4, 1))
    cut = list(source.of_size(8))
    assert [len(batch) for batch in cut] == [8, 8, 5]
    np.testing.assert_array_equal(np.concatenate(cut), IMAGES)
    np.testing.assert_array_equal(source.array(), IMAGES)
    np.testing.assert_array_equal(source.array(9), IMAGES[:9])


@pytest.mark.slow
def test_validation_images_may_be_a_dataset():
    vae = tiny_pipeline(keep_best=True)
    rows = vae.fit(IMAGES, validation_data=batches_of(5), verbose=False)
    assert all("val_mse" in row for row in rows)
    expected = vae.image_normalization
    vae.fit_normalization(IMAGES)
    assert vae.image_normalization == expected


FLOATS = as_float(IMAGES)
ONE_BAD = np.where(np.arange(8)[:, None, None, None] == 3, np.nan, FLOATS[:8])


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (iter([IMAGES]), "x can be iterated only once, got list_iterator; give the dataset itself"),
        ((batch for batch in [IMAGES]), "x can be iterated only once, got generator"),
        ([IMAGES, IMAGES], "x must be a NumPy array, got list; .*DataLoader"),
        (keras.ops.ones((8, 4, 4, 1)), "must be a NumPy array, got .*np.asarray"),
        (Batches(), "x holds no image"),
        (Batches(IMAGES[:8], IMAGES[:8, :2]), "batch 1 of x has images of 2x4, .*resize or pad"),
        (Batches(*[FLOATS[:8]] * 9, ONE_BAD), "batch 9 of x has NaN .* first in image 3"),
        (Batches(255 * FLOATS), "batch 0 of x has float values .*divide by 255"),
        (Batches(IMAGES[:8], FLOATS[:8]), "batch 1 of x has dtype float32.*in one dtype"),
        (Batches((IMAGES[:8], LABELS[:7])), "batch 0 of x has 8 images but 7 labels"),
        (Batches((IMAGES[:8], LABELS[:8], LABELS[:8])), "but not sample weights: leave those"),
        (Batches({"image": IMAGES[:8]}), r"is a dict with \['image'\]; map the dataset"),
        (Batches(*IMAGES), "batch 0 of x is a single image; put images into batches"),
        (Batches(IMAGES[:7]), "x has 7 images, fewer than one batch of 8"),
    ],
)
@pytest.mark.filterwarnings("ignore:x comes with labels")
def test_bad_datasets_are_refused_before_training_starts(dataset, message):
    vae = tiny_pipeline()
    with pytest.raises(ValueError, match=message) as caught:
        vae.fit(dataset, verbose=False, epochs=7)
    assert str(caught.value).count("\n") == 0
    assert vae.history == [] and vae.config.epochs == 2


def test_a_dataset_that_is_used_up_after_one_pass_is_refused():
    class Once(Batches):
        def __iter__(self):
            self.passes += 1
            return iter(self.batches if self.passes == 1 else ())

    vae = tiny_pipeline()
    with pytest.raises(
        ValueError, match="empty when it was iterated a second time; give a dataset"
    ):
        vae.fit(Once(IMAGES), verbose=False)
    assert vae.history == []


@needs_tensorflow
def test_a_dataset_without_an_end_is_refused():
    with pytest.raises(ValueError, match=r"x never ends; remove its repeat\(\)"):
        tiny_pipeline().fit(tf_dataset().repeat(), verbose=False)


@pytest.mark.parametrize("late", [np.full_like(FLOATS, np.nan), FLOATS[:3]], ids=["nan", "few"])
def test_an_error_in_a_later_pass_is_reported_in_one_sentence(late):
    class Changing(Batches):
        def __iter__(self):
            self.passes += 1
            return iter([FLOATS[:8], FLOATS[8:16] if self.passes < 5 else late])

    vae = tiny_pipeline(epochs=9)
    with pytest.raises(
        ValueError, match="batch 1 of x has NaN|1 full batches in a later"
    ) as caught:
        vae.fit(Changing(), verbose=False)
    assert str(caught.value).count("\n") == 0


def test_images_can_be_held_out_of_arrays_only():
    vae = tiny_pipeline()
    for arguments, message in (
        ({"x": batches_of(5), "validation_split": 0.2}, "x is a Batches; give validation_data"),
        ({"x": IMAGES, "validation_split": 1.0}, r"must lie in \[0, 1\), got 1.0"),
        (
            {"x": IMAGES, "validation_split": 0.1, "validation_data": IMAGES},
            "either validation_data or validation_split, not both",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            vae.fit(verbose=False, **arguments)
    with pytest.raises(ValueError, match="held_out=4 takes images from the end of an array"):
        tiny_pipeline(held_out=4).fit(batches_of(5), verbose=False)


@pytest.mark.slow
def test_validation_split_holds_out_the_last_images():
    split, given = tiny_pipeline(), tiny_pipeline()
    split.fit(IMAGES, validation_split=0.2, verbose=False)
    given.fit(IMAGES[:16], validation_data=IMAGES[16:], verbose=False)
    assert split.history == given.history
    assert split.config.held_out == 5


@pytest.mark.slow
def test_other_packages_are_not_imported_to_recognize_datasets():
    code = """
import json, sys
import numpy as np
from balancing_vae.training.sources import as_source
class Batches:
    def __iter__(self): return iter([np.zeros((1, 4, 4, 1), np.uint8)])
count = as_source(Batches(), (4, 4, 1)).survey()
print(json.dumps([count, [n for n in ("tensorflow", "torch") if n in sys.modules]]))
"""
    pytest.importorskip("jax")
    assert python_prints(code, KERAS_BACKEND="jax") == [1, []]


def test_validation_data_with_labels_are_named():
    vae = tiny_pipeline()
    with pytest.raises(ValueError, match="validation_data is a tuple of 2; .*only the images"):
        vae.fit(IMAGES, validation_data=(IMAGES, IMAGES), verbose=False)
