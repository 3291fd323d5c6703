"""Proofs that all of a space builds, and smallest counterexamples."""

import pytest
from hypothesis import HealthCheck, assume, given, settings
from random_networks import build, networks, priced

import nas
from nas import layers as L
from nas import oneof
from nas.errors import ShapeError
from nas.language.automaton import elimination
from nas.language.proof import prove
from nas.language.space import SearchSpace
from nas.language.tracing import trace_network


def define(function, shape=(8, 8, 1)):
    """A space that need not build."""
    block, trace = trace_network(function, {"x": shape}, "network")
    return SearchSpace("network", block, inputs={"x": shape}), trace.doubts


def flat(decisions):
    """Decisions with the elements of a manyof one by one."""
    found = dict(decisions)
    for name, value in decisions.items():
        found |= {f"{name}[{i}]": each for i, each in enumerate(value)} if isinstance(value, list) else {}
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks())
def test_proofs_and_witnesses_agree_with_brute_force(description):
    space = build(description)
    assume(space is not None and space.size <= 200)
    builds = priced(space)
    proof = prove(space)
    assert (proof.points, proof.building) == (space.size, len(builds))
    assert proof.status == ("proved" if len(builds) == space.size else "refuted")
    if proof.status == "refuted":
        points = [(flat(a.decisions), tuple(a.vector.tolist()) in builds) for a in space]

        def outcomes(witness):
            return {ok for decisions, ok in points if witness.items() <= decisions.items()}

        assert outcomes(proof.witness) == {False}
        for name in proof.witness:  # none can be left out
            assert True in outcomes({k: v for k, v in proof.witness.items() if k != name})
        assert proof.error.path


# What shapes.py, which forgets that choices belong together, can only doubt: each of these is proved.


def one_choice_read_twice(x):
    both = nas.choose(L.Conv2D(4, 3), L.Conv2D(8, 3), name="width")(x)
    return L.Add(name="sum")(both, L.ReLU()(both))


def a_skip_of_the_same_choice(x):
    skip = L.Conv2D(oneof([4, 8]), 3, name="enc")(x)
    y = L.Upsample(2)(L.DepthwiseConv2D(3, strides=2)(skip))
    return L.Add(name="skip")(y, skip)


def a_repetition_that_comes_back(x):
    def residual(y):
        return L.Add(name="sum")(L.DepthwiseConv2D(oneof([3, 5]), name="mix")(y), y)

    x = L.Conv2D(oneof([4, 6]), 1, name="stem")(x)
    return nas.repeat(residual, 1, 3, name="body")(x)


def tied_repetitions(x):
    y = nas.repeat(L.Conv2D(oneof([2, 4]), 3), 2, 2, tied=True, name="body")(x)
    return L.Multiply(name="gate")(y, L.Activation("sigmoid")(y))


def both_inputs_of_a_block(x):
    def same(a, b):
        return L.Add(name="sum")(a, b)

    y = L.Conv2D(oneof([4, 8]), 3, strides=oneof([1, 2]), name="conv")(x)
    return nas.choose(same, lambda a, b: L.ReLU()(a), name="join")(y, L.ReLU()(y))


@pytest.mark.parametrize(
    "function",
    [one_choice_read_twice, a_skip_of_the_same_choice, a_repetition_that_comes_back, tied_repetitions, both_inputs_of_a_block],
)
def test_correlated_choices_are_proved(function):
    space, doubts = define(function)
    assert doubts
    proof = prove(space)
    assert proof.status == "proved"
    assert str(proof) == f"all {space.size} architectures build"


def test_a_witness_has_only_the_decisions_that_matter():
    def net(x):  # the third repetition decides the width, where there is one
        y = L.Conv2D(oneof([4, 8]), oneof([3, 5]), name="enc")(x)
        z = nas.repeat(L.Conv2D(oneof([4, 8]), 3), 1, 3, name="dec")(x)
        return L.Merge(oneof(["add", "concat"]), name="skip")(L.ReLU()(z), y)

    space, _ = define(net)
    proof = prove(space)
    assert proof.status == "refuted"
    assert proof.witness == {"enc.filters": 4, "dec[2].filters": 8, "skip.mode": "add"}
    assert proof.error.path == "skip"
    assert str(proof) == (
        "28 of 112 architectures do not build: skip: enc is (8, 8, 4) and does not meet relu, (8, 8, 8), expected (8, 8, 8). "
        'Set project=True, or use mode="concat".'
    )


def test_a_single_decision_that_never_works_is_the_whole_witness():
    def net(x):
        y = L.Conv2D(oneof([1, 4]), oneof([3, 5]), name="conv")(x)
        return L.Add(name="skip")(y, x)

    proof = prove(define(net)[0])
    assert proof.witness == {"conv.filters": 4}
    assert (proof.points, proof.building) == (4, 2)


def test_sizes_that_do_not_divide_are_found():
    def net(x):
        y = L.Conv2D(4, 3, strides=oneof([1, 2]), name="down")(x)
        return L.Merge("concat", name="skip")(L.Upsample(oneof([1, 2]), name="up")(y), x)

    proof = prove(define(net, (9, 9, 1))[0])
    assert proof.building == 1  # 9 -> 5 -> 10 does not come back
    assert proof.status == "refuted"
    assert proof.error.path == "skip"


def test_what_cannot_be_decided_is_sampled_with_its_bound(monkeypatch):
    monkeypatch.setattr(elimination, "ROWS", 1)
    proof = prove(define(one_choice_read_twice)[0])
    assert (proof.status, proof.building, proof.sampled) == ("undecided", None, 1000)
    assert proof.bound == pytest.approx(0.003, abs=1e-4)  # the rule of three
    assert "1,000 random architectures build, so at most 0.30% fail" in str(proof)


def test_a_sample_can_refute_what_cannot_be_decided(monkeypatch):
    monkeypatch.setattr(elimination, "ROWS", 1)
    space, _ = define(
        lambda x: L.Add(name="sum")(L.Conv2D(oneof([2, 4]), 1, name="a")(x), L.Conv2D(oneof([2, 4]), 1, name="b")(x))
    )
    proof = prove(space)
    assert proof.status == "refuted"
    assert proof.witness.keys() == {"a.filters", "b.filters"}
    assert proof.error.path == "sum"


def test_the_definition_names_path_rule_and_smallest_witness():
    def net(x):
        y = L.Conv2D(oneof([4, 8]), oneof([3, 5]), name="enc")(x)
        z = nas.repeat(L.Conv2D(oneof([4, 8]), 3), 1, 3, name="dec")(x)
        return L.Merge(oneof(["add", "concat"]), name="skip")(L.ReLU()(z), y)

    with pytest.raises(ShapeError) as caught:
        nas.space(input=(8, 8, 1))(net)
    assert str(caught.value) == (
        'skip: enc is (8, 8, 4) and does not meet relu, (8, 8, 8), expected (8, 8, 8). Set project=True, or use mode="concat". '
        'It happens with {"enc.filters": 4, "dec[2].filters": 8, "skip.mode": "add"}.'
    )
    assert caught.value.received == {"enc.filters": 4, "dec[2].filters": 8, "skip.mode": "add"}


def test_a_rare_failure_is_found():
    def net(x):  # 1 of 4^10 architectures does not come back to 4 channels
        y, z = x, x
        for i in range(10):
            y = nas.choose(None, L.ReLU(), L.Activation("tanh"), L.DepthwiseConv2D(3), name=f"op{i}")(y)
        for i in range(10):
            z = nas.choose(L.DepthwiseConv2D(3), L.ReLU(), None, L.Conv2D(oneof([1, 2, 3]), 1), name=f"way{i}")(z)
        return L.Add(name="sum")(y, L.Conv2D(oneof([2] * 999 + [3]), 1, name="back")(z))

    with pytest.raises(ShapeError) as caught:
        nas.space(input=(4, 4, 2))(net)
    assert caught.value.received == {"back.filters": 3}


def test_the_proof_is_kept_and_needs_no_automaton_where_nothing_was_in_doubt(monkeypatch):
    monkeypatch.setattr(elimination, "ROWS", 0)
    space = nas.space(input=(8, 8, 1))(lambda x: L.Conv2D(oneof([1, 2]), 3)(x))
    assert (space.proof.status, space.proof.building, space.proof.states) == ("proved", 2, 0)
    assert space.proof is space.proof


def test_undecided_spaces_stay_in_doubt_and_say_so(monkeypatch):
    monkeypatch.setattr(elimination, "ROWS", 1)
    space = nas.space(input=(8, 8, 1))(one_choice_read_twice)
    assert space.doubts
    assert space.proof.status == "undecided"


def test_colorizer_is_proved():
    from search_spaces.colorizer import colorizer

    proof = prove(colorizer)
    assert proof.status == "proved"
    assert proof.building == colorizer.size > 10**35
