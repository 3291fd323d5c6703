"""Rows and what is required of them, by hand."""

import dataclasses

import numpy as np
import pytest

import nas
from benchmarks import requirements as required
from benchmarks.problems import Milliseconds, Pick, Problem
from benchmarks.records import Key, Record, Records
from benchmarks.rows import AROUND, Row, interval, table
from benchmarks.searching import Run

PICK = Pick(nas.maximize("reading"), "truth", 19.5)
PROBLEM = Problem("p", None, None, (), PICK, (3,))


def row(controller, curves, reached=None, duplicates=0.0):
    curves = np.array(curves, dtype=float)
    return Row(controller, curves, reached or [None] * len(curves), duplicates, 1.0, 1.5)


def texts(requirement, rows):
    return [str(line) for line in requirement({("p", one.controller): one for one in rows})]


def test_a_table_says_mean_interval_queries_to_the_best_and_duplicates():
    text = table(PROBLEM, [row("x", [[0.5, 7.5, 19.5], [0.5, 0.5, 0.5]], [3, None], 0.25)])
    assert "| x | 10.000 [0.500, 19.500] | 3 (1 of 2) | 25.0% | 1.50 |" in text


def test_a_table_has_the_best_first_and_says_where_seeds_are_missing():
    text = table(PROBLEM, [row("worse", [[1, 1, 1], [1, 1, 1]]), row("better", [[2, 2, 2]])])
    assert text.index("better (1 seeds)") < text.index("worse")


def test_a_mean_that_is_too_small_is_a_miss():
    curves = [[1, 2, 3], [1, 2, 5]]
    assert texts(required.at_least("p", 3, 4.0, "a"), [row("a", curves)]) == [
        "ok   p, a (2 seeds): 4.000 [3.000, 5.000] after 3 (required 4)"
    ]
    assert texts(required.at_least("p", 3, 4.1, "a", "b"), [row("a", curves)])[0].startswith("MISS")
    assert texts(required.at_least("p", 3, 4.1, "b"), [row("a", curves)]) == []
    assert texts(required.at_least("p", 9, 4.1, "a"), [row("a", curves)]) == []  # it was not searched for so long


def test_every_seed_has_to_get_there():
    given = [row("a", [[1, 2, 3]] * 2, [1, 3])]
    met, missed = (texts(required.every_seed_by("p", by, "a"), given) for by in (3, 2))
    assert met == ["ok   p, a (2 seeds): the best in 2 of 2 seeds by 3 (required all)"]
    assert missed == ["MISS p, a (2 seeds): the best in 1 of 2 seeds by 2 (required all)"]


def test_a_seed_that_never_got_there_counts_with_all_its_queries():
    given = [row("a", [[1, 2, 3]] * 2, [1, None])]
    assert texts(required.queries_to_best("p", 2, "a"), given) == ["ok   p, a (2 seeds): 2.0 queries to the best (required 2)"]
    assert texts(required.queries_to_best("p", 1.9, "a"), given)[0].startswith("MISS")


def test_better_is_not_enough_without_significance():
    many, few = np.arange(10.0)[:, None], np.arange(3.0)[:, None]
    met = texts(required.beats("p", 1, "a", "b"), [row("a", many + 10), row("b", many)])
    assert met[0].startswith("ok   p, a (10 seeds): 14.5000 against 4.5000 of b (10) after 1, p = ")
    assert texts(required.beats("p", 1, "a", "b"), [row("a", few + 0.5), row("b", few)])[0].startswith("MISS")
    assert texts(required.beats("p", 1, "a", "b"), [row("a", many), row("b", many)])[0].startswith("MISS")
    assert texts(required.beats("p", 1, "a", "b"), [row("a", many)]) == []


def test_a_limit_may_cost_as_much_as_the_slack():
    rows = {("p", "a"): row("a", [[1.0], [2.0]]), ("free", "a"): row("a", [[1.1], [2.1]]), ("p", "b"): row("b", [[1.0]])}
    assert [line.met for line in required.close_to("p", "free", 1, 0.11, ["a"])(rows)] == [True]
    line = required.close_to("p", "free", 1, 0.09, ["a"])(rows)[0]
    assert not line.met
    assert "1.500 after 1, +0.100 [" in line.text
    assert required.close_to("p", "free", 1, 0.09, ["b"])(rows) == []


def test_duplicates_of_ours_are_missed_those_of_peers_are_not():
    rows = [row("a:x=1", [[1.0]], duplicates=0.01), row("theirs", [[1.0]], duplicates=0.5)]
    assert texts(required.no_duplicates(["a"]), rows) == ["MISS duplicates of 1 controllers of ours on 1 problems: a:x=1 on p"]
    assert texts(required.no_duplicates(["a"]), rows[1:]) == []


def test_time_is_that_of_the_trials_before():
    records = [Record("p", "a", 0, "", 200, [1.0] * 100 + [3.0] * 100, None, 0, 1.0, 2.0)]
    timed = dataclasses.replace(PROBLEM, scoring=Milliseconds(), marks=(100, 200))
    made = Row.of(timed, "a", 200, records)
    assert AROUND == 100
    assert made.samples(100) == 1
    assert made.samples(150) == 2
    assert made.samples(200) == 3
    assert texts(required.flat("p", 100, 200, "a"), [made])[0].startswith("MISS")
    assert texts(required.ms_at("p", 200, 3.0, {}, ["a"]), [made])[0].startswith("ok")
    assert texts(required.ms_at("p", 200, 9.0, {"a": 2.9}, ["a"]), [made])[0].startswith("MISS")


def test_a_search_of_an_exhausted_space_keeps_its_last_score():
    records = [
        Record("p", "a", seed, "", 4, scores, reached, 0, 1.0, 1.0)
        for seed, scores, reached in ((0, [1, 2], 2), (1, [1] * 4, 4))
    ]
    made = Row.of(PROBLEM, "a", 3, records)
    assert made.curves.tolist() == [[1, 2, 2], [1, 1, 1]]
    assert made.reached == [2, None]  # the second only after the budget


def test_records_are_read_back_and_the_later_counts(tmp_path):
    key = Key("p", "a", 0, "d", 3)
    run = Run([{}] * 3, [True, False, True], 1, [1.0, 2.0, 3.0])
    Records(tmp_path).add(Record.of(key, run, [1.0, 2.0, 93.123456789], 3))
    Records(tmp_path).add(Record.of(key, run, [1.0, 2.0, 94.0], 3))
    found = Records(tmp_path).find(key)
    assert found.scores == [1.0, 2.0, 94.0]
    assert (found.feasible, found.ms, found.duplicates) == (pytest.approx(2 / 3), 2.0, 1)
    assert Records(tmp_path).find(dataclasses.replace(key, budget=4)) is None
    assert Records(tmp_path).find(dataclasses.replace(key, digest="e")) is None


def test_an_interval_contains_the_mean():
    low, high = interval([1.0, 2.0, 3.0, 4.0])
    assert 1 <= low < 2.5 < high <= 4
    assert interval([2.0] * 5) == (2.0, 2.0)
