"""What every controller promises. A new one is tested by being in `controllers.NAMES`."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import controller_fakes as fakes
import numpy as np
import pytest
from controller_fakes import CONDITIONAL, CONTINUOUS, LARGE, MANY, ONE_POINT, TWENTY_FOUR, make, mixed_trial, play, trial

import controllers
import nas
from nas.errors import StudyError

pytestmark = pytest.mark.parametrize("name", controllers.NAMES)

SPACES = [TWENTY_FOUR, CONDITIONAL, MANY, CONTINUOUS, LARGE]
LATENCY = [nas.at_most("latency_ms", 5)]


def fingerprints(architectures):
    return [a.fingerprint for a in architectures]


# -- determinism and state -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", SPACES, ids=lambda s: s.name)
def test_the_same_seed_gives_the_same_study(name, space):
    first, again, other = (play(make(name, space, seed), 60, batch=2) for seed in (3, 3, 4))
    assert first == again
    assert first != other or name in fakes.UNSEEDED


def test_asking_for_eight_is_asking_eight_times(name):
    together, apart = make(name, CONDITIONAL), make(name, CONDITIONAL)
    for controller in (together, apart):
        play(controller, 15)
    assert fingerprints(together.ask(8)) == [apart.ask(1)[0].fingerprint for _ in range(8)]
    assert together.state() == apart.state()


@pytest.mark.parametrize("space", SPACES, ids=lambda s: s.name)
@pytest.mark.parametrize("told", [0, 1, 9, 23])
def test_a_restored_state_continues_identically(name, space, told):
    controller = make(name, space, constraints=LATENCY)
    play(controller, told)
    waiting = controller.ask(3)
    saved = json.dumps(controller.state(), allow_nan=False)

    restored = make(name, space, seed=99, constraints=LATENCY)
    restored.restore(json.loads(saved))
    assert json.dumps(restored.state()) == saved
    for one in (controller, restored):
        one.tell([mixed_trial(a, i) for i, a in enumerate(waiting)])
    assert play(controller, 30, batch=2) == play(restored, 30, batch=2)
    assert json.dumps(restored.state()) == json.dumps(controller.state())


def test_a_state_stays_as_it_was_taken(name):
    controller = make(name, CONDITIONAL)
    play(controller, 12)
    state = controller.state()
    saved = json.dumps(state)
    play(controller, 12)
    assert json.dumps(state) == saved


def test_setup_begins_anew(name):
    controller = make(name, CONDITIONAL)
    first = play(controller, 12)
    controller.setup(CONDITIONAL, [nas.minimize("loss")])
    assert play(controller, 12) == first


def test_proposals_do_not_depend_on_the_process(name):
    """Sets and dicts of strings are ordered by a hash that differs from process to process."""
    script = f"import controller_fakes as f; print(f.play(f.make({name!r}, f.CONDITIONAL), 25, batch=3))"
    here = Path(__file__).parent
    env = os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join([str(here), str(here.parents[1])])}
    told = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True).stdout
    assert told == f"{play(make(name, CONDITIONAL), 25, batch=3)}\n"


def test_the_state_of_another_controller_is_refused(name):
    other = next(n for n in controllers.NAMES if n != name)
    with pytest.raises(StudyError, match=f"{name}.restore: the state of '{other}', expected a state of '{name}'"):
        make(name, CONDITIONAL).restore(make(other, CONDITIONAL).state())


def test_its_description_makes_it_again(name):
    controller = controllers.get(name, seed=5)
    described = controller.describe()
    assert json.loads(json.dumps(described)) == described
    assert controllers.get(**described).describe() == described


# -- tells ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_tells_may_be_shuffled_missing_doubled_and_of_any_kind(name, seed):
    controller = make(name, MANY, seed, constraints=LATENCY)
    rng = random.Random(seed)
    asked, waiting = [], []
    while len(asked) < 120:
        new = controller.ask(5)
        assert len(new) == 5
        waiting += [mixed_trial(a, len(asked) + i) for i, a in enumerate(new)]
        asked += new
        rng.shuffle(waiting)
        told, waiting = waiting[:4], waiting[4:]
        controller.tell(told + told[:2])
        if rng.random() < 0.2:
            waiting = waiting[1:]  # its worker died
    assert len(set(fingerprints(asked))) == 120


def test_a_second_tell_changes_nothing(name):
    controller = make(name, CONDITIONAL)
    told = [trial(a, i) for i, a in enumerate(controller.ask(20))]
    controller.tell(told)
    before = controller.state()
    controller.tell(told[::-1])
    controller.tell([trial(CONDITIONAL.architecture(t.decisions), t.id, "failed") for t in told])
    assert controller.state() == before


def test_a_failed_trial_can_succeed_later(name):
    once, twice = make(name, CONDITIONAL), make(name, CONDITIONAL)
    asked = once.ask(20)
    assert fingerprints(twice.ask(20)) == fingerprints(asked)
    twice.tell([trial(a, i, "failed") for i, a in enumerate(asked)])
    before = twice.state()
    for controller in (once, twice):
        controller.tell([trial(a, i) for i, a in enumerate(asked)])
    assert twice.state()["known"] == once.state()["known"]
    if name not in fakes.UNTAUGHT:
        assert {k: v for k, v in twice.state().items() if k != "known"} != {k: v for k, v in before.items() if k != "known"}


def test_what_was_told_is_never_proposed(name):
    controller = make(name, TWENTY_FOUR)
    warm = [TWENTY_FOUR.architecture(i) for i in range(0, 24, 2)]
    controller.tell([trial(a, i) for i, a in enumerate(warm)])
    proposed = controller.ask(24)
    assert len(proposed) == 12
    assert not set(fingerprints(proposed)) & set(fingerprints(warm))


def test_trials_not_finished_and_of_another_space_inform_by_fingerprint_only(name):
    controller = make(name, TWENTY_FOUR)
    before = controller.state()
    running = trial(TWENTY_FOUR.architecture(3), 1, "running")
    foreign = trial(CONDITIONAL.architecture(3), 2)
    controller.tell([running, foreign])
    state = controller.state()
    assert set(state.pop("known")) == {running.fingerprint, foreign.fingerprint}
    before.pop("known")
    assert state == before


def test_it_goes_on_where_everything_fails(name):
    controller = make(name, LARGE)
    asked = []
    for i in range(60):
        asked += controller.ask(1)
        controller.tell([trial(asked[-1], i, "failed")])
    assert len(set(fingerprints(asked))) == 60


def test_no_tells_at_all(name):
    assert len(set(fingerprints(make(name, LARGE).ask(200)))) == 200


def test_several_objectives(name):
    controller = make(name, LARGE, objectives=[nas.minimize("loss"), nas.maximize("accuracy")])
    asked = []
    for i in range(60):
        asked += controller.ask(1)
        controller.tell([trial(asked[-1], i, loss=fakes.loss(asked[-1]), accuracy=float(asked[-1].vector[0]))])
    restored = make(name, LARGE, objectives=[nas.minimize("loss"), nas.maximize("accuracy")])
    restored.restore(json.loads(json.dumps(controller.state())))
    assert fingerprints(restored.ask(5)) == fingerprints(controller.ask(5))
    assert len(set(fingerprints(asked))) == 60


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), 1e308, -1e308, 0.0])
def test_extreme_values_leave_a_state_that_is_json(name, value):
    controller = make(name, CONDITIONAL)
    for i in range(30):
        controller.tell([trial(controller.ask(1)[0], i, loss=value)])
    json.dumps(controller.state(), allow_nan=False)
    assert len(controller.ask(3)) == 3


# -- what is proposed ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", SPACES, ids=lambda s: s.name)
def test_eight_different_ones_before_any_tell(name, space):
    assert len(set(fingerprints(make(name, space).ask(8)))) == 8


@pytest.mark.parametrize(("space", "size"), [(TWENTY_FOUR, 24), (CONDITIONAL, 44), (MANY, 162)], ids=["24", "44", "162"])
@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_a_small_space_is_listed_completely(name, space, size, batch):
    controller = make(name, space)
    proposed = []
    while asked := controller.ask(batch):
        assert len(asked) == min(batch, size - len(proposed))
        controller.tell([mixed_trial(a, len(proposed) + i) for i, a in enumerate(asked)])
        proposed += asked
    assert sorted(a.index for a in proposed) == list(range(size))
    assert controller.ask(3) == []


def test_listing_completely_survives_a_restore(name):
    controller, proposed = make(name, TWENTY_FOUR), []
    for i in range(24):
        proposed += controller.ask(1)
        controller.tell([trial(proposed[-1], i)])
        state = json.loads(json.dumps(controller.state()))
        controller = make(name, TWENTY_FOUR)
        controller.restore(state)
    assert len(set(fingerprints(proposed))) == 24
    assert controller.ask(1) == []


@pytest.mark.parametrize("space", [ONE_POINT, fakes.fixed()], ids=["one option", "no decision"])
def test_a_space_with_one_point(name, space):
    controller = make(name, space)
    proposed = controller.ask(5)
    assert len(proposed) == 1
    controller.tell([trial(proposed[0])])
    assert controller.ask(1) == []


def test_copies_of_a_known_network_are_not_proposed(name):
    controller = make(name, fakes.copies())
    proposed = []
    for i in range(4):
        proposed += controller.ask(1)
        controller.tell([trial(proposed[-1], i)])
    assert len(set(fingerprints(proposed))) == 4
    assert controller.ask(1) == []


@pytest.mark.parametrize("space", SPACES, ids=lambda s: s.name)
def test_every_proposal_is_a_point_of_the_space(name, space):
    for decisions in play(make(name, space), 60, batch=3):
        assert space.architecture(decisions).decisions == decisions


@pytest.mark.parametrize("kind", ["rules", "few", "many"])
def test_nothing_outside_a_restricted_space_is_proposed(name, kind):
    space = fakes.restricted(kind)
    controller = make(name, space)
    proposed = []
    for i in range(12):
        asked = controller.ask(10)
        assert len(asked) == 10
        assert space.genome.fits(np.array([a.vector for a in asked])).all()
        controller.tell([mixed_trial(a, 10 * i + j) for j, a in enumerate(asked)])
        proposed += asked
    assert len(set(fingerprints(proposed))) == 120
    restored = make(name, space)
    restored.restore(json.loads(json.dumps(controller.state())))
    assert fingerprints(restored.ask(3)) == fingerprints(controller.ask(3))


@pytest.mark.parametrize("limit", [24, 26])
def test_a_few_points_within_a_limit_are_listed_completely(name, limit):
    space = fakes.restricted("few").within(params=limit)
    controller = make(name, space)
    proposed = controller.ask(1000)
    assert {a.fingerprint for a in proposed} == {a.fingerprint for a in space}
    assert controller.ask(1) == []


def test_asking_for_none(name):
    controller = make(name, CONDITIONAL)
    before = controller.state()
    assert controller.ask(0) == []
    assert controller.state() == before


# -- cost ----------------------------------------------------------------------------------------------------------------


def costs(controller, n):
    """CPU milliseconds of ask + tell for each of `n` trials (other processes share these cores)."""
    spent = []
    for i in range(n):
        begun = time.process_time()
        architecture = controller.ask(1)[0]
        asked = time.process_time()
        told = trial(architecture, i)
        resumed = time.process_time()
        controller.tell([told])
        spent.append((asked - begun + time.process_time() - resumed) * 1e3)
    return spent


def mean(numbers):
    return sum(numbers) / len(numbers)


MODELLED = ("bayesian", "tpe")  # fit a model of all trials for each proposal


def test_asking_and_telling_cost_at_most_5_ms_at_trial_1000(name):
    if name in MODELLED:
        pytest.skip("has a limit of its own, see the slow test")
    controller = make(name, LARGE)
    assert mean(costs(controller, 1000)[-200:]) <= 5
    assert len(json.dumps(controller.state())) <= 1000 * 60 + 20_000


@pytest.mark.slow
def test_models_cost_at_most_50_ms_at_trial_1000(name):
    if name not in MODELLED:
        pytest.skip("has a lower limit")
    assert mean(costs(make(name, LARGE), 1000)[-200:]) <= 50


@pytest.mark.slow
def test_cost_and_state_do_not_grow_up_to_10000_trials(name):
    if name in MODELLED:
        pytest.skip("remembers every trial")
    controller = make(name, LARGE)
    spent = costs(controller, 2_000)
    state = controller.state()
    spent += costs(controller, 8_000)
    later = controller.state()
    assert mean(spent[-1000:]) <= 1.5 * mean(spent[1000:2000]) + 0.2
    for one in (state, later):
        one.pop("known")  # one short entry a trial: the promise never to repeat one
    assert len(json.dumps(later)) <= 1.2 * len(json.dumps(state))
