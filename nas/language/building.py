"""Operations made of operations: `chain`, `choose`, `optional`, `repeat`, `block`, `branches`, `connect`.

And what ties decisions to each other: `tied`, `require`. Wherever an operation is expected, a list of operations (a chain), a
function of tensors (a block) or None (the identity) will do.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pyglove as pg

from nas.errors import SpaceError
from nas.language.blocks import Block, Branches, Chain, Repeated, Rule, TiedRepeat
from nas.language.choices import ManyOf, OneOf, manyof
from nas.language.layers import Merge, Pick
from nas.language.operation import Operation
from nas.language.tracing import current_trace, trace_block
from nas.language.tying import Again, Body, Same, combinations, tied_values
from nas.language.wording import counted, shown

COMBINATIONS = 100_000  # of the options that one rule is about


def as_operation(value: Any, path: str = "operation") -> Any:
    """An operation, a choice, None, a list or a function, as something that fills an operation's place.

    Raises:
        SpaceError: for anything else; `path` says where it stands.
    """
    if value is None or isinstance(value, Operation | Same | pg.hyper.OneOf):
        return value
    if isinstance(value, Sequence) and not isinstance(value, str):
        return chain(*value)
    if callable(value) and not isinstance(value, type | ManyOf):
        return block(value)
    raise SpaceError(
        f"{'a choice of several' if isinstance(value, ManyOf) else shown(value)} is not an operation",
        path=path,
        received=value,
        expected="a layer, a list of layers, a function of tensors, or None",
        hint=_instead_of(value),
    )


def _as_operations(values: Sequence[Any], path: str) -> list[Any]:
    return [as_operation(value, f"{path}[{i}]") for i, value in enumerate(values)]


def _instead_of(value: Any) -> str:
    """What to write where something else than an operation arrived."""
    if isinstance(value, type):
        return f"Make one: {value.__name__}(...)"
    if isinstance(value, ManyOf):
        return "nas.branches(manyof(k, [...])) puts them side by side"
    return "Layers are in nas.layers"


def chain(*operations: Any, name: str | None = None) -> Chain:
    """One operation that applies the given ones in order.

    Example:
        >>> import nas
        >>> L = nas.layers
        >>> conv_block = nas.chain(L.Conv2D(nas.oneof([16, 32]), 3), L.BatchNormalization(), L.ReLU())
    """
    return Chain(ops=_as_operations(operations, name or "chain"), name=name)


def choose(*options: Any, name: str | None = None) -> Any:
    """A decision between operations; apply it like a layer.

    Example: `x = nas.choose(L.Conv2D(32, 3, strides=2), L.MaxPooling2D(2), name="down")(x)`
    """
    path = name or "choose"
    if not options:
        raise SpaceError("no options", path=path, expected="at least one operation")
    _refuse_list(options, path, "choose")
    return OneOf(candidates=_as_operations(options, path), label=name)


def optional(operation: Any, name: str | None = None) -> Any:
    """A decision whether to apply an operation at all. Its decision is True or False."""
    return OneOf(candidates=[None, as_operation(operation, name or "optional")], label=name, option_labels=[False, True])


def repeat(
    operation: Any, low: int = 1, high: int = 1, *, times: Same | None = None, tied: bool = False, name: str | None = None
) -> Any:
    """An operation applied `low` to `high` times, the number being a decision.

    Args:
        operation: what is repeated.
        low, high: fewest and most repetitions.
        times: instead of these, a number that follows a tied decision, as `nas.tied([0, 1, 2], name="depth")` returns it; all
            repetitions then make the same choices.
        tied: False: each repetition makes its own choices (decisions `name[0].kernel`, `name[1].kernel`; `name[1]` says
            whether there is a second one). True: all repetitions make the same choices, and `name.times` is their number.
    """
    path = name or "repeat"
    if times is not None:
        return TiedRepeat(op=as_operation(operation, path), times=times, name=name)
    wrong = [n for n in (low, high) if not isinstance(n, int) or isinstance(n, bool)]
    if wrong or not 0 <= low <= high or high == 0:
        raise SpaceError(
            f"{shown(wrong[0])} for a number of repetitions" if wrong else f"{low} to {high} repetitions",
            path=path,
            received=(low, high),
            expected="whole numbers, 0 <= low <= high, high >= 1",
            hint="How many there are between the two becomes a decision",
        )
    op = as_operation(operation, path)
    if tied:
        number = low if low == high else OneOf(candidates=list(range(low, high + 1)))
        return TiedRepeat(op=op, times=number, name=name)
    rest: Any = None
    for index in reversed(range(high)):
        first = op if index == 0 else pg.clone(op, deep=True)  # a PyGlove tree holds each object once
        rest = Repeated(first=first, rest=rest, index=index, name=None if index else name)
        if index >= low:
            rest = OneOf(candidates=[None, rest], label=None if index else name, option_labels=[False, True])
    return rest


def branches(*operations: Any, merge: Any = "add", name: str | None = None) -> Branches:
    """Operations side by side, each applied to all inputs, their outputs merged.

    Args:
        operations: the branches; or a single `nas.manyof(k, [...])`, which decides which of them there are.
        merge: a mode of `L.Merge` ("add", "concat", ...; may be a choice), or an operation of several inputs.

    Example:
        >>> import nas
        >>> L = nas.layers
        >>> inception = nas.branches(L.Conv2D(32, 1), [L.Conv2D(16, 1), L.Conv2D(32, 3)], merge="concat")
    """
    path = name or "branches"
    if not operations:
        raise SpaceError("no branches", path=path, expected="at least one operation")
    _refuse_list(operations, path, "branches")
    merging = merge if isinstance(merge, Operation) else Merge(merge)
    if len(operations) == 1 and isinstance(operations[0], ManyOf):
        return Branches(ops=_of_operations(operations[0], path), merge=merging, name=name)
    return Branches(ops=_as_operations(operations, path), merge=merging, name=name)


def _of_operations(chosen: ManyOf, path: str) -> Any:
    """The same choice of several, with operations for candidates."""
    options = _as_operations([chosen.candidates.sym_getattr(i) for i in range(len(chosen.candidates))], path)
    rules = {"distinct": chosen.choices_distinct, "sorted": chosen.choices_sorted}
    return manyof(chosen.num_choices, options, **rules, name=chosen.label)


def _refuse_list(operations: Sequence[Any], path: str, function: str) -> None:
    """A single list would be a single operation, a chain: seldom what is meant."""
    if len(operations) == 1 and isinstance(operations[0], list | tuple):
        raise SpaceError(
            f"a list of {counted(len(operations[0]), 'operation')}",
            path=path,
            received=operations[0],
            expected="operations one by one",
            hint=f"Write {function}(a, b) or {function}(*operations); a single chain is nas.chain(a, b)",
        )


def connect(
    k: int, n: int, through: Any = None, *, merge: Any = "add", distinct: bool = True, name: str | None = None
) -> Branches:
    """Learned connections: applied to `n` tensors, takes `k` of them, each through its own copy of an operation, and merges.

    Args:
        k: how many connections, 1 to `n` where they are distinct.
        n: how many tensors it will be applied to.
        through: what each connection passes through (a layer, a choice, ...); None: nothing.
        merge: a mode of `L.Merge`, or an operation of several inputs.
        distinct: no tensor is taken twice.

    Example: a node of a DARTS cell (Liu et al. 2019), two operations on two of the tensors before it:
        >>> import nas
        >>> L = nas.layers
        >>> node = nas.connect(2, 3, through=nas.choose(L.MaxPooling2D(3, strides=1), L.SeparableConv2D(16, 3)))
    """
    path = name or "connect"
    if not all(isinstance(number, int) and number >= 1 for number in (k, n)) or (distinct and k > n):
        raise SpaceError(
            f"{shown(k)} of {shown(n)} tensors",
            path=path,
            received=(k, n),
            expected="whole numbers, 1 <= k <= n" if distinct else "whole numbers from 1",
            hint="k is how many are taken, n how many it is applied to",
        )
    operation = as_operation(through, path)
    sources = []
    for i in range(n):
        ops = [Pick(i)] if operation is None else [Pick(i), pg.clone(operation, deep=True)]
        sources.append(Chain(ops=ops, name=f"input{i}"))
    connected = branches(manyof(k, sources, distinct=distinct, sorted=True, name=name), merge=merge, name=name)
    return connected.rebind(takes=n)


def tied(value: Any, name: str) -> Any:
    """One decision for many places.

    Args:
        value: a list of options: the decision is among them. Or an operation, a choice of operations or a function of
            tensors: all that is open in it is decided once.
        name: of the decision, or the beginning of the names of its decisions.

    Returns:
        For options, a handle for any number of fields: `L.Conv2D(width, 3)`. `width.map(function)` is the same decision with
        other values, `width * 2` for short. For an operation, a layer: each application makes the same decisions and has
        weights of its own.

    Example:
        >>> import nas
        >>> L = nas.layers
        >>> @nas.space(input=(32, 32, 3))
        ... def hourglass(x):
        ...     width = nas.tied([16, 32, 64], name="width")
        ...     y = L.Conv2D(width, 3, strides=2)(L.Conv2D(width // 2, 3)(x))
        ...     return L.Conv2DTranspose(width // 2, 2, strides=2)(y)
        >>> hourglass.size
        3
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise SpaceError(f"{name!r} is not a name", path="tied", received=name, expected="letters, digits and underscores")
    if isinstance(value, OneOf) and not any(isinstance(option, Operation) for option in value.candidates):
        return tied_values(list(value.candidates), name, value.option_labels)
    if isinstance(value, Operation | OneOf) or callable(value):
        operation = as_operation(value, name)
        return Again(decision=name, body=Body(operation), name=None)
    if isinstance(value, Sequence | range) and not isinstance(value, str) and len(value):
        return tied_values(value, name)
    raise SpaceError(
        f"{shown(value)} cannot be tied",
        path=name,
        received=value,
        expected="a list of options, a layer, or a function of tensors",
    )


def require(rule: Callable[..., bool], *decisions: Same) -> None:
    """Keeps only those combinations of tied decisions for which a rule is true. Called inside a space function.

    The rule is called once for each combination of values, while the space is defined; what is counted, sampled and varied
    from then on obeys it.

    Example:
        >>> import nas
        >>> L = nas.layers
        >>> @nas.space(input=(32, 32, 3))
        ... def funnel(x):
        ...     wide, narrow = nas.tied([16, 32], name="wide"), nas.tied([8, 16, 32], name="narrow")
        ...     nas.require(lambda a, b: a > b, wide, narrow)
        ...     return L.Conv2D(narrow, 3)(L.Conv2D(wide, 3)(x))
        >>> funnel.size
        3
    """
    trace = current_trace()
    path = "require"
    if trace is None:
        raise SpaceError("called outside a space function", path=path, hint="Call it inside the function under @nas.space")
    others = [decision for decision in decisions if not isinstance(decision, Same)]
    if others or not decisions:
        raise SpaceError(
            f"a rule about {shown(others[0]) if others else 'nothing'}",
            path=path,
            received=decisions,
            expected="tied decisions",
            hint='Tie the choices it is about: width = nas.tied([16, 32], name="width")',
        )
    names = [decision.decision for decision in decisions]
    path = f"require({', '.join(names)})"
    if len(set(names)) < len(names):
        raise SpaceError("a decision appears twice", path=path, received=names, hint="Use it once; .map gives other values")
    _expect_arguments(rule, names, path)
    count = combinations(decisions)
    if count > COMBINATIONS:
        hint = "Write several rules, each about fewer decisions"
        raise SpaceError(
            f"{count:,} combinations of options", path=path, received=count, expected=f"at most {COMBINATIONS:,}", hint=hint
        )
    listed = itertools.product(*(range(len(decision.options)) for decision in decisions))
    allowed = [list(picked) for picked in listed if rule(*(d.options[i] for d, i in zip(decisions, picked, strict=True)))]
    if not allowed:
        raise SpaceError("no combination of options obeys the rule", path=path, hint="Loosen the rule, or add options")
    trace.rules.append(Rule(decisions=names, allowed=allowed))


def _expect_arguments(rule: Callable[..., bool], names: Sequence[str], path: str) -> None:
    """Raises unless a rule takes one argument for each decision."""
    try:
        signature = inspect.signature(rule)
    except (TypeError, ValueError):  # some built-in functions do not tell; calling them will
        return
    try:
        signature.bind(*names)
    except TypeError:
        raise SpaceError(
            f"the rule takes {signature} and is about {counted(len(names), 'decision')}",
            path=path,
            received=rule,
            expected=f"{counted(len(names), 'argument')}, for the values of {', '.join(names)}",
        ) from None


def block(function: Callable[..., Any], name: str | None = None) -> Block:
    """A function of tensors as an operation: traced once, with its own names.

    Example:
        >>> import nas
        >>> L = nas.layers
        >>> def residual(x):
        ...     y = L.Conv2D(nas.oneof([16, 32]), 3, activation="relu")(x)
        ...     return L.Merge("add", project=True)(y, x)
        >>> body = nas.repeat(residual, 1, 3)
    """
    return trace_block(function, name)
