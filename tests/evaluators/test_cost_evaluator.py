import pytest
from evaluator_fakes import SMALLEST, tiny

import nas
from evaluators import Cost
from nas import layers as L
from nas.errors import SpaceError


def test_cost_by_hand():
    found = Cost().evaluate(SMALLEST)
    positions = 32 * 32
    macs = positions * 9 * 1 * 4 + positions * 9 * 4 * 3
    assert found["macs"].value == macs == 147_456
    assert found["params"].value == 9 * 4 + 4 + 9 * 4 * 3 + 3 == 151
    assert found["flops"].value == 2 * macs + positions * (4 + 4 + 3)  # biases, relu, biases
    assert found["peak_activation_bytes"].value == 4 * positions * 7  # the largest two neighbours: 4 channels and 3


def test_cost_says_units_and_names_no_device():
    found = Cost().evaluate(SMALLEST)
    assert {metric: m.unit for metric, m in found.items()} == {
        "flops": "FLOPs",
        "macs": "MACs",
        "params": "parameters",
        "peak_activation_bytes": "bytes",
    }
    assert {(m.device, m.runtime, m.spread) for m in found.values()} == {("", "", None)}


def test_an_operation_without_cost_rule_is_refused_not_counted_as_zero():
    class Mystery(nas.Operation):
        def output_shape(self, x):
            return x

        def keras(self, inputs, output):
            return nas.KerasCall("Identity")

    def mysterious(x):
        return L.Conv2D(1, 1)(Mystery()(x))

    with pytest.raises(SpaceError, match="no cost rule"):
        Cost().evaluate(nas.space(input=(8, 8, 1))(mysterious).sample(seed=0))


def test_cost_follows_the_choice():
    narrow, wide = (Cost().evaluate(tiny.architecture(i))["params"].value for i in range(2))
    assert wide > narrow
