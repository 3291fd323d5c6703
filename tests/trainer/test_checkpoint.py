import dataclasses

import numpy as np
import pytest
from trainer_fakes import tiny_data, tiny_model

from nas.errors import UserError
from trainer.training import TrainSettings, train

SETTINGS = TrainSettings(epochs=4, batch_size=8, learning_rate=3e-3, schedule="cosine")


class Killed(BaseException):
    pass


def train_until_killed(directory, after, **options):
    def kill(epoch, logs):
        if epoch == after:
            raise Killed

    with pytest.raises(Killed):
        train(tiny_model(seed=1), tiny_data(), SETTINGS, kill, checkpoint_directory=directory, **options)


def outcome(result, model):
    return [(row.epoch, row.loss, row.val_loss) for row in result.history], [np.array(v) for v in model.variables]


@pytest.mark.parametrize("restore_best", [False, True])
def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path, restore_best):
    whole = tiny_model(seed=1)
    expected, expected_weights = outcome(train(whole, tiny_data(), SETTINGS, restore_best=restore_best), whole)
    train_until_killed(tmp_path, after=1, restore_best=restore_best)
    train_until_killed(tmp_path, after=3, restore_best=restore_best)
    resumed = tiny_model(seed=99)  # whatever the weights were: they come from the checkpoint
    seen = []
    result = train(
        resumed, tiny_data(), SETTINGS, lambda e, logs: seen.append(e), checkpoint_directory=tmp_path, restore_best=restore_best
    )
    assert seen == [4]
    history, weights = outcome(result, resumed)
    assert history == expected
    for a, b in zip(weights, expected_weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_finished_training_is_not_done_again(tmp_path):
    first = train(tiny_model(seed=1), tiny_data(), SETTINGS, checkpoint_directory=tmp_path)
    model, seen = tiny_model(), []
    again = train(model, tiny_data(), SETTINGS, lambda e, logs: seen.append(e), checkpoint_directory=tmp_path)
    assert seen == []
    assert again.history == first.history
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.npz"]


def test_a_checkpoint_of_another_training(tmp_path):
    train_until_killed(tmp_path, after=1)
    with pytest.raises(UserError) as caught:
        train(tiny_model(), tiny_data(), dataclasses.replace(SETTINGS, learning_rate=0.5), checkpoint_directory=tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/checkpoint.npz: belongs to another training: its learning_rate is 0.003, here it is 0.5. "
        "Give this training a directory of its own, or delete the file."
    )
    with pytest.raises(UserError, match="belongs to another training: its data is"):
        train(tiny_model(), tiny_data(train=16), SETTINGS, checkpoint_directory=tmp_path)


def test_a_checkpoint_of_another_network(tmp_path):
    train_until_killed(tmp_path, after=1)
    with pytest.raises(UserError, match="belongs to another training: its network is"):  # same variables, another function
        train(tiny_model(activation="sigmoid"), tiny_data(), SETTINGS, checkpoint_directory=tmp_path)


def test_a_damaged_checkpoint(tmp_path):
    train_until_killed(tmp_path, after=1)
    file = tmp_path / "checkpoint.npz"
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(UserError, match=r"checkpoint.npz: cannot be read \(.*\). Delete it to train from the start."):
        train(tiny_model(), tiny_data(), SETTINGS, checkpoint_directory=tmp_path)


def test_a_write_that_fails_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    train_until_killed(tmp_path, after=1)
    before = (tmp_path / "checkpoint.npz").read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(
        UserError, match=r"checkpoint.npz: cannot be written \(No space left on device\). Check space and permissions."
    ):
        train(tiny_model(), tiny_data(), SETTINGS, checkpoint_directory=tmp_path)
    assert (tmp_path / "checkpoint.npz").read_bytes() == before


def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/sub: cannot be made"):
        train(tiny_model(), tiny_data(), SETTINGS, checkpoint_directory=tmp_path / "file/sub")
