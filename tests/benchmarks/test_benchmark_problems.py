"""What is searched, and how a search is scored."""

import numpy as np
import pyglove as pg
import pytest

import nas
from benchmarks import peers, problems
from benchmarks.problems import Front, Pick, Problem
from benchmarks.searching import Ours, Run, picked, remember_fingerprints, run_search, search
from controllers import Random, RegularizedEvolution
from controllers.fronts import hypervolume
from evaluators.tabular import Tabular

SPACE = nas.as_space(
    pg.Dict(a=pg.oneof(list(range(5))), b=pg.oneof([pg.Dict(c=pg.oneof(["x", "y", "z"])), "none"])), name="twenty"
)
READING = [nas.maximize("reading")]


@pytest.fixture
def data(tmp_path):
    """A table of 20 architectures with three columns."""
    rows = [f"{i},{i},{(i * 7) % 20 + 0.5},{(i * 3) % 20 + 1}" for i in range(20)]
    (tmp_path / "table.csv").write_text("index,reading,truth,latency_ms\n" + "\n".join(rows))
    return Tabular(tmp_path / "table.csv")


def test_the_pick_is_the_best_by_what_is_searched():
    assert picked([1, 3, 2, 3, 4], [10, 30, 20, 31, 5]) == [10, 30, 30, 30, 5]


def test_the_pick_meets_the_constraints():
    found = picked([5, 3, 2, 4], [50, 30, 20, 40], [False, True, True, True])
    assert np.isnan(found[0])
    assert found[1:] == [30, 30, 40]


def test_what_is_small_can_be_searched():
    run = Run([{"loss": 2.0, "test": 20.0}, {"loss": 1.0, "test": 10.0}], [True, True], 0, [0, 0])
    assert Pick(nas.minimize("loss"), "test").scores(run) == [20, 10]


def test_a_search_reports_another_metric_of_its_pick(data):
    found = run_search("random", SPACE, data, 20, 0, "reading", "truth")
    controller = Random(0)
    controller.setup(SPACE, READING)
    order = [a.index for a in controller.ask(20)]
    assert found == picked(order, [(i * 7) % 20 + 0.5 for i in order])
    assert found[-1] == 13.5  # of architecture 19


def test_a_search_ends_where_nothing_is_left(data):
    found = search(Ours(Random(0), SPACE, READING), data, 100, READING, batch=8)
    assert len(found.measured) == len(found.ms) == 20
    assert found.duplicates == 0


def test_only_what_is_limited_is_told_of_an_architecture_over_the_limit(data):
    told = []

    class Listens(Random):
        def tell(self, trials):
            told.extend(trials)
            super().tell(trials)

    limit = nas.at_most("latency_ms", 10)
    found = search(Ours(Listens(0), SPACE, READING, [limit]), data, 20, READING, [limit])
    assert sum(found.feasible) == 10
    for trial, feasible in zip(told, found.feasible, strict=True):
        assert trial.state == ("completed" if feasible else "infeasible")
        assert set(trial.measurements) == ({"reading", "latency_ms"} if feasible else {"latency_ms"})


def test_a_subspace_has_what_meets_the_limit_and_nothing_else(data):
    limit = nas.at_most("latency_ms", 10)
    part = problems.subspace(SPACE, data, limit)
    assert part.genome.size == 10
    assert SPACE.genome.size == 20
    for controller in (Random(0), RegularizedEvolution(0, population=3, sample=2)):
        found = search(Ours(controller, part, READING), data, 100, READING)
        assert sorted(one["latency_ms"] for one in found.measured) == list(range(1, 11))


def test_a_front_is_picked_by_one_metric_and_measured_with_another(data):
    objectives = (nas.maximize("reading"), nas.minimize("latency_ms"))
    front = Front.of(data, objectives, "truth")
    points = np.array([[data.values("truth")[i] - 0.5, 20 - data.values("latency_ms")[i]] for i in range(20)]) / 19
    assert front.whole == pytest.approx(hypervolume(points, np.zeros(2)))

    order = [3, 19, 7, 12, 0]
    run = Run([{m: float(data.values(m)[i]) for m in data.metrics} for i in order], [True] * 5, 0, [0] * 5)
    expected = []
    for n in range(1, 6):
        asked = order[:n]
        kept = [i for i in asked if not any(_dominates(data, j, i) for j in asked)]
        expected.append(hypervolume(points[kept], np.zeros(2)) / front.whole)
    assert front.scores(run) == pytest.approx(expected)


def _dominates(data, j, i):
    better, faster = data.values("reading"), -data.values("latency_ms")
    return better[j] >= better[i] and faster[j] >= faster[i] and i != j


@pytest.mark.parametrize("name", [name for name in peers.NAMES if not peers.missing(name)])
def test_peers_search_spaces_with_conditions_and_repeat_themselves(name, data):
    found = search(peers.make(name, SPACE, READING, 0), data, 60, READING)
    values = [one["reading"] for one in found.measured]
    assert len(values) == 60 or name.endswith("dedup")
    assert found.duplicates == len(values) - len(set(values))
    again = search(peers.make(name, SPACE, READING, 0), data, 60, READING)
    assert [one["reading"] for one in again.measured][:15] == values[:15]
    if name == "pyglove/evolution-dedup":
        assert found.duplicates == 0


def test_peers_with_several_objectives_get_them_all(data):
    objectives = (nas.maximize("reading"), nas.minimize("latency_ms"))
    for name, peer in peers.PEERS.items():
        if peer.objectives > 1:
            assert len(search(peers.make(name, SPACE, objectives, 0), data, 30, objectives).measured) == 30


def test_another_table_is_another_problem(data, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text((tmp_path / "table.csv").read_text().replace("\n0,0,", "\n0,1,"))
    made = [Problem("own", SPACE, table, tuple(READING), Pick(READING[0], "truth"), (5,)) for table in (data, Tabular(other))]
    assert made[0].digest != made[1].digest


def test_a_landscape_is_a_fixed_function_with_noise():
    first, again = (problems.Landscape(SPACE, seed=3) for _ in range(2))
    values = [first.evaluate(a) for a in SPACE]
    assert [again.evaluate(a) for a in SPACE] == values
    scores = [found["score"].value for found in values]
    noise = [found["reading"].value - found["score"].value for found in values]
    assert np.std(scores) == pytest.approx(1, rel=0.1)
    assert 0.05 < np.std(noise) < 0.2


def test_fingerprints_are_computed_once():
    space = nas.as_space(pg.Dict(a=pg.oneof([1, 2])), name="two")
    asked = []
    space.fingerprint_of = lambda a: asked.append(a.index) or f"f{a.index}"
    remember_fingerprints(space)
    assert [space.architecture(i).fingerprint for i in (0, 1, 0, 1)] == ["f0", "f1", "f0", "f1"]
    assert asked == [0, 1]
