"""PyGlove's own generators as controllers."""

import json
import random

import controller_fakes as fakes
import numpy as np
import pyglove as pg
import pytest
from controller_fakes import CONDITIONAL, LARGE, MANY, TWENTY_FOUR, mixed_trial, trial

import nas
from controllers.generator import Generator
from nas.errors import StudyError, UserError


def evolution():
    return pg.evolution.regularized_evolution(population_size=6, tournament_size=3)


GENERATORS = {
    "evolution": evolution,
    "seeded evolution": lambda: pg.evolution.regularized_evolution(population_size=6, tournament_size=3, seed=1),
    "hill climbing": lambda: pg.evolution.hill_climb(),
    "random": lambda: pg.geno.Random(seed=3),
}


def set_up(generator, space, seed=0, objectives=None, constraints=()):
    controller = Generator(generator, seed=seed)
    controller.setup(space, objectives or [nas.minimize("loss")], constraints)
    return controller


def play(controller, n, told=mixed_trial, batch=1):
    asked = []
    while len(asked) < n:
        new = controller.ask(min(batch, n - len(asked)))
        if not new:
            break
        controller.tell([told(a, len(asked) + i) for i, a in enumerate(new)])
        asked += new
    return asked


@pytest.mark.parametrize("space", [TWENTY_FOUR, CONDITIONAL, MANY, LARGE], ids=lambda s: s.name)
@pytest.mark.parametrize("name", GENERATORS)
def test_the_same_seed_proposes_the_same_and_nothing_twice(name, space):
    first, again = (play(set_up(GENERATORS[name](), space), 20, batch=2) for _ in range(2))
    assert [a.index for a in first] == [a.index for a in again]
    assert len({a.fingerprint for a in first}) == 20


@pytest.mark.parametrize("told", [0, 9])
@pytest.mark.parametrize("name", GENERATORS)
def test_a_restored_state_continues_identically(name, told):
    controller, restored = set_up(GENERATORS[name](), CONDITIONAL), set_up(GENERATORS[name](), CONDITIONAL, seed=9)
    play(controller, told)
    waiting = controller.ask(2)
    saved = json.dumps(controller.state(), allow_nan=False)
    restored.restore(json.loads(saved))
    assert json.dumps(restored.state()) == saved
    for one in (controller, restored):
        one.tell([mixed_trial(a, i) for i, a in enumerate(waiting)])
    assert [a.index for a in play(controller, 8)] == [a.index for a in play(restored, 8)]
    assert json.dumps(restored.state()) == json.dumps(controller.state())


def test_it_learns():
    losses = [fakes.loss(a) for a in play(set_up(evolution(), LARGE), 120, trial)]
    assert np.mean(losses[-20:]) < np.mean(losses[:20]) * 0.8


def test_infeasible_and_failed_ones_get_the_lowest_reward():
    given = []

    class Recorder(pg.DNAGenerator):
        def _setup(self):
            self._next = 0

        def _propose(self):
            self._next += 1
            return pg.DNA.from_numbers([0, 0, self._next - 1], self.dna_spec)

        def _feedback(self, dna, reward):
            given.append((dna.to_numbers()[-1], reward))

    controller = set_up(Recorder(), TWENTY_FOUR)
    a, b, c, d = controller.ask(4)
    controller.tell([trial(a, 1, "failed"), trial(b, 2, loss=3), trial(c, 3, loss=5), trial(d, 4, "infeasible", other=1)])
    assert given == [(1, -3.0), (2, -5.0), (3, -5.0)]  # the first failed before anything was known about rewards


def test_a_generator_that_ends_has_no_more():
    controller = set_up(pg.geno.Sweeping(), TWENTY_FOUR)
    assert [a.index for a in play(controller, 100)] == list(range(24))
    assert controller.ask(1) == []


def test_earlier_results_are_recovered():
    replayed = []

    class Recorder(pg.geno.Sweeping):
        def _replay(self, trial_id, dna, reward):
            replayed.append((dna.to_numbers(), reward))

    warm = TWENTY_FOUR.architecture(7)
    controller = set_up(Recorder(), TWENTY_FOUR)
    controller.tell([trial(warm, 1, loss=2)])
    assert replayed == [(warm.to_dna().to_numbers(), -2.0)]
    assert warm.index not in [a.index for a in play(controller, 100)]


def test_several_objectives_need_a_generator_for_several():
    objectives = [nas.minimize("loss"), nas.maximize("first")]
    with pytest.raises(UserError, match="takes one objective, here are 2.*pg.evolution.nsga2"):
        set_up(evolution(), LARGE, objectives=objectives)
    controller = set_up(pg.evolution.nsga2(population_size=6), LARGE, objectives=objectives)
    assert len(play(controller, 30, lambda a, i: trial(a, i, loss=fakes.loss(a), first=float(a.vector[0])))) == 30


def test_a_restricted_space_is_kept_to():
    space = fakes.restricted("few")
    asked = play(set_up(pg.geno.Random(seed=1), space), 30)
    assert all(a in space for a in asked)


def test_global_random_numbers_are_left_alone():
    random.seed(5)
    np.random.seed(5)
    expected = random.random(), np.random.random()
    random.seed(5)
    np.random.seed(5)
    play(set_up(evolution(), LARGE), 12)
    assert (random.random(), np.random.random()) == expected


def test_a_generator_with_random_numbers_of_its_own_is_refused_at_restore():
    class Unseeded(pg.DNAGenerator):
        def _propose(self):
            return pg.random_dna(self.dna_spec, random.SystemRandom())

    controller = set_up(Unseeded(), LARGE)
    controller.ask(3)
    with pytest.raises(StudyError, match="Unseeded does not propose again what it proposed"):
        set_up(Unseeded(), LARGE).restore(controller.state())


def test_its_description_names_the_generator_and_its_settings():
    described = Generator(evolution(), seed=2).describe()
    assert described == Generator(evolution(), seed=2).describe()
    assert "population_size" in described["generator"] or "6" in described["generator"]
    assert " at 0x" not in described["generator"]
    with pytest.raises(UserError, match="expected a pg.DNAGenerator"):
        Generator("evolution")


def test_in_a_study_that_is_taken_up_again(tmp_path):
    def study(directory=None):
        generator = Generator(evolution(), seed=4)
        return nas.Study(CONDITIONAL, generator, lambda a: {"loss": fakes.loss(a)}, nas.minimize("loss"), directory=directory)

    whole = study()
    whole.run(40)
    for wanted in (3, 20, 40):
        study(tmp_path / "s").run(wanted)
    assert [t.decisions for t in study(tmp_path / "s").trials] == [t.decisions for t in whole.trials]
