"""The benchmarks of proxies: their statistics on known numbers, and that they run on the published table."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import proxy_design, zero_cost

FOLDER = Path(__file__).resolve().parents[2] / "../shared/bench"
needs_table = pytest.mark.skipif(not (FOLDER / zero_cost.NB201).exists(), reason="NAS-Bench-201's table is not here")


def test_correlations_by_hand_with_scores_that_are_not_defined():
    truth = np.arange(20.0)
    scores = truth.copy()
    scores[0] = -np.inf  # undefined ranks last, which is right here
    found = zero_cost.correlate(scores, truth)
    assert (found["spearman"], found["kendall"]) == pytest.approx((1, 1))
    scores[19] = -np.inf  # here it is not: 18 of 190 pairs turn round, one is tied
    assert zero_cost.correlate(scores, truth)["kendall"] == pytest.approx((190 - 1 - 2 * 18) / np.sqrt(190 * 189))


def test_an_interval_holds_its_figure_and_follows_the_seed():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(40)
    y = x + rng.standard_normal(40)
    one, again = zero_cost.correlate(x, y, seed=1), zero_cost.correlate(x, y, seed=1)
    assert one == again
    assert one["spearman_low"] < one["spearman"] < one["spearman_high"]


@needs_table
def test_designs_on_the_table_accept_chance_rarely_and_their_bounds_hold():
    found = proxy_design.run(FOLDER, designs=60)
    assert found["random"] <= 0.12  # 5% is allowed; of 60 designs, more than 7 have a probability of 1%
    assert found["columns"]["mflops_c10"]["tau"] == pytest.approx(0.541, abs=0.001)
    assert all(row["missed"] <= 0.15 and row["low"] < row["tau"] for row in found["columns"].values())


@needs_table
@pytest.mark.slow
def test_cells_are_scored_once(tmp_path):
    first = zero_cost.run(FOLDER, cells=4, batch_size=4, out=tmp_path / "scores.jsonl")
    lines = (tmp_path / "scores.jsonl").read_text()
    assert len(lines.splitlines()) == 4
    assert zero_cost.run(FOLDER, cells=4, batch_size=4, out=tmp_path / "scores.jsonl") == first
    assert (tmp_path / "scores.jsonl").read_text() == lines
    assert set(first["rows"]) == set(zero_cost.PUBLISHED)
