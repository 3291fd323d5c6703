"""The command line, on a table of twenty architectures."""

import json

import numpy as np
import pytest

from benchmarks import controllers as command
from benchmarks import peers
from benchmarks.searching import run_search
from evaluators.tabular import Tabular
from nas import load_space

SPACE = """
import pyglove as pg

def twenty():
    inner = pg.Dict(c=pg.oneof(["x", "y", "z"]))
    return pg.Dict(a=pg.oneof([0, 1, 2, 3, 4]), b=pg.oneof([inner, "none"]))
"""
TRUTH = [(i * 7) % 20 + 0.5 for i in range(20)]
"""The largest, 19.5, is that of architecture 17."""


@pytest.fixture
def given(tmp_path):
    """Arguments for a table of 20 architectures, whose `reading` is the index and whose `truth` is another number."""
    rows = [f"{i},{i},{TRUTH[i]}" for i in range(20)]
    (tmp_path / "table.csv").write_text("index,reading,truth\n" + "\n".join(rows))
    (tmp_path / "space.py").write_text(SPACE)
    own = [
        "--own",
        f"{tmp_path}/table.csv",
        "--space",
        f"{tmp_path}/space.py:twenty",
        "--search",
        "reading",
        "--report",
        "truth",
    ]
    return [*own, "--out", f"{tmp_path}/out", "--queries", "12"]


def lines(tmp_path):
    return (tmp_path / "out" / "searches.jsonl").read_text().splitlines()


def test_it_prints_plots_and_goes_on(given, tmp_path, capsys):
    two = [*given, "--controller", "random", "--controller", "evolution:population=3,sample=2"]
    assert command.main([*two, "--seeds", "2"]) == 0
    told = capsys.readouterr().out
    assert "### own/table: truth of the pick by reading, the best there is 19.500; 2 seeds" in told
    assert "| evolution:population=3,sample=2 |" in told
    assert "ok   duplicates of 2 controllers of ours on 1 problems: none" in told
    assert (tmp_path / "out" / "own.png").stat().st_size > 10_000

    before = lines(tmp_path)
    assert command.main([*two, "--seeds", "3", "--json"]) == 0
    assert lines(tmp_path)[: len(before)] == before
    assert len(lines(tmp_path)) == len(before) + 2  # the third seed of each
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((tmp_path / "out" / "results.json").read_text())
    rows = {row["controller"]: row for row in found["problems"]["own/table"]}
    space, table = load_space(f"{tmp_path}/space.py:twenty"), Tabular(tmp_path / "table.csv")
    runs = [run_search("random", space, table, 12, seed, "reading", "truth") for seed in range(3)]
    assert rows["random"]["scores"]["12"][0] == pytest.approx(np.mean(runs, axis=0)[-1])
    assert rows["random"]["seeds"] == 3

    assert command.main([*two, "--seeds", "1", "--queries", "15"]) == 0  # longer than what is there: made again
    assert len(lines(tmp_path)) == len(before) + 4
    assert command.main([*two, "--seeds", "1", "--again"]) == 0
    assert len(lines(tmp_path)) == len(before) + 6


def test_ctrl_c_keeps_what_has_ended(given, tmp_path, capsys, monkeypatch):
    search = command.search
    made = []

    def interrupted(*arguments):
        made.append(search(*arguments))
        if len(made) == 3:
            raise KeyboardInterrupt
        return made[-1]

    monkeypatch.setattr(command, "search", interrupted)
    assert command.main([*given, "--controller", "random", "--seeds", "5"]) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert len(lines(tmp_path)) == 2
    with (tmp_path / "out" / "searches.jsonl").open("a") as file:
        file.write('{"problem": "own/ta')  # as a power cut leaves it
    assert command.main([*given, "--controller", "random", "--seeds", "5", "--show"]) == 0
    assert "; 2 seeds" in capsys.readouterr().out
    assert command.main([*given, "--controller", "random", "--seeds", "5"]) == 0
    assert "; 5 seeds" in capsys.readouterr().out
    assert len(lines(tmp_path)) == 2 + 1 + 3


def test_processes_find_the_same(given, tmp_path, capsys):
    assert command.main([*given, "--controller", "random", "--seeds", "2", "--processes", "2", "--json"]) == 0
    apart = json.loads(capsys.readouterr().out)["problems"]["own/table"][0]
    assert command.main([*given, "--controller", "random", "--seeds", "2", "--again", "--json"]) == 0
    here = json.loads(capsys.readouterr().out)["problems"]["own/table"][0]
    assert apart["scores"] == here["scores"]


def test_what_is_not_installed_is_left_out(given, capsys, monkeypatch):
    lacking = peers.PEERS["optuna/gp"]._replace(needs=("a_package_that_nobody_has",))
    monkeypatch.setitem(peers.PEERS, "optuna/gp", lacking)
    assert command.main([*given, "--controller", "random", "--controller", "optuna/gp", "--seeds", "1"]) == 0
    told = capsys.readouterr()
    assert "optuna/gp is left out: it needs a_package_that_nobody_has" in told.err
    assert "| optuna/gp" not in told.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--controller", "randm"], "no controller 'randm'"),
        (["--controller", "evolution:size=3"], "evolution: no setting 'size'"),
        (["--only", "fitnes"], "--only: no section 'fitnes', expected one of fitness, val"),
        (["--search", ""], "--own: nothing says what to search"),
        (["--report", "trooth"], "no column 'trooth'"),
    ],
)
def test_mistakes_end_with_2_and_a_message(given, capsys, arguments, message):
    assert command.main([*given, *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_missing_table_is_named(tmp_path, capsys):
    assert command.main(["--only", "macro", "--tables", str(tmp_path), "--out", f"{tmp_path}/out"]) == 2
    assert "nasbench_macro_cifar10.csv.gz: no such file" in capsys.readouterr().err
