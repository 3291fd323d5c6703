"""Latency models on made-up devices whose latency is known exactly, so that what is right can be worked out."""

import json

import numpy as np
import pytest

import nas
from evaluators.latency_model import LatencyModel, PredictedLatency, rules
from evaluators.latency_model.design import choose, most_telling
from evaluators.latency_model.features import Catalogue, without_numbers
from evaluators.latency_model.kernel import Kernel
from evaluators.latency_model.operations import facts_of
from evaluators.latency_model.process import PRIOR, _Posterior, covariance, own_variance
from evaluators.latency_model.table import table_error
from evaluators.latency_model.views import Frame
from evaluators.latency_model.written import graph_as_written
from nas import layers as L
from nas import oneof
from nas.errors import DataError
from nas.language.operation import KerasCall, OpCost
from search_spaces.nasbench201 import from_arch_string, nasbench201


@nas.space(input=(32, 32, 3))
def small(x):
    """A few hundred convolutional networks."""
    for i in range(3):
        x = nas.choose(
            L.Conv2D(oneof([8, 16, 32]), oneof([1, 3, 5])),
            L.MaxPooling2D(2),
            L.AveragePooling2D(3, strides=1),
            name=f"block{i}",
        )(x)
    return L.Conv2D(3, 1, name="out")(x)


def board_ms(architecture, dead: bool = False) -> float:
    """A device with rates of its own for convolutions, and a start that costs 20 us."""
    graph = graph_as_written(architecture) if dead else architecture.network
    rates = {"Conv2D": 2e-8, "MaxPooling2D": 3e-7, "AveragePooling2D": 1e-7}
    return sum(0.02 + rates.get(node.call.layer, 1e-8) * node.cost.flops for node in graph.nodes.values() if node.call)


@pytest.fixture(scope="module")
def networks():
    return list({a.vector.tobytes(): a for a in small.sample(0, n=120)}.values())


@pytest.fixture(scope="module")
def model(networks):
    return LatencyModel.fit(networks[:40], [board_ms(a) for a in networks[:40]], device="a board", runtime="made up")


def test_facts_of_an_operation():
    call = KerasCall("Conv2D", filters=8, kernel_size=3, padding="same")
    facts = facts_of(call, [(4, 4, 2)], (4, 4, 8), OpCost(macs=2304, flops=4736, params=152))
    assert facts.kind == "Conv2D(kernel_size=3, padding=same)"
    assert facts.layer == "Conv2D"
    assert (facts.read_bytes, facts.weight_bytes, facts.written_bytes) == (128, 608, 512)
    assert facts.traffic_bytes == 1248


def test_decisions_that_differ_in_numbers_are_alike():
    assert without_numbers("level2.enc2[0].filters") == without_numbers("level3.enc3[1].filters") == "level.enc.filters"


def test_dead_branches_are_counted_apart():
    # Edge 0->1 leads nowhere (node 1 is read by nobody): 15 cells hold a dead ReLU, convolution and normalization each.
    cell = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    catalogue = Catalogue()
    described = catalogue.describe(nasbench201.architecture(from_arch_string(cell)))
    dead = {catalogue.operations[number].layer: 0 for number, _ in described.dead}
    for number, count in described.dead:
        dead[catalogue.operations[number].layer] += int(count)
    assert dead["Conv2D"] == dead["BatchNormalization"] == dead["Activation(relu)"] == 15
    assert dead["Zeros"] == 60  # four "none" in each cell


def test_predicts_what_was_not_measured(model, networks):
    rest = networks[40:]
    truth = np.array([board_ms(a) for a in rest])
    found = model.predict(rest)
    assert np.median(np.abs(found.latency_ms / truth - 1)) < 0.03
    assert np.corrcoef(found.latency_ms, truth)[0, 1] > 0.99
    assert (found.low_ms <= found.latency_ms).all()
    assert (found.latency_ms <= found.high_ms).all()
    assert model.error.n == 40
    assert model.error.median < 0.05


def test_interval_covers_noisy_measurements(networks):
    rng = np.random.default_rng(3)
    noisy = np.array([board_ms(a) for a in networks]) * np.exp(0.05 * rng.standard_normal(len(networks)))
    model = LatencyModel.fit(networks[:60], noisy[:60])
    found = model.predict(networks[60:])
    within = (found.low_ms <= noisy[60:]) & (noisy[60:] <= found.high_ms)
    assert 0.75 <= within.mean() <= 1.0  # 90% expected; some 50 networks
    assert 0.02 < np.median(found.deviation_ms / found.latency_ms) < 0.12  # 5% of noise, and what is not known


def test_one_wrong_measurement_does_no_harm(networks):
    truth = np.array([board_ms(a) for a in networks])
    wrong = truth[:40].copy()
    wrong[7] *= 20
    found = LatencyModel.fit(networks[:40], wrong).predict(networks[40:])
    assert np.median(np.abs(found.latency_ms / truth[40:] - 1)) < 0.1


@pytest.mark.parametrize("dead", [False, True])
def test_learns_whether_dead_operations_are_executed(dead):
    cells = nasbench201.sample(5, n=36)
    model = LatencyModel.fit(cells[:24], [board_ms(a, dead) for a in cells[:24]])
    assert model.to_json()["prior"]["executed"] == float(dead)
    truth = np.array([board_ms(a, dead) for a in cells[24:]])
    assert np.median(np.abs(model.predict(cells[24:]).latency_ms / truth - 1)) < 0.1


def test_networks_that_are_all_dead():
    """Nothing but "none" leads to the output of these cells: what they have beside it is all that tells them apart."""
    cells = [f"|{op}~0|+|none~0|{op}~1|+|none~0|none~1|none~2|" for op in ("nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")]
    networks = [nasbench201.architecture(from_arch_string(cell)) for cell in [*cells, *cells]]
    model = LatencyModel.fit(networks, [board_ms(a, dead=True) for a in networks])
    np.testing.assert_allclose(model.predict(networks).latency_ms, model.values_ms, rtol=0.1)


def test_slope_of_the_posterior(networks):
    catalogue = Catalogue()
    described = catalogue.describe_all(networks[:12])
    views = Frame(catalogue, described).views(described)
    targets = np.array([board_ms(a) for a in networks[:12]])
    posterior = _Posterior(Kernel(catalogue.operations, views.executed(1.0)), views, targets / targets.mean(), np.ones(12), 0.0)
    logs = np.log(PRIOR.values) + 0.3 * np.random.default_rng(0).standard_normal(len(PRIOR.values))
    _, slope = posterior.at(logs)
    for i, step in enumerate(1e-5 * np.eye(len(logs))):
        assert slope[i] == pytest.approx(
            (posterior.at(logs + step)[0] - posterior.at(logs - step)[0]) / 2e-5, rel=1e-4, abs=1e-6
        )


def test_own_variance_is_the_diagonal(networks):
    catalogue = Catalogue()
    described = catalogue.describe_all(networks[:10])
    views = Frame(catalogue, described[:6]).views(described)
    kernel = Kernel(catalogue.operations, views.executed(1.0))
    whole = np.diag(covariance(kernel, PRIOR, views, views))
    seen = views.options_unknown + views.decisions_unknown == 0
    assert 6 <= seen.sum() < 10
    own = own_variance(kernel, PRIOR, views)
    np.testing.assert_allclose(own[seen], whole[seen])
    assert (own[~seen] > whole[~seen]).all()  # an option that was never measured: less is known


def test_file_gives_the_same_model(model, networks, tmp_path):
    model.save(tmp_path / "device.json")
    again = LatencyModel.load(tmp_path / "device.json", small)
    np.testing.assert_allclose(again.predict(networks[40:50]).latency_ms, model.predict(networks[40:50]).latency_ms, rtol=1e-9)
    assert again.device == "a board"
    assert again.error.median == pytest.approx(model.error.median)
    assert [path.name for path in tmp_path.iterdir()] == ["device.json"]


def test_what_is_no_model_of_the_space_is_refused(model, tmp_path):
    with pytest.raises(DataError, match="no such file"):
        LatencyModel.load(tmp_path / "none.json", small)
    with pytest.raises(DataError, match="not a latency model"):
        LatencyModel.from_json({"format": "else"}, small)
    with pytest.raises(DataError, match="measured on 'small'"):
        LatencyModel.from_json(json.loads(json.dumps(model.to_json())), nasbench201)
    with pytest.raises(DataError, match="damaged: KeyError"):
        LatencyModel.from_json({"format": "espalier-latency-1"}, small)


@pytest.mark.parametrize(
    ("latencies", "message"),
    [([1.0] * 4, "5 architectures"), ([1, 2, 3, 4, 0], "0.0 is no latency"), ([1, 2, 3, 4, float("nan")], "nan is no latency")],
)
def test_what_is_no_measurement_is_refused(networks, latencies, message):
    with pytest.raises(DataError, match=message):
        LatencyModel.fit(networks[:5], latencies)


def test_table_counts_a_budget(model, networks):
    assert table_error(model).median < 0.05
    limit = float(np.median(model.values_ms))
    within = small.within(latency_ms=limit, rules=rules(model, small))
    drawn = within.sample(0, n=20)
    assert (model.additive_ms(drawn) <= limit + 1e-6).all()
    assert 0 < within.size_bracket.high < small.size


def test_gate_says_how_sure_it_is(model, networks):
    gate = PredictedLatency(model, "predicted_ms")
    found = gate.evaluate(networks[50])["predicted_ms"]
    assert (found.unit, found.device) == ("ms", "a board")
    assert found.runtime == "predicted from 40 networks, made up"
    assert found.spread is not None
    assert 0 < found.spread < found.value
    with pytest.raises(DataError, match="measured on 'small'"):
        gate.evaluate(nasbench201.sample(0))
    assert gate.describe() == PredictedLatency(model, "predicted_ms").describe()


def test_design_measures_what_says_most():
    # Three of a kind and one by itself, twice as uncertain: that one first, then one of the three for all of them.
    covariance_ = np.array([[1.0, 0.9, 0.9, 0], [0.9, 1, 0.9, 0], [0.9, 0.9, 1, 0], [0, 0, 0, 4]])
    assert most_telling(covariance_, 2, noise=0.01)[0] == 3
    assert sorted(most_telling(covariance_, 4, noise=0.01)) == [0, 1, 2, 3]


def test_designs_begin_alike(networks):
    catalogue = Catalogue()
    described = catalogue.describe_all(networks)
    assert choose(catalogue, described, 20)[:8] == choose(catalogue, described, 8)
