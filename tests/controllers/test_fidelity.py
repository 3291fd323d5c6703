"""Schedules of several fidelities: who is judged further, and when."""

import json
import random

import controller_fakes as fakes
import pytest
from fidelity_fakes import as_trial_of, at, epochs_of, judged, key, play, set_up, value

import nas
from controllers.evolution import RegularizedEvolution
from controllers.fidelity import ASHA, Hyperband, MedianStopping, SuccessiveHalving
from controllers.random_search import Random
from controllers.start_from import StartFrom
from nas.errors import StudyError, UserError

KINDS = [ASHA, SuccessiveHalving, Hyperband]
SPACES = [fakes.TWENTY_FOUR, fakes.CONDITIONAL, fakes.MANY, fakes.LARGE]


def kinds(seed=0):
    return [kind(RegularizedEvolution(seed=seed, population=6, sample=3), epochs=(1, 3, 9)) for kind in KINDS]


def mixed(number):
    return {3: "infeasible", 5: "failed"}.get(number % 7, "completed")


# -- ASHA by hand --------------------------------------------------------------------------------------------------------


def test_asha_promotes_the_best_third_at_once():
    controller = set_up(ASHA(Random(seed=1), epochs=(1, 3, 9)), fakes.LARGE)
    asked = play(controller, 4)
    assert epochs_of(asked) == [1, 1, 1, 3]  # of three one is the best third
    best = min(asked[:3], key=lambda p: value(p.architecture, 1))
    assert asked[3].fingerprint == best.fingerprint
    assert asked[3].fidelity == at(3, horizon=9)


def test_asha_looks_at_the_highest_rung_first():
    asked = play(set_up(ASHA(Random(seed=1), epochs=(1, 3, 9)), fakes.LARGE), 20)
    first = epochs_of(asked).index(9)
    assert epochs_of(asked)[:first].count(3) == 3
    assert asked[first - 1].fidelity.epochs == 3  # at once, also where another new one could have begun
    judged_further = [p for p in asked[:first] if p.fidelity.epochs == 3]
    assert asked[first].fingerprint == min(judged_further, key=lambda p: value(p.architecture, 3)).fingerprint


def test_asha_never_waits_and_promotes_nobody_without_results():
    controller = set_up(ASHA(Random(seed=1)), fakes.LARGE)
    asked = controller.ask(50)
    assert epochs_of(asked) == [1] * 50
    controller.tell([judged(p) for p in asked[:2]])
    assert epochs_of(controller.ask(3)) == [1] * 3
    controller.tell([judged(asked[2])])
    assert epochs_of(controller.ask(2)) == [3, 1]


def test_infeasible_and_failed_trials_make_no_rung_longer():
    controller = set_up(ASHA(Random(seed=1)), fakes.LARGE)
    asked = controller.ask(12)
    controller.tell([judged(p, state=state) for p, state in zip(asked, ["infeasible", "failed"] * 5, strict=False)])
    controller.tell([judged(p) for p in asked[10:]])
    assert epochs_of(controller.ask(3)) == [1] * 3


def test_a_rung_that_an_earlier_study_filled():
    architectures = fakes.LARGE.sample(seed=5, n=6)
    controller = set_up(ASHA(Random(seed=1)), fakes.LARGE)
    controller.tell([as_trial_of(a, 1, 9, i) for i, a in enumerate(architectures)])
    order = sorted(architectures, key=lambda a: value(a, 1))
    controller.tell([as_trial_of(order[0], 3, 9, 7)])  # judged further already
    asked = controller.ask(2)
    assert epochs_of(asked) == [3, 1]
    assert asked[0].fingerprint == order[1].fingerprint


def test_several_objectives_promote_who_is_dominated_least():
    objectives = [nas.minimize("loss"), nas.minimize("size")]
    controller = set_up(ASHA(Random(seed=1), reduction=2), fakes.LARGE, objectives=objectives)
    asked = controller.ask(4)
    points = [(1, 4), (2, 5), (4, 1), (5, 5)]  # 0 and 2 are the front
    for p, (loss, size) in zip(asked, points, strict=True):
        found = {"loss": nas.Measurement(loss), "size": nas.Measurement(size)}
        controller.tell([nas.Trial(1, p.decisions, p.fingerprint, "completed", found, fidelity=p.fidelity)])
    assert [p.fingerprint for p in controller.ask(3)][:2] == [asked[0].fingerprint, asked[2].fingerprint]


# -- rounds by hand ------------------------------------------------------------------------------------------------------


def test_a_round_of_successive_halving():
    asked = play(set_up(SuccessiveHalving(Random(seed=1), epochs=(1, 3, 9)), fakes.LARGE), 26)
    assert epochs_of(asked) == [1] * 9 + [3] * 3 + [9] + [1] * 9 + [3] * 3 + [9]
    best = sorted(asked[:9], key=lambda p: value(p.architecture, 1))[:3]
    assert [p.fingerprint for p in asked[9:12]] == [p.fingerprint for p in best]


def test_the_brackets_of_hyperband():
    asked = play(set_up(Hyperband(Random(seed=1), epochs=(1, 3, 9)), fakes.LARGE), 22 + 9)
    assert epochs_of(asked) == [1] * 9 + [3] * 3 + [9] + [3] * 5 + [9] + [9] * 3 + [1] * 9


def test_the_next_round_begins_while_one_waits():
    controller = set_up(SuccessiveHalving(Random(seed=1), epochs=(1, 3)), fakes.LARGE)
    asked = controller.ask(3)
    controller.tell([judged(p) for p in asked[:2]])
    assert epochs_of(controller.ask(1)) == [1]
    controller.tell([judged(asked[2])])
    assert epochs_of(controller.ask(2)) == [3, 1]


def test_who_fails_is_not_kept_and_holds_nobody_up():
    controller = set_up(SuccessiveHalving(Random(seed=1), epochs=(1, 3), size=6), fakes.LARGE)
    asked = controller.ask(6)
    controller.tell([judged(p, state="failed") for p in asked[:5]])
    controller.tell([judged(asked[5])])
    assert [key(p) for p in controller.ask(1)] == [(asked[5].fingerprint, 3)]
    assert epochs_of(controller.ask(1)) == [1]


# -- what all promise ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", range(3))
@pytest.mark.parametrize("space", SPACES, ids=lambda s: s.name)
@pytest.mark.parametrize("told", [0, 4, 13, 31])
def test_a_restored_state_continues_identically(kind, space, told):
    controller, restored = set_up(kinds()[kind], space), set_up(kinds(seed=9)[kind], space)
    play(controller, told, state=mixed)
    waiting = controller.ask(3)
    saved = json.dumps(controller.state(), allow_nan=False)
    restored.restore(json.loads(saved))
    assert json.dumps(restored.state()) == saved
    for one in (controller, restored):
        one.tell([judged(p) for p in waiting])
    assert list(map(key, play(controller, 40, batch=2))) == list(map(key, play(restored, 40, batch=2)))


@pytest.mark.parametrize("kind", range(3))
@pytest.mark.parametrize("seed", range(3))
def test_no_fingerprint_twice_at_a_fidelity_whatever_is_told(kind, seed):
    controller = set_up(kinds(seed)[kind], fakes.LARGE)
    rng, waiting, asked = random.Random(seed), [], []
    while len(asked) < 150:
        new = controller.ask(5)
        assert len(new) == 5
        waiting += [judged(p, i, mixed(i)) for i, p in enumerate(new, start=len(asked))]
        asked += new
        rng.shuffle(waiting)
        told, waiting = waiting[:4], waiting[4:]
        controller.tell(told + told[:2])
        if rng.random() < 0.1:
            waiting = waiting[1:]  # its worker died
    assert len(set(map(key, asked))) == 150
    assert set(epochs_of(asked)) == {1, 3, 9}
    for proposal in asked:  # who is judged further was judged before, unless a bracket starts there
        if proposal.fidelity.epochs > 1 and kind < 2:
            before = at({3: 1, 9: 3}[proposal.fidelity.epochs], 9)
            assert (proposal.fingerprint, before.epochs) in set(map(key, asked))


@pytest.mark.parametrize("kind", range(3))
def test_asking_for_eight_is_asking_eight_times(kind):
    together, apart = set_up(kinds()[kind], fakes.CONDITIONAL), set_up(kinds()[kind], fakes.CONDITIONAL)
    for controller in (together, apart):
        play(controller, 17)
    assert list(map(key, together.ask(8))) == [key(apart.ask(1)[0]) for _ in range(8)]
    assert together.state() == apart.state()


@pytest.mark.parametrize("kind", range(3))
def test_a_small_space_ends(kind):
    asked = play(set_up(kinds()[kind], fakes.TWENTY_FOUR), 1000, batch=4)
    assert len({p.fingerprint for p in asked}) == 24
    assert len(set(map(key, asked))) == len(asked) > 24


@pytest.mark.parametrize("kind", range(3))
def test_a_second_tell_changes_nothing(kind):
    controller = set_up(kinds()[kind], fakes.LARGE)
    asked = controller.ask(20)
    told = [judged(p, i, mixed(i)) for i, p in enumerate(asked)]
    controller.tell(told)
    before = json.dumps(controller.state())
    controller.tell(told[::-1])
    assert json.dumps(controller.state()) == before


def test_the_controller_inside_learns_the_value_at_the_highest_fidelity():
    inside = RegularizedEvolution(seed=0, population=6, sample=3)
    controller = set_up(ASHA(inside, epochs=(1, 3)), fakes.LARGE)
    asked = play(controller, 4)
    assert epochs_of(asked) == [1, 1, 1, 3]
    members = inside.state()["members"]
    assert len(members) == 3  # the promoted one took the place of its former self
    assert members[-1]["vector"] == asked[3].vector.tolist()
    assert members[-1]["merit"][0][1] == -value(asked[3].architecture, 3)
    controller.tell([judged(asked[3], state="failed")])
    assert inside.state()["members"] == members


def test_fidelities_are_those_of_one_long_training():
    assert list(ASHA(epochs=(1, 4)).fidelities) == [at(1, 4), at(4, 4)]
    assert at(4, 4).continues(at(1, 4))
    assert not at(4, 4).continues(at(1, 1))


def test_what_does_not_fit_is_said():
    with pytest.raises(UserError, match=r"ASHA\(epochs\): \(3, 1\) are no rungs, expected two or more, growing: \(1, 3, 9\)"):
        ASHA(epochs=(3, 1))
    with pytest.raises(UserError, match=r"Hyperband\(reduction\): 1 does not fit"):
        Hyperband(reduction=1)
    with pytest.raises(UserError, match=r"SuccessiveHalving\(size\): 4 does not fit, expected a whole number of at least 9"):
        SuccessiveHalving(size=4)
    with pytest.raises(UserError, match=r"ASHA\(over\): Hyperband decides about fidelities itself"):
        ASHA(Hyperband())
    with pytest.raises(UserError, match=r"ASHA\(over\): a asha is inside already"):
        ASHA(ASHA())
    with pytest.raises(UserError, match=r"ASHA\(over\): 'evolution' is not a controller"):
        ASHA("evolution")
    with pytest.raises(StudyError, match="asha.restore: the state of 'hyperband', expected a state of 'asha'"):
        set_up(ASHA(), fakes.LARGE).restore(set_up(Hyperband(), fakes.LARGE).state())


# -- median stopping -----------------------------------------------------------------------------------------------------


def with_curve(architecture, number, values, state="completed"):
    found = {"loss": nas.Measurement(values[-1])}
    curve = tuple(enumerate(values, start=1))
    return nas.Trial(number, architecture.decisions, architecture.fingerprint, state, found, curve=curve)


def test_the_bar_is_the_median_of_running_averages():
    controller = set_up(MedianStopping(Random(seed=0), curves=3), fakes.LARGE)
    a, b, c, d = controller.ask(4)
    controller.tell([with_curve(a, 1, [4, 2]), with_curve(b, 2, [6, 4])])
    assert controller.bars() == {}  # two curves are too few
    controller.tell([with_curve(c, 3, [8, 2, 2]), with_curve(d, 4, [9, 9], "stopped")])
    assert controller.bars() == {1: -6.0, 2: -5.0}  # running averages (4, 3), (6, 5), (8, 5, 4)
    restored = set_up(MedianStopping(Random(seed=5), curves=3), fakes.LARGE)
    restored.restore(json.loads(json.dumps(controller.state())))
    assert restored.bars() == controller.bars()
    assert restored.ask(3) == controller.ask(3)


def test_everyone_is_given_a_few_epochs():
    controller = set_up(MedianStopping(Random(seed=0), curves=1, epochs=2), fakes.LARGE)
    controller.tell([with_curve(controller.ask(1)[0], 1, [4, 2])])
    assert controller.bars() == {2: -3.0}


def test_a_stopped_trial_informs_by_its_last_value():
    inside = RegularizedEvolution(seed=0, population=4, sample=2)
    controller = set_up(MedianStopping(inside), fakes.LARGE)
    controller.tell([with_curve(controller.ask(1)[0], 1, [9, 8], "stopped")])
    assert [m["merit"] for m in inside.state()["members"]] == [((2, -8.0),)]


def test_layers_over_layers():
    controller = MedianStopping(ASHA(StartFrom(Random(seed=2), [{"d0": 3}]), epochs=(1, 3)))
    set_up(controller, fakes.LARGE)
    assert list(controller.fidelities) == [at(1, 3), at(3, 3)]
    asked = play(controller, 9)
    assert asked[0].decisions["d0"] == 3
    assert epochs_of(asked) == [1, 1, 1, 3, 1, 1, 1, 3, 1]
    restored = set_up(MedianStopping(ASHA(StartFrom(Random(seed=7), [{"d0": 3}]), epochs=(1, 3))), fakes.LARGE)
    restored.restore(json.loads(json.dumps(controller.state())))
    assert list(map(key, play(restored, 9))) == list(map(key, play(controller, 9)))
