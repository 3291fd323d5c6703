"""Random small spaces in all of the language, for hypothesis: nested tuples, which shrink well, made into space functions.

Steps, images and volumes; one input or two; values that are plain, open, or follow a tied decision; rules between tied
decisions; operations nested in one another; merges that meet and merges that do not. Much of it does not build, on purpose.
`random_networks` has a smaller part of the language, for what folds over networks alone.
"""

from typing import Any, NamedTuple

from hypothesis import strategies as st

import nas
from nas import layers as L
from nas import oneof
from nas.errors import UserError
from nas.language.space import SearchSpace
from nas.language.tracing import Tensor, Trace, _as_current, _as_outputs

LAYERS = vars(L)
RULES = {
    "smaller": lambda a, b: a < b,
    "no more": lambda a, b: a <= b,
    "other": lambda a, b: a != b,
    "even": lambda a, b: (a + b) % 2 == 0,
    "first": lambda a, b: a == 1,
}
MAPS = {"same": lambda v: v, "double": lambda v: 2 * v, "at most 2": lambda v: min(v, 2), "other": lambda v: 5 - v}


class Described(NamedTuple):
    """A space in plain values.

    Attributes:
        shape: of the first input: grid and channels.
        second: how the second input's grid differs; None: there is none.
        tied: options of each tied decision, `t0`, `t1`, ...
        cell: an operation that is tied as a whole, `cell`.
        rules: (name of a rule, tied decision, tied decision).
        steps: of the network, each on tensors made before.
        outputs: how many of the last tensors it returns.
    """

    shape: tuple[int, ...]
    second: int | None
    tied: tuple[tuple[int, ...], ...]
    cell: Any
    rules: tuple[tuple[str, int, int], ...]
    steps: tuple[Any, ...]
    outputs: int


# -- strategies --------------------------------------------------------------------------------------------------------------


def some(*options: Any, most: int = 2) -> Any:
    """One to `most` of some options, as a tuple."""
    return st.lists(st.sampled_from(options), min_size=1, max_size=most, unique=True).map(tuple)


NUMBER = st.integers(0, 5)  # of a tied decision, or of a tensor counted back from the last
MODES = some("add", "concat", "none", "multiply", "maximum")
VALUE = st.tuples(st.just("one"), some(1, 2, 3, 4)) | st.tuples(st.just("tied"), NUMBER, st.sampled_from(sorted(MAPS)))
PADDING = st.sampled_from(["same", "same", "valid"])


def leaves() -> Any:
    conv = st.tuples(st.just("conv"), VALUE, some(1, 3), some(1, 2), PADDING)
    weighted = (
        st.tuples(st.just("depthwise"), some(1, 3), st.sampled_from([1, 2]))
        | st.tuples(st.just("grouped"), VALUE, some(1, 2, 3))
        | st.tuples(st.just("transpose"), VALUE, some(1, 2))
        | st.tuples(st.just("dense"), VALUE)
        | st.tuples(st.just("squeeze"), some(0.25, 0.5))
    )
    moving = (
        st.tuples(st.just("pool"), some(2, 3), st.sampled_from([None, 1, 2]), PADDING)
        | st.tuples(st.just("down"), some("max", "average", "strided"))
        | st.tuples(st.just("up"), some("nearest", "bilinear", "transpose", "subpixel"))
        | st.tuples(st.just("crop"), some(0, 1, 2))
        | st.tuples(st.just("zero"), st.sampled_from([1, 2]))
    )
    plain = st.sampled_from(["relu", "norm", "groups", "dropout", "none", "fold", "unfold", "global", "flatten"]).map(
        lambda k: (k,)
    )
    return conv | conv | weighted | moving | plain


def operations() -> Any:
    def larger(inner: Any) -> Any:
        pair = st.tuples(inner, inner)
        return (
            st.tuples(st.just("chain"), st.lists(inner, min_size=1, max_size=2).map(tuple))
            | st.tuples(st.just("choose"), st.lists(inner, min_size=1, max_size=3).map(tuple))
            | st.tuples(st.just("optional"), inner)
            | st.tuples(st.just("repeat"), inner, st.integers(0, 2), st.integers(1, 2), st.booleans())
            | st.tuples(st.just("times"), inner, NUMBER)
            | st.tuples(st.just("branches"), pair, MODES)
            | st.tuples(
                st.just("several"), st.lists(leaves(), min_size=2, max_size=3).map(tuple), MODES, st.booleans(), st.booleans()
            )
            | st.tuples(st.just("residual"), inner, MODES, st.booleans())
            | st.tuples(st.just("mapped"), NUMBER, st.lists(leaves().filter(closed), min_size=2, max_size=2).map(tuple))
            | st.just(("cell",))
        )

    return st.recursive(leaves(), larger, max_leaves=3)


def closed(leaf: Any) -> bool:
    """Whether a leaf decides nothing."""
    kind, *parts = leaf
    options = [part[1] if part[0] == "one" else part for part in parts if isinstance(part, tuple)]
    return kind not in ("dropout", "groups") and all(len(each) == 1 for each in options)


def spaces() -> Any:
    step = (
        st.tuples(st.just("apply"), operations(), NUMBER)
        | st.tuples(st.just("merge"), MODES, st.booleans(), NUMBER, NUMBER)
        | st.tuples(st.just("fork"), operations(), operations(), MODES, NUMBER, NUMBER)
        | st.tuples(
            st.just("connect"),
            st.integers(1, 2),
            leaves(),
            MODES,
            st.lists(NUMBER, min_size=2, max_size=3).map(tuple),
            st.booleans(),
        )
        | st.tuples(st.just("pick"), some(0, 1, 2), st.lists(NUMBER, min_size=2, max_size=3).map(tuple))
        | st.tuples(st.just("match"), some("crop", "pad", "both"), NUMBER, NUMBER)
    )
    shapes = st.sampled_from(
        [(4, 1), (5, 2), (4, 4, 1), (4, 4, 2), (5, 4, 2), (6, 6, 3), (3, 3, 4), (2, 4, 4, 1), (3, 2, 2, 2)]
    )
    rules = st.tuples(st.sampled_from(sorted(RULES)), NUMBER, NUMBER)
    return st.builds(
        Described,
        shapes,
        st.none() | st.none() | st.sampled_from([0, 0, 1]),
        st.lists(some(1, 2, 3, 4, most=3), max_size=3).map(tuple),
        st.none() | operations(),
        st.lists(rules, max_size=2).map(tuple),
        st.lists(step, min_size=1, max_size=4).map(tuple),
        st.sampled_from([1, 1, 1, 2]),
    )


# -- making ------------------------------------------------------------------------------------------------------------------


class Making:
    """What operations refer to while a space function runs."""

    def __init__(self, described: Described):
        self.axes = len(described.shape) - 1
        self.tied = [nas.tied(list(options), name=f"t{i}") for i, options in enumerate(described.tied)]
        self.cell: Any = None
        if described.cell is not None:
            self.cell = nas.tied(nas.chain(self.operation(described.cell)), name="cell")

    def layer(self, name: str) -> Any:
        return LAYERS[f"{name}{self.axes}D"]

    def handle(self, number: int) -> Any:
        return self.tied[number % len(self.tied)] if self.tied else None

    def value(self, value: Any) -> Any:
        if value[0] == "one":
            return opened(value[1])
        handle = self.handle(value[1])
        return 2 if handle is None else handle.map(MAPS[value[2]])

    def operation(self, described: Any) -> Any:
        match described:
            case ("conv", width, kernels, strides, padding):
                conv = self.layer("Conv")
                return conv(self.value(width), opened(kernels), strides=opened(strides), padding=padding)
            case ("depthwise", kernels, strides):
                return self.layer("DepthwiseConv")(opened(kernels), strides=strides) if self.axes < 3 else L.ReLU()
            case ("grouped", width, groups):
                return self.layer("Conv")(self.value(width), 1, groups=opened(groups))
            case ("transpose", width, strides):
                return LAYERS[f"Conv{self.axes}DTranspose"](self.value(width), 2, strides=opened(strides))
            case ("dense", width):
                return L.Dense(self.value(width))
            case ("squeeze", ratios):
                return L.SqueezeExcite(opened(ratios))
            case ("pool", sizes, strides, padding):
                return self.layer("MaxPooling")(opened(sizes), strides, padding)
            case ("down", modes):
                return L.Downsample(2, opened(modes))
            case ("up", modes):
                return L.Upsample(2, opened(modes))
            case ("crop", borders):
                return self.layer("Cropping")(opened(borders))
            case ("zero", strides):
                return L.Zero(strides)
            case ("relu",):
                return L.ReLU()
            case ("norm",):
                return L.BatchNormalization()
            case ("groups",):
                return L.GroupNormalization(oneof([1, 2]))
            case ("dropout",):
                return L.Dropout(oneof([0.0, 0.5]))
            case ("none",):
                return None
            case ("fold",):
                return L.SpaceToDepth(2)
            case ("unfold",):
                return L.DepthToSpace(2)
            case ("global",):
                return self.layer("GlobalAveragePooling")(keepdims=True)
            case ("flatten",):
                return L.Flatten()
            case ("chain", parts):
                return nas.chain(*map(self.operation, parts))
            case ("choose", options):
                return nas.choose(*map(self.operation, options))
            case ("optional", part):
                return nas.optional(self.operation(part))
            case ("repeat", part, low, high, tied):
                return nas.repeat(self.operation(part), low, max(low, high), tied=tied)
            case ("times", part, number):
                handle = self.handle(number)
                times = None if handle is None else handle.map(lambda v: v % 3)
                return nas.repeat(self.operation(part), times=times)
            case ("branches", parts, modes):
                return nas.branches(*map(self.operation, parts), merge=opened(modes))
            case ("several", parts, modes, distinct, ordered):
                ops = [self.operation(part) for part in parts]
                return nas.branches(nas.manyof(2, ops, distinct=distinct, sorted=ordered), merge=opened(modes))
            case ("residual", part, modes, project):
                return nas.block(lambda x: L.Merge(opened(modes), project)(nas.chain(self.operation(part))(x), x))
            case ("mapped", number, parts):
                handle = self.handle(number)
                made = [self.operation(part) for part in parts]
                return nas.chain(made[0]) if handle is None else handle.map(lambda v: made[v % 2])
            case ("cell",):
                return self.cell or L.ReLU()
        raise AssertionError(described)

    def step(self, described: Any, tensors: list[Any], name: str) -> Any:
        def at(number: int) -> Any:
            return tensors[-1 - number % len(tensors)]

        match described:
            case ("apply", op, source):
                return nas.chain(self.operation(op), name=name)(at(source))
            case ("merge", modes, project, main, skip):
                return L.Merge(opened(modes), project, name=name)(at(main), at(skip))
            case ("fork", first, second, modes, main, skip):

                def one(a: Any, b: Any) -> Any:
                    return L.Merge(opened(modes))(nas.chain(self.operation(first))(a), b)

                return nas.choose(one, lambda a, b: nas.chain(self.operation(second))(b), name=name)(at(main), at(skip))
            case ("connect", k, through, modes, sources, distinct):
                through = self.operation(through)
                connect = nas.connect(k, len(sources), through, merge=opened(modes), distinct=distinct, name=name)
                return connect(*map(at, sources))
            case ("pick", indices, sources):
                if len(indices) == 1:  # a plain index that is not there fails as it is written
                    indices = (indices[0] % len(sources),)
                return L.Pick(opened(indices), name=name)(*map(at, sources))
            case ("match", how, main, other):
                return L.MatchGrid(opened(how), name=name)(at(main), at(other))
        raise AssertionError(described)


def opened(options: tuple[Any, ...]) -> Any:
    """A choice; a plain value where there is one option."""
    return oneof(list(options)) if len(options) > 1 else options[0]


def inputs_of(described: Described) -> dict[str, tuple[int, ...]]:
    """Name -> shape."""
    found = {"a": described.shape}
    if described.second is not None:
        found["b"] = (described.shape[0] + described.second, *described.shape[1:])
    return found


def function_of(described: Described) -> Any:
    """The space function."""

    def network(*inputs: Any) -> Any:
        making = Making(described)
        tensors = list(inputs)
        if making.tied:  # each is read at least once, so that rules may name it
            tensors[0] = nas.chain(*(L.Dropout(tied.map(lambda v: v / 8)) for tied in making.tied), name="start")(tensors[0])
        for kind, i, j in described.rules:
            first, second = making.handle(i), making.handle(j)
            if first is not second:
                nas.require(RULES[kind], first, second)
        for number, step in enumerate(described.steps):
            tensors.append(making.step(step, tensors, f"s{number}"))
        return tensors[-described.outputs :] if described.outputs > 1 else tensors[-1]

    return (lambda a: network(a)) if described.second is None else (lambda a, b: network(a, b))


def unchecked(described: Described) -> SearchSpace | None:
    """The space, whether or not it builds: no shape is checked. None where its function is refused or decides nothing."""
    inputs = inputs_of(described)
    trace = Trace(dict.fromkeys(inputs))  # as inside a block: the shapes are not known
    function = function_of(described)
    try:
        with _as_current(trace):
            result = function(*(Tensor(name, trace) for name in inputs))
        block = trace.network(_as_outputs(result, function), "space")
        space = SearchSpace("space", block, inputs=inputs)
        return space if space.genome.width else None
    except UserError:
        return None
