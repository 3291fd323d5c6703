import math

import pytest

from benchmarks import tuning, tuning_table


def test_the_test_functions_have_their_published_minima():
    for x, y in ((-math.pi, 12.275), (math.pi, 2.275), (9.42478, 2.475)):
        assert tuning.branin({"x": x, "y": y}) == pytest.approx(0.397887, abs=1e-5)
    assert tuning.hartmann3(dict(zip("abc", (0.114614, 0.555649, 0.852547), strict=True))) == pytest.approx(-3.86278, abs=1e-4)
    least = dict(zip("abcdef", (0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573), strict=True))
    assert tuning.hartmann6(least) == pytest.approx(-3.32237, abs=1e-4)
    assert tuning.bowl({"rate": 10**-3.3, "share": 0.6}) == pytest.approx(0)


def test_the_table_has_every_setting_once():
    lines = [{name: value for name, value in line.items() if name != "val_mse"} for line in tuning_table.read()]
    assert sorted(map(str, lines)) == sorted(map(str, tuning_table.settings()))
    assert len(lines) == 13 * 3 * (1 + 3)


def test_the_network_is_as_in_the_table_and_between_two_rates_in_between():
    loss = tuning.winner_loss()
    for line in tuning_table.read():
        found = loss(line)
        assert found is None if line["val_mse"] is None else found == pytest.approx(line["val_mse"])
    adam = {"optimizer": "adam", "batch_size": 8}
    ends = [loss({"learning_rate": rate, **adam}) for rate in tuning_table.RATES[2:4]]
    middle = math.sqrt(tuning_table.RATES[2] * tuning_table.RATES[3])
    assert loss({"learning_rate": middle, **adam}) == pytest.approx(sum(ends) / 2)


def test_bayesian_tuning_beats_random_on_the_network():
    found = tuning.compare(tuning.problems()["winner"], seeds=4, trials=20)
    assert found["bayesian"] < found["random"]
