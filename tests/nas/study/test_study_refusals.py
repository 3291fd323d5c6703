"""What a study refuses, before anything is written, and what it says."""

import pytest
from study_fakes import Blocks, InOrder, Loss, Params
from study_process import blocks

from nas.errors import StudyError, UserError
from nas.study.interfaces import Fidelity
from nas.study.objective import at_most, maximize, minimize
from nas.study.study import Study


@pytest.mark.parametrize("trials", [0, -3, 2.5, True, "10", None])
def test_a_number_of_trials_that_does_not_do(trials, tmp_path):
    with pytest.raises(UserError, match="^trials: .* does not do, expected a whole number from 1.$"):
        blocks(tmp_path / "s").run(trials)
    assert not (tmp_path / "s").exists()


def test_other_arguments_that_do_not_do(tmp_path):
    study = blocks(tmp_path / "s")
    for argument in ({"workers": 0}, {"timeout_s": 0}, {"timeout_s": "a"}, {"tasks_per_worker": 0}):
        with pytest.raises(UserError, match=f"^{next(iter(argument))}: "):
            study.run(5, **argument)
    for wrong, path in (
        ({"objectives": "loss"}, "objectives"),
        ({"objectives": []}, "objectives"),
        ({"evaluators": []}, "evaluators"),
        ({"evaluators": 3}, "evaluators"),
        ({"constraints": minimize("loss")}, "constraints"),
        ({"controller": object()}, "controller"),
        ({"space": object()}, "space"),
        ({"seed": -1}, "seed"),
        ({"evaluators": Loss(), "objectives": maximize("val_mse")}, "maximize val_mse"),
    ):
        with pytest.raises(UserError) as caught:
            blocks(tmp_path / "s", **wrong)
        assert caught.value.path == path
    assert not (tmp_path / "s").exists()


def test_a_directory_with_another_study_is_refused_and_says_what_differs(tmp_path):
    directory = tmp_path / "s"
    blocks(directory, [Loss(), Params()], Evolutionless(3), constraints=at_most("params", 100)).run(2)
    before = (directory / "study.db").read_bytes()
    kept = {"evaluators": [Loss(), Params()], "controller": Evolutionless(3), "constraints": at_most("params", 100)}
    for change, message in (
        ({"space": Blocks("other")}, 'another space: name was "blocks", is now "other"; digest was'),
        ({"space": Blocks(dead_skip=True)}, "another space: digest was"),
        ({"objectives": maximize("loss")}, r'another objective: objectives\[0\].goal was "minimize", is now "maximize"'),
        ({"objectives": [minimize("loss"), minimize("params")]}, "another objective"),
        ({"constraints": at_most("params", 90)}, r"another constraint: constraints\[0\].bound was 100.0, is now 90.0"),
        ({"controller": Evolutionless(4)}, "another controller: controller.settings.pace was 3, is now 4"),
        ({"controller": InOrder()}, 'another controller: controller.name was "Evolutionless", is now "InOrder"'),
        ({"evaluators": [Loss(), Params(), loss_and_more]}, "another evaluator"),
        ({"seed": 5}, "another seed: seed was 0, is now 5"),
        ({"fidelity": Fidelity(epochs=3)}, "another fidelity: fidelity.epochs was null, is now 3"),
    ):
        with pytest.raises(StudyError, match=message):
            blocks(directory, **kept | change)
    assert (directory / "study.db").read_bytes() == before
    assert blocks(directory, **kept).run(4).finished == 4


class Evolutionless(InOrder):
    def __init__(self, pace):
        super().__init__()
        self.pace = pace

    def describe(self):
        return {"pace": self.pace}


def loss_and_more(architecture):
    return {"more": 1}


def test_settings_can_change_until_a_trial_is_finished(tmp_path):
    study = blocks(tmp_path / "s", objectives=minimize("val_mze"))
    with pytest.raises(StudyError, match="no evaluator measures 'val_mze', expected one of loss"):
        study.run(5)
    assert [t.state for t in Study.open(tmp_path / "s").trials] == ["queued"]
    assert blocks(tmp_path / "s", objectives=minimize("loss")).run(5).finished == 5
    assert Study.open(tmp_path / "s").settings["objectives"] == [{"metric": "loss", "goal": "minimize"}]
    with pytest.raises(StudyError, match="another objective"):
        blocks(tmp_path / "s", objectives=maximize("loss"))


def test_space_json_alone_says_whose_directory_it_is(tmp_path):
    blocks(tmp_path / "s").run(1)
    (tmp_path / "s" / "study.db").unlink()
    with pytest.raises(StudyError, match="another space"):
        blocks(tmp_path / "s", space=Blocks("other"))
    (tmp_path / "s" / "space.json").write_text("{")
    with pytest.raises(StudyError, match="space.json cannot be read"):
        blocks(tmp_path / "s")


def test_a_study_that_runs_is_not_run_twice(tmp_path):
    second = blocks(tmp_path / "s")

    def meddle(event):
        with pytest.raises(StudyError, match="is running this study"):
            second.run(3)

    first = blocks(tmp_path / "s")
    first.run(3, on_event=meddle)
    assert second.run(5).finished == 5
    with pytest.raises(StudyError, match="not where this object left it"):
        first.run(8)


def test_a_controller_whose_state_is_not_json(tmp_path):
    class Odd(InOrder):
        def state(self):
            return {"seen": {1, 2}}

    with pytest.raises(StudyError, match=r"Odd.describe\(\): not plain JSON"):
        blocks(tmp_path / "s", controller=Odd())
    assert not (tmp_path / "s").exists()
