"""Random small network spaces for hypothesis: nested tuples, which shrink well, built into spaces.

A network is a list of steps, each on tensors made before. Choices, optional parts, repetitions (tied and not), blocks with
inputs of their own, merges that need their skip or do not, floats and manyofs are all in it; so is what does not build.
"""

from hypothesis import strategies as st

import nas
from nas import layers as L
from nas import oneof
from nas.errors import UserError
from nas.language.blocks import Chain
from nas.language.space import SearchSpace
from nas.language.tracing import trace_network

WIDTHS = st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=2, unique=True)
MODES = st.lists(st.sampled_from(["add", "concat", "none", "multiply"]), min_size=1, max_size=2, unique=True)
EDGE = st.integers(0, 9)  # which tensor, counted back from the last one


def layers():
    """One layer with decisions of its own."""
    conv = st.tuples(st.just("conv"), WIDTHS, st.lists(st.sampled_from([1, 3]), min_size=1, max_size=2, unique=True))
    plain = st.sampled_from([("relu",), ("pool",), ("norm",), ("dropout",), ("none",)])
    return conv | plain


def operations():
    """Layers, chains, choices, repetitions, nested."""

    def larger(inner):
        several = st.lists(inner, min_size=1, max_size=2)
        return (
            st.tuples(st.just("chain"), several)
            | st.tuples(st.just("choose"), st.lists(inner, min_size=2, max_size=2))
            | st.tuples(st.just("repeat"), inner, st.integers(0, 1), st.integers(1, 2), st.booleans())
            | st.tuples(st.just("many"), st.lists(layers(), min_size=2, max_size=3), st.booleans(), st.booleans())
            | st.tuples(st.just("residual"), inner, MODES, st.booleans())
        )

    return st.recursive(layers(), larger, max_leaves=3)


def networks():
    """Steps of a whole network."""
    step = st.tuples(st.just("apply"), operations(), EDGE)
    merge = st.tuples(st.just("merge"), MODES, st.booleans(), EDGE, EDGE)
    fork = st.tuples(st.just("fork"), operations(), operations(), MODES, EDGE, EDGE)
    return st.lists(step | merge | fork, min_size=1, max_size=5)


def operation(description):
    """The operation, or choice, of a description."""
    match description:
        case ("conv", widths, kernels):
            return L.Conv2D(oneof(widths) if len(widths) > 1 else widths[0], oneof(kernels) if len(kernels) > 1 else kernels[0])
        case ("relu",):
            return L.ReLU()
        case ("pool",):
            return L.MaxPooling2D(2)
        case ("norm",):
            return L.BatchNormalization()
        case ("dropout",):
            return L.Dropout(nas.oneof([0.0, 0.5]))
        case ("none",):
            return None
        case ("chain", parts):
            return nas.chain(*(operation(part) for part in parts))
        case ("choose", options):
            return nas.choose(*(operation(option) for option in options))
        case ("repeat", part, low, high, tied):
            return nas.repeat(operation(part), low, max(low, high), tied=tied)
        case ("many", parts, distinct, ordered):
            return Chain(ops=nas.manyof(2, [operation(part) for part in parts], distinct=distinct, sorted=ordered))
        case ("residual", part, modes, project):
            return nas.block(lambda x: merge(modes, project)(nas.chain(operation(part))(x), x))
    raise AssertionError(description)


def merge(modes, project):
    return L.Merge(oneof(modes) if len(modes) > 1 else modes[0], project=project)


def build(steps, shape=(4, 4, 2)):
    """The space of a description, whether or not all of it builds; None where tracing refuses it or it decides nothing."""

    def network(x):
        tensors = [x]
        for number, (kind, *rest) in enumerate(steps):
            if kind == "apply":
                op, source = rest
                made = nas.chain(operation(op), name=f"s{number}")(tensors[-1 - source % len(tensors)])
            elif kind == "merge":
                modes, project, main, skip = rest
                main, skip = tensors[-1 - main % len(tensors)], tensors[-1 - skip % len(tensors)]
                made = merge(modes, project)(main, skip)
            else:
                first, second, modes, main, skip = rest
                main, skip = tensors[-1 - main % len(tensors)], tensors[-1 - skip % len(tensors)]

                def one(a, b, first=first, modes=modes):
                    return merge(modes, False)(nas.chain(operation(first))(a), b)

                def other(a, b, second=second):
                    return nas.chain(operation(second))(b)

                made = nas.choose(one, other, name=f"s{number}")(main, skip)
            tensors.append(made)
        return tensors[-1]

    try:
        block, _ = trace_network(network, {"x": shape}, "network")
        space = SearchSpace("network", block, inputs={"x": shape})
        return space if space.genome.width else None
    except UserError:
        return None


def priced(space):
    """Decisions -> (flops, params) of every architecture that builds, by lowering each of them."""
    found = {}
    for architecture in space:
        try:
            cost = architecture.cost()
        except UserError:
            continue
        found[tuple(architecture.vector.tolist())] = cost.flops, cost.params
    return found
