"""Calibration with an evaluator that is a formula: what is measured, kept, continued and refused."""

import json

import pytest

import nas
from evaluators.latency_model.calibration import Journal, calibrate, check, plan
from nas import layers as L
from nas import oneof
from nas.errors import DataError, Infeasible, UserError
from nas.study.interfaces import Evaluator, Fidelity
from nas.study.trial import Measurement


@nas.space(input=(16, 16, 3))
def tiny(x):
    """Ninety-nine networks."""
    for i in range(2):
        x = nas.choose(L.Conv2D(oneof([4, 8, 12]), oneof([1, 3, 5])), L.MaxPooling2D(3, strides=1), name=f"block{i}")(x)
    return L.Conv2D(3, 1, name="out")(x)


class Board(Evaluator):
    """Milliseconds by formula; it can be interrupted, and refuse networks that have a pooling."""

    name, metrics = "board", ("latency_ms",)

    def __init__(self, stops_after: int | None = None, refuses: bool = False):
        self.timed: list[bytes] = []
        self._stops_after, self._refuses = stops_after, refuses

    def evaluate(self, architecture, fidelity: Fidelity = Fidelity(), *, seed: int = 0):
        if len(self.timed) == self._stops_after:
            raise KeyboardInterrupt
        if self._refuses and "MaxPooling2D" in {node.call.layer for node in architecture.network.nodes.values() if node.call}:
            raise Infeasible("no pooling on this board")
        self.timed.append(architecture.vector.tobytes())
        return {"latency_ms": Measurement(0.1 + architecture.cost().flops / 1e6, "ms", "board", "formula")}


def test_interrupted_calibration_goes_on(tmp_path):
    path = tmp_path / "device.jsonl"
    first, second = Board(stops_after=6), Board()
    with pytest.raises(KeyboardInterrupt):
        calibrate(tiny, first, Journal(path, tiny, first), 12)
    with path.open("a") as file:
        file.write('{"decisions": {"blo')  # what a crash leaves of a line
    steps = []
    model = calibrate(tiny, second, Journal(path, tiny, second), 12, progress=lambda done, of: steps.append((done, of)))
    assert len(first.timed) == 6
    assert len(second.timed) == 6
    assert not set(first.timed) & set(second.timed)
    assert steps[-1] == (12, 12)
    assert model.error.n == 12
    assert model.device == "board"
    whole = calibrate(tiny, Board(), Journal(tmp_path / "other.jsonl", tiny, Board()), 12)
    assert whole.to_json()["measured"] == model.to_json()["measured"]


def test_fresh_networks_judge_it(tmp_path):
    board = Board()
    journal = Journal(tmp_path / "device.jsonl", tiny, board)
    model = calibrate(tiny, board, journal, 15)
    error = check(model, tiny, board, journal, 10)
    assert error.n == 10
    assert error.median < 0.1
    assert error.spearman > 0.95
    assert len(board.timed) == len(set(board.timed)) >= 25  # none was measured twice, none of the fresh ones learned from


def test_refused_networks_are_kept_and_left_out(tmp_path):
    board = Board(refuses=True)
    journal = Journal(tmp_path / "device.jsonl", tiny, board)
    model = calibrate(tiny, board, journal, 8)
    assert model.error.n == 8
    assert set(journal.refused.values()) == {"no pooling on this board"}
    again = Journal(tmp_path / "device.jsonl", tiny, board)
    assert again.refused == journal.refused
    assert again.measured == journal.measured


def test_journal_of_another_setting_is_refused(tmp_path):
    board = Board()
    Journal(tmp_path / "device.jsonl", tiny, board)
    board.describe = lambda: {"name": "another"}
    with pytest.raises(DataError, match="another space, device or setting"):
        Journal(tmp_path / "device.jsonl", tiny, board)
    (tmp_path / "text.jsonl").write_text("not json\n")
    with pytest.raises(DataError, match="not a journal"):
        Journal(tmp_path / "text.jsonl", tiny, board)


def test_nothing_measured_is_said(tmp_path):
    class Refusing(Board):
        def evaluate(self, architecture, fidelity: Fidelity = Fidelity(), *, seed: int = 0):
            raise Infeasible("no LiteRT here")

    with pytest.raises(UserError, match="only 0 architectures could be measured.*no LiteRT here"):
        calibrate(tiny, Refusing(), Journal(tmp_path / "device.jsonl", tiny, Refusing()), 5)


def test_plan_names_each_once():
    planned = list(plan(tiny, 20, pool=60))
    assert len({architecture.vector.tobytes() for architecture in planned}) == len(planned) >= 30


def test_lines_are_plain_json(tmp_path):
    board = Board()
    calibrate(tiny, board, Journal(tmp_path / "device.jsonl", tiny, board), 5)
    head, *lines = [json.loads(line) for line in (tmp_path / "device.jsonl").read_text().splitlines()]
    assert head["space"] == "tiny"
    assert len(lines) == 5
    assert lines[0]["latency_ms"]["unit"] == "ms"
