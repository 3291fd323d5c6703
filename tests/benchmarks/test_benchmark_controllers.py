import json
from pathlib import Path

import numpy as np
import pyglove as pg
import pytest

import nas
from benchmarks import controllers as command
from benchmarks import peers, tables
from benchmarks.searching import Ours, Run, interval, picked, remember_fingerprints, run_search, search
from controllers import Random
from evaluators.tabular import Tabular

SPACE = nas.as_space(
    pg.Dict(a=pg.oneof(list(range(5))), b=pg.oneof([pg.Dict(c=pg.oneof(["x", "y", "z"])), "none"])), name="twenty"
)


@pytest.fixture
def data(tmp_path):
    """A table of 20 architectures; the noisy metric is one off."""
    rows = [f"{i},{i},{(i * 7) % 20 + 0.5}" for i in range(20)]
    file = tmp_path / "table.csv"
    file.write_text("index,reading,truth\n" + "\n".join(rows))
    return Tabular(file)


@pytest.fixture
def made_up(data, monkeypatch):
    """The command line knows a table `twenty`."""
    monkeypatch.setitem(tables._MAKERS, "twenty", lambda name, folder: _twenty(data))
    monkeypatch.setattr(tables, "NAMES", ("twenty",))
    command._table.cache_clear()
    yield
    command._table.cache_clear()


def _twenty(data):
    return tables.Table("twenty", SPACE, data, "reading", "truth", 12, 19.5)


def test_the_pick_is_the_best_by_what_is_searched():
    assert picked([1, 3, 2, 3, 4], [10, 30, 20, 31, 5]) == [10, 30, 30, 30, 5]


def test_a_search_reports_another_metric_of_its_pick(data):
    found = run_search("random", SPACE, data, 20, 0, "reading", "truth")
    order = [a.index for a in _random().ask(20)]
    assert found == picked(order, [(i * 7) % 20 + 0.5 for i in order])
    assert found[-1] == 13.5  # of architecture 19


def _random():
    controller = Random(0)
    controller.setup(SPACE, [nas.maximize("reading")])
    return controller


def test_a_search_ends_where_nothing_is_left(data):
    found = search(Ours(Random(0), SPACE, "reading"), data, 100, "reading", batch=8)
    assert len(found.values) == len(found.ms) == 20
    assert found.duplicates == 0


@pytest.mark.parametrize("name", [name for name in peers.NAMES if not peers.missing(name)])
def test_peers_search_spaces_with_conditions_and_repeat_themselves(name, data):
    found = search(peers.make(name, SPACE, 0), data, 60, "reading")
    assert len(found.values) == 60 or name.endswith("dedup")
    assert found.duplicates == len(found.values) - len(set(found.values))
    again = search(peers.make(name, SPACE, 0), data, 60, "reading")
    assert again.values[:15] == found.values[:15]
    if name == "pyglove-evolution-dedup":
        assert found.duplicates == 0


def test_what_is_not_installed_is_left_out(made_up, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(peers._MAKERS, "optuna-gp", (("a_package_that_nobody_has",), peers._optuna_gp))
    assert (
        command.main(
            ["--controllers", "random,optuna-gp", "--tables", "twenty", "--seeds", "1", "--jobs", "1", "--out", f"{tmp_path}"]
        )
        == 0
    )
    told = capsys.readouterr()
    assert "optuna-gp is left out: it needs a_package_that_nobody_has" in told.err
    assert "| optuna-gp" not in told.out


def test_the_command_prints_plots_and_resumes(made_up, tmp_path, capsys):
    given = [
        "--controllers",
        "random;evolution:population=3,sample=2",
        "--tables",
        "twenty",
        "--jobs",
        "1",
        "--out",
        str(tmp_path),
    ]
    assert command.main([*given, "--seeds", "2"]) == 0
    told = capsys.readouterr().out
    assert "### twenty: reading searched, truth reported, 2 seeds, the best of all is 19.500" in told
    assert "| evolution:population=3,sample=2 |" in told
    assert (tmp_path / "regret.png").stat().st_size > 10_000

    first = tmp_path / "twenty" / "random" / "0.json"
    before = first.stat().st_mtime_ns
    assert command.main([*given, "--seeds", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["twenty"]
    assert first.stat().st_mtime_ns == before
    assert {row["controller"]: row["seeds"] for row in found} == {"random": 3, "evolution:population=3,sample=2": 3}
    random = next(row for row in found if row["controller"] == "random")
    runs = [run_search("random", SPACE, _table_of(tmp_path), 12, seed, "reading", "truth") for seed in range(3)]
    assert random["curve"] == pytest.approx(np.mean(runs, axis=0).tolist())
    assert found == json.loads((tmp_path / "results.json").read_text())["twenty"]

    assert command.main([*given, "--seeds", "1", "--budget", "15"]) == 0  # longer than what is there: made again
    assert first.stat().st_mtime_ns > before


def _table_of(tmp_path):
    return Tabular(tmp_path / "table.csv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--controllers", "randm"], "no controller 'randm'"),
        (["--controllers", "evolution:size=3"], "evolution: no setting 'size'"),
        (["--tables", "twentyone"], "--tables: no table 'twentyone', expected some of twenty."),
    ],
)
def test_mistakes_end_with_2_and_a_message(made_up, tmp_path, capsys, arguments, message):
    defaults = {"--controllers": "random", "--tables": "twenty", "--out": str(tmp_path)}
    given = [word for pair in (defaults | dict([arguments])).items() for word in pair]
    assert command.main(given) == 2
    assert message in capsys.readouterr().err


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(nas.errors.DataError, match=r"nasbench_macro_cifar10.csv.gz: no such file"):
        tables.load("macro", Path(tmp_path))


def test_queries_to_the_best_and_duplicates(data):
    """19.5 is the truth of architecture 17, which the first run asks for at its third query."""
    truth = [(i * 7) % 20 + 0.5 for i in range(20)]
    curves = np.array([[0.5, 7.5, 19.5], [0.5, 0.5, 0.5]])
    row = command.Row("x", curves, [3, None], 0.25, 1.5)
    assert truth[17] == 19.5
    text = command.write(_twenty(data), [row], 3)
    assert "| 10.000 [0.500, 19.500] | 3 (1 of 2) | 25.0% | 1.50 |" in text


def test_an_interval_contains_the_mean():
    low, high = interval([1.0, 2.0, 3.0, 4.0])
    assert 1 <= low < 2.5 < high <= 4
    assert interval([2.0] * 5) == (2.0, 2.0)


def test_a_run_is_plain_json():
    run = Run([1.0], [2.0], 0, [0.1])
    assert Run(**json.loads(json.dumps(run.__dict__))) == run
    assert run.best == [2.0]


def test_a_landscape_is_a_fixed_function_with_noise():
    first, again = (tables.Landscape(SPACE, seed=3) for _ in range(2))
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
