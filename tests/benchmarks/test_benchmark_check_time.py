"""The benchmark of `nas check` runs, and says what it found."""

from benchmarks import check_time


def test_a_line_for_each_space(capsys):
    assert check_time.main(["nasbench_macro"]) in (0, 1)  # how long it takes is the benchmark's matter
    line = capsys.readouterr().out.split()
    assert line[1] == "nasbench_macro"
    assert 0.1 < float(line[2]) < 60
