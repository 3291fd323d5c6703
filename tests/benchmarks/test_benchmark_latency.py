"""Latency prediction on a few of HELP's devices and cells; `python -m benchmarks.latency` has all that is required."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import latency
from evaluators.latency_model.features import Catalogue

BENCH = Path(__file__).resolve().parents[2] / "../shared/bench"
needs_tables = pytest.mark.skipif(
    not (BENCH / latency.LATENCIES).is_file(), reason="the published tables are not here (see docs/benchmarks.md)"
)


@needs_tables
def test_ten_cells_of_a_new_device():
    table = latency.load(BENCH)
    devices = ["titanx_256", "silver_4114", "pixel3"]
    order = np.random.default_rng(0).permutation(len(table.cells))
    scores = latency.measure(table, devices, order[:10], order[10:210], Catalogue())
    assert np.mean([score.spearman for score in scores]) > 0.88
    for score in scores:
        assert score.spearman > score.flops - 0.05  # 200 cells, one seed: the benchmark's .02 is a mean


def test_missing_tables_are_said(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        latency.main(["--bench", str(tmp_path)])
    assert ended.value.code == 2
    assert "no such file" in capsys.readouterr().err


def test_ridge_is_the_textbook_one():
    # One column, centred -1, 1: slope (X'y) / (X'X + 1) = 2 / 3 around the mean of 3.
    found = latency._ridge(np.array([[0.0], [2.0]]), np.array([2.0, 4.0]), np.array([[1.0], [2.0]]))
    np.testing.assert_allclose(found, [3.0, 3.0 + 2 / 3])
