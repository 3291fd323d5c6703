"""Tied decisions: made once, read in many places.

A PyGlove tree holds each object once, so a choice that is used twice becomes two decisions. What is tied is therefore named:
its one decision stands in the network's `Block.shared`, and each place that reads it holds

- `Same`: what each option means there. A field or an operation whose value follows the decision;
- `Again`: a tied operation, applied once more. The same decisions, weights of its own.

`nas.tied` makes both. To PyGlove they are constants, so that `pg.dna_spec` counts the decision once.

(No `from __future__ import annotations` where fields are declared: PyGlove reads value specs, not their text.)
"""

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyglove as pg

from nas.errors import SpaceError
from nas.language.application import apply
from nas.language.blocks import part_names
from nas.language.choices import OneOf, Undecided
from nas.language.operation import Operation
from nas.language.wording import shown


def _mapped(function: Callable[[Any, Any], Any], swapped: bool = False) -> Any:
    def method(self: "Same", other: Any) -> "Same":
        if isinstance(other, Same | pg.hyper.HyperValue):
            raise SpaceError(
                f"arithmetic with {shown(other)}",
                path=self.decision,
                received=other,
                expected="a plain number",
                hint="Tie both to one decision: nas.tied([(a, b), ...], name=...).map(lambda pair: ...)",
            )
        return self.map(lambda value: function(other, value) if swapped else function(value, other))

    return method


_BY_MAP = "Let what depends on it follow it: decision.map({2: L.Conv2D(8, 3), 1: None})(x)"


class Same(Undecided, pg.typing.CustomTyping):
    """A value that follows a tied decision. Made by `nas.tied` and `Same.map`.

    Arithmetic with plain numbers is a map: `width * 2` is the same decision with twice the values. To PyGlove it is a plain
    object, so that it can stand in many places: a symbolic one would be copied, options and all, wherever it is read.

    Attributes:
        decision: its name.
        labels: what its options are called in decisions.
        options: what each option means here: plain values, or operations without choices of their own.
    """

    instead = {
        "bool": _BY_MAP,
        "compare": _BY_MAP,
        "index": f"{_BY_MAP}; L.Pick(decision)(a, b) is one of several tensors",
        "arithmetic": "Compute the values instead: decision.map(lambda value: ...)",
    }  # type: dict[str, str]

    def __init__(self, decision: str, labels: list[Any], options: list[Any]):
        self.decision, self.labels, self.options = decision, labels, options

    def __copy__(self) -> "Same":
        return self

    def __deepcopy__(self, _: Any) -> "Same":
        return self

    def __repr__(self) -> str:
        return f"Same({self.decision!r}, {self.options!r})"

    __add__, __radd__ = _mapped(operator.add), _mapped(operator.add, True)
    __sub__, __rsub__ = _mapped(operator.sub), _mapped(operator.sub, True)
    __mul__, __rmul__ = _mapped(operator.mul), _mapped(operator.mul, True)
    __truediv__, __rtruediv__ = _mapped(operator.truediv), _mapped(operator.truediv, True)
    __floordiv__, __rfloordiv__ = _mapped(operator.floordiv), _mapped(operator.floordiv, True)
    __pow__, __rpow__ = _mapped(operator.pow), _mapped(operator.pow, True)

    @property
    def label(self) -> str:
        """For errors and names."""
        return self.decision

    def map(self, function: Callable[[Any], Any] | Mapping[Any, Any]) -> "Same":
        """The same decision with other values: `function` of each option, called while the space is defined; or a dictionary.

        Example:
            >>> import nas
            >>> width = nas.tied([16, 32], name="width")
            >>> width.map(lambda w: 2 * w).options
            [32, 64]
        """
        if isinstance(function, Mapping):
            missing = [option for option in self.options if option not in function]
            if missing:
                raise SpaceError(
                    f"the map has no entry for {', '.join(map(shown, missing))}",
                    path=self.decision,
                    received=function,
                    expected=f"an entry for each of {', '.join(map(shown, self.options))}",
                )
            return self.map(function.__getitem__)
        return _same(self.decision, list(self.labels), [function(option) for option in self.options])

    def __call__(self, *tensors: Any) -> Any:
        """Applies whichever operation is decided to traced tensors."""
        for option in self.options:
            if not (option is None or isinstance(option, Operation)):
                raise SpaceError(
                    f"{shown(option)} cannot be applied to tensors",
                    path=self.decision,
                    received=option,
                    expected="operations for options",
                    hint="Put the decision into a field, L.Conv2D(decision, 3)(x), or map it to operations",
                )
        return apply(self, tensors, None)

    def custom_apply(self, path: Any, value_spec: Any, allow_partial: bool, child_transform: Any = None) -> tuple[bool, Any]:
        """PyGlove asks this wherever a field takes a value: each option must do."""
        if not (value_spec.value_type and isinstance(self, value_spec.value_type)):
            for i, option in enumerate(self.options):
                value_spec.apply(option, allow_partial, root_path=path + f"options[{i}]")
        return False, self


_ANY: Any = pg.typing.Any()


class Body:
    """Holds the operation of an `Again` out of PyGlove's sight: neither counted nor copied."""

    __slots__ = ("operation",)

    def __init__(self, operation: Any):
        self.operation = operation

    def __deepcopy__(self, _: Any) -> "Body":
        return self

    def __copy__(self) -> "Body":
        return self

    def __repr__(self) -> str:
        return f"Body({type(self.operation).__name__})"


class Again(Operation):
    """A tied operation where it is applied. Made by `nas.tied`."""

    decision: str
    body: _ANY

    structural = True
    arity = (1, None)

    @property
    def label(self) -> str:
        """For errors and names."""
        return self.decision

    def wire(self, net: Any, *inputs: Any) -> Any:
        return net.apply(self.body.operation, *inputs)


def tied_values(values: Sequence[Any], name: str, labels: Sequence[Any] | None = None) -> Same:
    """A decision among plain values, to be read in many places."""
    return _same(name, list(labels) if labels is not None else _labels(values), list(values))


def _same(decision: str, labels: list[Any], options: list[Any]) -> Same:
    for label, option in zip(labels, options, strict=True):
        if _is_open(option):
            raise SpaceError(
                "an option of a tied decision has choices of its own",
                path=f"{decision}.{label}",
                received=option,
                expected="values and operations without choices",
                hint="Tie the inner choice too, or tie the whole operation: nas.tied(operation)",
            )
    return Same(decision, labels, options)


def _labels(values: Sequence[Any]) -> list[Any]:
    """What options are called: plain values by themselves, operations by name or kind."""
    names = iter(part_names([value for value in values if isinstance(value, Operation)]))
    plain = (bool, int, float, str, type(None))
    return [v if isinstance(v, plain) else next(names) if isinstance(v, Operation) else str(v) for v in values]


def _is_open(value: Any) -> bool:
    return isinstance(value, pg.hyper.HyperValue | Same | Again) or any(map(_is_open, parts_of(value)))


def parts_of(value: Any) -> Iterator[Any]:
    """What a symbolic value is made of; the candidates of a choice."""
    if isinstance(value, pg.hyper.Choices):
        value = value.candidates
    if isinstance(value, pg.Object | pg.Dict):
        yield from (part for _, part in value.sym_items())
    elif isinstance(value, pg.List):
        yield from (value.sym_getattr(i) for i in range(len(value)))
    elif isinstance(value, list | tuple):
        yield from value


def shared_in(value: Any) -> dict[str, Any]:
    """Every tied decision that is read in `value`: name -> the hyper value that stands for it, inner ones first.

    Raises:
        SpaceError: one name stands for two decisions.
    """
    found: dict[str, Any] = {}
    _collect(value, found, {})
    return found


def _collect(value: Any, found: dict[str, Any], seen: dict[str, Any]) -> None:
    if isinstance(value, Same):
        known = seen.setdefault(value.decision, list(value.labels))
        if known != list(value.labels):
            raise _taken(value.decision, known, list(value.labels))
        if value.decision not in found:
            options = list(range(len(value.labels)))
            found[value.decision] = OneOf(candidates=options, option_labels=list(value.labels))
    elif isinstance(value, Again):
        operation = value.body.operation
        known = seen.setdefault(value.decision, operation)
        if known is not operation:
            raise _taken(value.decision, known, operation)
        if value.decision not in found:
            _collect(operation, found, seen)
            found[value.decision] = operation
    else:
        for part in parts_of(value):
            _collect(part, found, seen)


def _taken(name: str, one: Any, other: Any) -> SpaceError:
    return SpaceError(
        f"two tied decisions have this name, {shown(one)} and {shown(other)}",
        path=name,
        received=(one, other),
        hint="Make it once and use what nas.tied returns everywhere, or choose another name",
    )


def read_in(value: Any) -> dict[str, int]:
    """The tied values that an operation reads itself: name -> number of options."""
    if isinstance(value, Same):
        return {value.decision: len(value.options)}
    found: dict[str, int] = {}
    for part in parts_of(value):
        found |= read_in(part)
    return found


def combinations(decisions: Sequence[Same]) -> int:
    """How many combinations the options of several decisions have."""
    return math.prod(len(decision.options) for decision in decisions)
