import numpy as np
import pytest
from trainer_fakes import tiny_data

from nas.errors import UserError
from trainer.pipelines import cheaper, resize_area, scaled_size, training_batches, training_order


def test_every_pass_holds_every_example_once():
    order = training_order(examples=10, batch_size=4, steps=5, seed=0)
    assert order.shape == (5, 4)
    chain = order.ravel().tolist()
    assert sorted(chain[:10]) == sorted(chain[10:]) == list(range(10))
    assert chain[:10] != chain[10:]


def test_the_order_follows_from_the_seed():
    first = training_order(10, 4, 5, seed=0)
    np.testing.assert_array_equal(first, training_order(10, 4, 5, seed=0))
    assert (first != training_order(10, 4, 5, seed=1)).any()


def test_the_order_goes_on_where_it_was_left():
    np.testing.assert_array_equal(training_order(10, 4, 9, seed=3, start=4), training_order(10, 4, 9, seed=3)[4:])
    assert training_order(10, 4, 9, seed=3, start=9).shape == (0, 4)


def test_a_batch_larger_than_the_data():
    order = training_order(3, 8, 2, seed=0)
    assert order.shape == (2, 8)
    assert set(order[0]) == {0, 1, 2}


def test_batches_are_the_examples_in_that_order():
    data = tiny_data()
    order = training_order(len(data.train_x), 5, 7, seed=0)
    batches = list(training_batches(data.train_x, data.train_y, order))
    assert len(batches) == 7
    for rows, (x, y) in zip(order, batches, strict=True):
        np.testing.assert_array_equal(x, data.train_x[rows])
        np.testing.assert_array_equal(y, data.train_y[rows])


def test_flipped_examples_are_mirrored_inputs_and_targets_alike():
    data = tiny_data()
    order = training_order(len(data.train_x), 6, 8, seed=0, flip=True)
    plain = training_order(len(data.train_x), 6, 8, seed=0)
    np.testing.assert_array_equal(np.where(order < 0, ~order, order), plain)  # the same examples in the same places
    assert 0.3 < (order < 0).mean() < 0.7
    np.testing.assert_array_equal(order[3:], training_order(len(data.train_x), 6, 8, seed=0, start=3, flip=True))
    [(x, y)] = training_batches(data.train_x, data.train_y, np.array([[3, ~1]]))
    np.testing.assert_array_equal(x, [data.train_x[3], data.train_x[1][:, ::-1]])
    np.testing.assert_array_equal(y, [data.train_y[3], data.train_y[1][:, ::-1]])


def test_batches_know_their_shape():
    data = tiny_data()
    x, y = training_batches(data.train_x, data.train_y, training_order(24, 5, 1, 0)).element_spec
    assert x.shape.as_list() == [5, 16, 16, 1]
    assert y.shape.as_list() == [5, 16, 16, 3]


def test_memory_mapped_arrays(tmp_path):
    data = tiny_data()
    np.save(tmp_path / "x.npy", data.train_x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    [(x, _)] = training_batches(mapped, data.train_y, np.array([[3, 1]]))
    np.testing.assert_array_equal(x, data.train_x[[3, 1]])


def test_other_backends_get_the_same_batches(monkeypatch):
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    data = tiny_data()
    [(x, y)] = training_batches(data.train_x, data.train_y, np.array([[3, 1]]))
    np.testing.assert_array_equal(x, data.train_x[[3, 1]])
    np.testing.assert_array_equal(y, data.train_y[[3, 1]])


# -- cheaper data --------------------------------------------------------------------------------------------------------


def test_a_share_of_the_training_data():
    data = tiny_data()
    half = cheaper(data, data_share=0.5)
    assert len(half.train_x) == len(half.train_y) == 12
    assert len(half.val_x) == len(data.val_x)
    kept = [np.flatnonzero((data.train_x == x).all(axis=(1, 2, 3)))[0] for x in half.train_x]
    assert kept == sorted(set(kept))
    np.testing.assert_array_equal(half.train_y, data.train_y[kept])
    np.testing.assert_array_equal(half.train_x, cheaper(data, data_share=0.5).train_x)
    assert (half.train_x != cheaper(data, data_share=0.5, seed=1).train_x).any()


def test_at_least_one_example_is_kept():
    assert len(cheaper(tiny_data(), data_share=0.001).train_x) == 1


@pytest.mark.parametrize(
    ("size", "resolution", "scaled"), [(80, 0.5, 48), (80, 0.6, 48), (80, 0.4, 32), (80, 0.01, 16), (8, 0.5, 8), (80, 0.99, 80)]
)
def test_sizes_are_multiples_of_16(size, resolution, scaled):
    assert scaled_size((size, size), resolution) == (scaled, scaled)


def test_resolution_scales_inputs_and_targets():
    small = cheaper(tiny_data(size=48), resolution=0.5)
    assert small.input_shape == (32, 32, 1)  # 24 is halfway between 16 and 32
    assert small.output_shape == (32, 32, 3)
    assert small.test_x.shape == (4, 32, 32, 1)
    assert small.train_x.dtype == np.float32


def test_area_means_by_hand():
    image = np.arange(6, dtype=np.float32).reshape(1, 1, 6, 1)
    assert resize_area(image, 1, 3).ravel().tolist() == [0.5, 2.5, 4.5]
    # each new pixel covers 1.5 old ones: (0 + .5 * 1) / 1.5, (.5 * 1 + 2) / 1.5, ...
    assert resize_area(image, 1, 4).ravel() == pytest.approx([1 / 3, 5 / 3, 10 / 3, 14 / 3])


def test_shrinking_keeps_the_mean():
    data = tiny_data(size=80)
    small = resize_area(data.train_y, 48, 32)
    assert small.mean() == pytest.approx(data.train_y.mean(), abs=1e-6)


@pytest.mark.parametrize("factor", ["data_share", "resolution"])
@pytest.mark.parametrize("value", [0, -1, 1.5, float("nan")])
def test_factors_outside_0_to_1(factor, value):
    with pytest.raises(UserError, match=f"{factor}: {value!r}, expected a share above 0 and at most 1."):
        cheaper(tiny_data(), **{factor: value})


def test_no_thread_sleeps_beside_the_batches():
    """tf.data's tuner would, for as long as was trained, and whoever lets the iterator go would wait for it."""
    x = np.zeros((8, 4, 4, 1), np.float32)
    assert training_batches(x, x, training_order(8, 4, 2, seed=0)).options().autotune.enabled is False
