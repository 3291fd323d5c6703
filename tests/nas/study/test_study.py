"""The study: its loop, its events, what is in its directory."""

import io
import json
import signal
import time

import pytest
from rich.console import Console
from study_fakes import Blocks, InOrder, Line, Loss, Params, Rough
from study_process import blocks

from nas.errors import StudyError
from nas.study.interrupts import Interrupts
from nas.study.ledger import trial_seed
from nas.study.objective import at_most, minimize
from nas.study.progress import ProgressBar
from nas.study.study import Study


def test_a_study_in_memory_finds_the_best():
    study = blocks(evaluators=[Loss(), Params()], constraints=at_most("params", 100))
    outcome = study.run(24)
    assert (outcome.status, outcome.finished, str(outcome)) == ("reached", 24, "24 trials are finished.")
    assert study.best().decisions == {"depth": 4, "kernel": 5, "skip": True}  # index 21: larger ones have 4 * 49 parameters
    assert study.architecture(study.best()).index == 21
    assert study.trials[23].reason == "params 196 > 100"
    assert study.controller.told == list(range(1, 25))
    assert [t.seed for t in study.trials] == [trial_seed(0, i) for i in range(1, 25)]


def test_trial_seeds_are_the_same_everywhere():
    assert [trial_seed(0, 1), trial_seed(0, 2), trial_seed(1, 1)] == [1419524863, 1323506485, 312396423]  # sha256sum


def test_trials_counts_all_runs_together():
    study = blocks()
    assert study.run(5).finished == 5
    assert study.run(3).finished == 5
    assert study.run(8).finished == 8
    assert [t.id for t in study.trials] == list(range(1, 9))


def test_a_space_comes_to_its_end():
    outcome = blocks().run(100)
    assert (outcome.status, outcome.finished) == ("exhausted", 24)
    assert outcome.message == "24 of 100 trials are finished: the controller proposes nothing more."


def test_the_front_over_two_objectives():
    study = blocks(evaluators=[Loss(), Params()], objectives=[minimize("loss"), minimize("params")])
    study.run(24)
    assert study.pareto_front()[0].decisions["depth"] == 4
    assert study.pareto_front()[-1].value("params") == 9


def test_events_come_after_their_commit(tmp_path):
    heard = []

    def listen(event):
        heard.append(event)
        if hasattr(event, "trial"):
            stored = {t.id: t for t in Study.open(tmp_path / "s").trials}
            # A start can be heard after the finish was committed with it, never before it is true.
            assert stored[event.trial.id] == event.trial or event.trial.state == "running"

    blocks(tmp_path / "s", Loss(0.03)).run(4, on_event=listen)
    names = [type(e).__name__ for e in heard]
    assert sorted(names) == ["StudyProgress"] * 4 + ["TrialFinished"] * 4 + ["TrialStarted"] * 4
    assert (heard[-1].finished, heard[-1].wanted, heard[-1].running, heard[-1].best.id) == (4, 4, 0, 4)


def test_a_slow_trial_does_not_keep_others_waiting_for_their_commit(tmp_path):
    def slow_at_3(architecture):
        if architecture.index == 3:
            finished = [t.id for t in Study.open(tmp_path / "s").trials if t.is_finished]
            seen.append(finished)
            time.sleep(0.06)
        time.sleep(0.06)
        return {"loss": 1.0}

    seen = []
    blocks(tmp_path / "s", slow_at_3).run(5)
    assert seen == [[1, 2, 3]]


def test_a_listener_that_raises_ends_the_run_and_nothing_is_lost(tmp_path):
    def listen(event):
        if type(event).__name__ == "TrialFinished" and event.trial.id == 3:
            raise RuntimeError("enough")

    study = blocks(tmp_path / "s", Loss(0.06))
    with pytest.raises(RuntimeError, match="enough"):
        study.run(10, on_event=listen)
    assert sum(t.is_finished for t in Study.open(tmp_path / "s").trials) == 3
    assert study.run(10).finished == 10


def test_ctrl_c_in_this_process_and_on_again(tmp_path):
    def interrupt_at_3(architecture):
        if architecture.index == 3 and not pressed:
            pressed.append(True)
            signal.raise_signal(signal.SIGINT)
        return {"loss": 1.0}

    pressed = []
    study = blocks(tmp_path / "s", interrupt_at_3)
    with pytest.raises(KeyboardInterrupt):
        study.run(6)
    assert [t.state for t in Study.open(tmp_path / "s").trials] == ["completed"] * 3 + ["queued"]
    assert study.run(6).finished == 6
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_waits_for_the_end_of_a_step_once():
    steps = []

    def press(then="step"):
        signal.raise_signal(signal.SIGINT)
        steps.append(then)

    def held_back():
        with Interrupts() as interrupts:
            press()
            interrupts.check()
            steps.append("never")

    def pressed_twice():
        with Interrupts():
            press()
            press("never")

    def in_a_commit_within_a_trial():
        with Interrupts() as interrupts, interrupts.allowed():
            with interrupts.held():
                press()
            steps.append("never")

    def at_the_very_end():
        with Interrupts():
            press()

    for case in (held_back, pressed_twice, in_a_commit_within_a_trial, at_the_very_end):
        with pytest.raises(KeyboardInterrupt):
            case()
    assert steps == ["step"] * 4


def test_what_is_in_the_directory(tmp_path):
    study = blocks(tmp_path / "s", notes={"trials": 3})
    study.run(3)
    assert json.loads((tmp_path / "s" / "space.json").read_text()) == {
        "name": "blocks", "reference": "study_fakes:Blocks", "size": "24", "digest": Blocks().digest,
    }  # fmt: skip
    assert study.artifacts(study.best()) == tmp_path / "s" / "artifacts" / "trial-3"
    assert (tmp_path / "s" / "artifacts" / "trial-3").is_dir()
    with pytest.raises(StudyError, match="a study in memory keeps no files"):
        blocks().artifacts(study.best())


def test_a_view_needs_no_space(tmp_path):
    study = blocks(tmp_path / "s", [Loss(), Params()], constraints=at_most("params", 100), notes={"data": "photos"}, seed=4)
    study.run(24)
    view = Study.open(tmp_path / "s")
    assert view.trials == study.trials
    assert (view.best(), view.pareto_front()) == (study.best(), study.pareto_front())
    assert (view.objectives, view.constraints) == ((minimize("loss"),), (at_most("params", 100),))
    assert (view.space["name"], view.settings["seed"], view.notes) == ("blocks", 4, {"data": "photos"})
    assert (view.driver, view.stages) == (None, {})
    with pytest.raises(StudyError, match="no study here"):
        Study.open(tmp_path / "nothing")


def test_the_progress_bar_counts():
    study = Study(Line(), InOrder(), Rough(), minimize("loss"), at_most("latency_ms", 6.5))
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with ProgressBar(minimize("loss"), 0, 60, console) as bar:
        study.run(60, on_event=bar)
    shown = console.file.getvalue()
    assert "60/60" in shown
    assert f"best loss {study.best().value('loss'):.4g} (trial {study.best().id})" in shown
    assert "3 failed" in shown
