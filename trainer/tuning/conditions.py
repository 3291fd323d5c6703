"""Conditional parameters: which parameters a trial has, and how many different trials there are.

A parameter with `when` is there only in trials where its parent, a parameter before it, has one of some values; conditions
nest. So the parameters are a forest, as in Vertex AI's `conditionalParameterSpecs`, written flat: a trial's values hold those
that are there, in order, and nothing else, and only their flags are passed.

    optimizer: {type: categorical, values: [adam, sgd]}
    momentum:  {type: double, min: 0.5, max: 0.99, when: {optimizer: sgd}}
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from nas.errors import UserError
from trainer.tuning.parameters import Double, Parameter, Value

Values = Mapping[str, Value]


def choose(parameters: Mapping[str, Parameter], value_of: Callable[[str, Parameter], Value]) -> dict[str, Value]:
    """A trial's values: `value_of(name, parameter)` for each parameter that is there, parents first."""
    values: dict[str, Value] = {}
    for name, parameter in parameters.items():
        if is_there(parameter, values):
            values[name] = value_of(name, parameter)
    return values


def is_there(parameter: Parameter, values: Values) -> bool:
    """Whether a trial whose earlier parameters have these values has this one too."""
    return parameter.when is None or parameter.when.holds(values)


def fits(parameters: Mapping[str, Parameter], values: Values) -> bool:
    """Whether these are the values of a trial: of the parameters that are there and of no others, each in its range."""
    there = [name for name, parameter in parameters.items() if is_there(parameter, values)]
    return set(there) == set(values) and all(parameters[name].contains(values[name]) for name in there)


def combinations(columns: Mapping[str, Sequence[Value]], parameters: Mapping[str, Parameter]) -> Iterator[dict[str, Value]]:
    """Every trial whose values are from `columns`, name -> values, once each; the last parameter changes fastest."""
    names = list(parameters)

    def extend(values: dict[str, Value], depth: int) -> Iterator[dict[str, Value]]:
        while depth < len(names) and not is_there(parameters[names[depth]], values):
            depth += 1
        if depth == len(names):
            yield values
            return
        for value in columns[names[depth]]:
            yield from extend({**values, names[depth]: value}, depth + 1)

    return extend({}, 0)


def count(parameters: Mapping[str, Parameter], columns: Mapping[str, Sequence[Value]] | None = None) -> int | None:
    """How many different trials there are, of all values or of those in `columns`; None: a Double makes them countless."""
    children: dict[str | None, list[str]] = {}
    for name, parameter in parameters.items():
        children.setdefault(parameter.when.parent if parameter.when else None, []).append(name)

    def below(name: str | None, values: Values) -> int | None:
        """Of what depends on a parameter, where it has a value."""
        total: int | None = 1
        for child in children.get(name, ()):
            if is_there(parameters[child], values):
                trials = of(child)
                total = None if total is None or trials is None else total * trials
        return total

    def of(name: str) -> int | None:
        """Of one parameter, with what depends on it."""
        own = len(columns[name]) if columns else parameters[name].count
        if own is None:
            return None
        named = {value: None for child in children.get(name, ()) for value in _condition_values(parameters[child])}
        met = [value for value in named if (value in columns[name] if columns else parameters[name].contains(value))]
        counts = [below(name, {name: value}) for value in met]
        return None if None in counts else own - len(met) + sum(found or 0 for found in counts)

    return below(None, {})


def check_conditions(parameters: Mapping[str, Parameter]) -> None:
    """Raises UserError unless every condition names a parameter before it that has the condition's values and is no Double."""
    before: dict[str, Parameter] = {}
    for name, parameter in parameters.items():
        if parameter.when is not None:
            _check_condition(f"parameters.{name}.when", parameter.when.parent, parameter.when.values, before)
        before[name] = parameter


def _check_condition(path: str, parent: str, values: Sequence[Value], before: Mapping[str, Parameter]) -> None:
    if parent not in before:
        expected = f"a parameter before it: {', '.join(before)}" if before else "a parameter before it, and there is none"
        raise UserError(f"{parent!r} is not known here", path=path, received=parent, expected=expected)
    if isinstance(before[parent], Double):
        raise UserError(
            f"{parent!r} is a double, none of whose values is ever met exactly",
            path=path,
            received=parent,
            expected="a categorical, discrete or integer parameter",
            hint=f"Make {parent} discrete, with the values that matter",
        )
    for value in values:
        if not before[parent].contains(value):
            raise UserError(f"{parent} never is {value!r}", path=path, received=value, expected=_say_values(before[parent]))


def _say_values(parameter: Parameter) -> str:
    if isinstance(parameter, Double) or not hasattr(parameter, "values"):
        return f"a whole number from {parameter.min} to {parameter.max}"  # type: ignore[union-attr]
    return " or ".join(map(repr, parameter.values))


def _condition_values(parameter: Parameter) -> Sequence[Value]:
    return parameter.when.values if parameter.when else ()
