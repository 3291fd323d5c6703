"""The benchmark of the study's loop runs."""

from benchmarks import study


def test_a_short_study(tmp_path):
    found = study.measure(60, tmp_path / "study")
    assert 0 < found["in_memory_ms"] < 200
    assert 0 < found["durable_ms"] < 200
