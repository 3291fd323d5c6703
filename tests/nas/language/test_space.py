"""The space and its architectures."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyglove as pg
import pytest

import nas
from nas import layers as L
from nas import oneof
from nas.errors import DecisionError, SpaceError
from nas.language.tracing import trace_network


@nas.space(input=(16, 16, 1), baselines={"small": {"conv.filters": 4}})
def tiny(image):
    """Six networks."""
    x = L.Conv2D(oneof([4, 8]), oneof([1, 3, 5]), name="conv")(image)
    return L.Conv2D(1, 1, name="mask")(x)


def test_facts():
    assert tiny.size == 6
    assert tiny.inputs == {"image": (16, 16, 1)}
    assert tiny.output_shape == (16, 16, 1)
    assert tiny.description == "Six networks."
    assert repr(tiny) == "SearchSpace(tiny: 6 points, 2 decisions)"


def test_points_by_index_decisions_vector_and_dna():
    architecture = tiny.architecture(4)
    assert tiny.architecture({"conv.filters": 8, "conv.kernel_size": 3}) == architecture
    assert tiny.architecture(architecture.vector) == architecture
    assert tiny.architecture(architecture.to_dna()) == architecture
    assert tiny.architecture({"conv.filters": "1/2 (8)", "conv.kernel_size": "1/3 (3)"}) == architecture
    assert len({a.fingerprint for a in tiny}) == 6
    with pytest.raises(DecisionError, match="tiny: no architecture 6, expected an index from 0 to 5"):
        tiny.architecture(6)
    with pytest.raises(DecisionError):
        tiny.architecture({"conv.filters": 5, "conv.kernel_size": 3})


def test_architectures_are_frozen():
    with pytest.raises(ValueError):
        tiny.sample(seed=0).vector[0] = 1


def test_sampling_is_deterministic_by_seed():
    assert [a.index for a in tiny.sample(seed=3, n=20)] == [a.index for a in tiny.sample(seed=3, n=20)]


def test_the_value_is_what_pyglove_materializes():
    architecture = tiny.architecture(5)
    assert pg.eq(architecture.value(), pg.materialize(tiny.hyper, architecture.to_dna()))


def test_costs_by_hand():
    cost = tiny.architecture({"conv.filters": 8, "conv.kernel_size": 3}).cost()
    assert cost.params == (9 * 1 * 8 + 8) + (8 + 1)
    assert cost.macs == 256 * (9 * 8 + 8)


def test_baselines():
    assert tiny.baselines["small"].decisions == {"conv.filters": 4, "conv.kernel_size": 1}
    assert list(tiny.baselines) == ["small"]
    with pytest.raises(DecisionError, match="no baseline 'large', expected one of small"):
        tiny.baselines["large"]


def test_a_space_that_was_not_checked_has_a_digest():
    def net(x):
        return L.Add()(x, L.Conv2D(oneof([2, 4]), 1)(x))  # four channels do not fit

    block, _ = trace_network(net, {"x": (8, 8, 2)}, "net")
    assert len(nas.SearchSpace("net", block, inputs={"x": (8, 8, 2)}).digest) == 32


def test_a_baseline_that_is_no_point_is_named():
    @nas.space(input=(16, 16, 1), baselines={"big": {"conv.filters": 64}})
    def net(image):
        return L.Conv2D(oneof([4, 8]), 3, name="conv")(image)

    with pytest.raises(DecisionError, match=r"baselines\['big'\]\.conv\.filters: 64 is not an option, expected 4 or 8"):
        net.baselines["big"]


def test_a_space_travels_by_reference():
    code = f"import nas; s = nas.load_space({tiny.reference!r}); print(s.digest, s.architecture(3).fingerprint)"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parent
    ).stdout.split()
    assert out == [tiny.digest, tiny.architecture(3).fingerprint]
    local = nas.space(input=(4, 4, 1), name="local")(lambda x: L.Conv2D(oneof([1, 2]), 1)(x))
    with pytest.raises(SpaceError, match="no import leads to it"):
        pickle.dumps(local)


def test_references_that_lead_nowhere(tmp_path):
    for reference, message in [
        ("nowhere", "no space named 'nowhere'"),
        ("no.such.module", "no module 'no'"),
        ("search_spaces.colorizer:missing", "search_spaces.colorizer has no 'missing', expected one of colorizer"),
        (f"{tmp_path}/absent.py:space", "no such file"),
        ("search_spaces.colorizer:LEVELS", "as_space|not a PyGlove value|nothing to decide"),
    ]:
        with pytest.raises(SpaceError, match=message):
            nas.load_space(reference)


def test_a_plain_pyglove_value_is_a_space():
    space = nas.as_space(lambda: pg.Dict(op=pg.oneof(["a", pg.Dict(k=pg.oneof([1, 2, 3]))]), width=pg.manyof(2, [1, 2, 3])))
    assert space.size == pg.dna_spec(space.hyper).space_size == (1 + 3) * 6
    architecture = space.sample(seed=1)
    assert space.architecture(architecture.decisions) == architecture
    assert pg.eq(architecture.value(), pg.materialize(space.hyper, architecture.to_vertex()))
    with pytest.raises(SpaceError, match="its values have no graph"):
        architecture.cost()
    with pytest.raises(SpaceError, match="it does not say how to build a model"):
        architecture.build()


def test_a_build_function_makes_models_of_plain_values():
    space = nas.as_space(pg.Dict(width=pg.oneof([1, 2])), build=lambda value: ("model", value.width))
    assert [a.build() for a in space] == [("model", 1), ("model", 2)]


def test_an_operation_is_a_space_when_its_input_is_known():
    space = nas.as_space(nas.repeat(L.Conv2D(oneof([1, 2]), 1), 1, 2), input=(4, 4, 1))
    assert space.size == 6
    assert {a.cost().params for a in space} == {2, 4, 2 + 2, 2 + 4, 4 + 3, 4 + 6}


@pytest.mark.parametrize("value", [3, "x", pg.Dict(x=1)])
def test_what_is_not_a_space(value):
    with pytest.raises(SpaceError):
        nas.as_space(value)


def test_threads_share_a_space():
    from concurrent.futures import ThreadPoolExecutor

    points = np.random.default_rng(0).integers(0, 6, 200).tolist()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: tiny.architecture(i).value(), points))
    assert all(pg.eq(value, tiny.architecture(i).value()) for i, value in zip(points, found, strict=True))
