"""Where spaces come from: a decorated function, any PyGlove value, or a reference to one that was defined elsewhere.

    @nas.space(input=(80, 80, 1))           traces a function to a network with open choices
    nas.as_space(value, build=function)     takes a PyGlove value as it is
    nas.load_space("file.py:name")          imports what another process or a command names

A space travels between processes by its reference: nothing of it is pickled, the code that defines it is imported again.
"""

from __future__ import annotations

import copyreg
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyglove as pg

from nas.errors import SpaceError
from nas.language.budget import Budget
from nas.language.operation import Shape
from nas.language.references import Family, parse, reference_to, resolve
from nas.language.requirements import check_together, requirements_of
from nas.language.shapes import Doubt, Possible, SpaceNet
from nas.language.space import SearchSpace
from nas.language.tracing import parameter_names, trace_network
from nas.language.wording import shown


def space(
    input: Sequence[int] | None = None,
    *,
    inputs: Mapping[str, Sequence[int]] | None = None,
    name: str | None = None,
    baselines: Mapping[str, Mapping[str, Any]] | None = None,
) -> Callable[[Callable[..., Any]], SearchSpace]:
    """Decorator: a function of tensors becomes a `SearchSpace`.

    Args:
        input: shape of the single input without the batch, `(height, width, channels)`.
        inputs: name -> shape, for several; names are the function's arguments.
        name: the space's name; the function's own by default.
        baselines: name -> decisions of known architectures; decisions left out take their first option.

    Raises:
        SpaceError, ShapeError: the function does not define a space, or some architecture does not build; says where, with
            which decisions, and what to do.

    Example:
        >>> import nas
        >>> from nas import layers as L, oneof
        >>> @nas.space(input=(32, 32, 3))
        ... def tiny(image):
        ...     x = nas.repeat(L.Conv2D(oneof([8, 16]), 3, activation="relu"), 1, 2, name="body")(image)
        ...     return L.Conv2D(1, 1, name="mask")(x)
        >>> tiny.size
        6
    """

    if callable(input):
        problem = "the decorator has no arguments"
        raise SpaceError(problem, path=getattr(input, "__name__", "space"), hint="Write @nas.space(input=(80, 80, 1))")

    def decorate(function: Callable[..., Any]) -> SearchSpace:
        arguments = parameter_names(function)
        if (input is None) == (inputs is None):
            problem = "the input shapes are missing" if input is None else "both input and inputs are given"
            raise SpaceError(
                problem,
                path=function.__name__,
                received=(input, inputs),
                expected="one of input and inputs",
                hint="Write @nas.space(input=(80, 80, 1)), or inputs={'left': (64, 64, 3), 'right': (64, 64, 3)} for several",
            )
        if inputs is not None and not isinstance(inputs, Mapping):
            raise SpaceError(
                f"inputs={shown(inputs)}",
                path=function.__name__,
                received=inputs,
                expected=f"a shape for each of {', '.join(arguments)}, by name",
                hint="Write @nas.space(inputs={'left': (64, 64, 3), 'right': (64, 64, 3)})",
            )
        shapes = dict(inputs) if inputs is not None else {arguments[0]: input}
        if list(shapes) != arguments:
            raise SpaceError(
                f"its arguments are {', '.join(arguments)}, its inputs {', '.join(shapes)}",
                path=function.__name__,
                hint="Give each argument a shape: @nas.space(inputs={'left': (64, 64, 3), 'right': (64, 64, 3)})",
            )
        checked = {k: _check_shape(v, f"{function.__name__}.{k}") for k, v in shapes.items()}
        block, trace = trace_network(function, checked, name or function.__name__)
        check_together(requirements_of(block))
        return SearchSpace(
            name or function.__name__,
            block,
            inputs=checked,
            doubts=trace.doubts,
            outputs=[edge for edge in (trace.edges[o] for o in block.outputs) if edge is not None],
            baselines=baselines,
            reference=reference_to(function),
            description=(function.__doc__ or "").strip(),
        )

    return decorate


def as_space(
    value: Any,
    build: Callable[[Any], Any] | None = None,
    *,
    input: Sequence[int] | None = None,
    name: str | None = None,
    canonical: Callable[[Any], Any] | None = None,
) -> SearchSpace:
    """Any PyGlove hyper value, or a zero-argument function that returns one, as a space.

    Args:
        value: a hyper value (`pg.Dict(x=pg.oneof([...]))`, a `pg.Object` with choices, ...), a function returning one, or a
            `SearchSpace` (returned as it is).
        build: from a materialized value to a `keras.Model`; without it the space can be searched with evaluators of your own.
        input: shape of the input, where `value` is an operation of `nas.layers` or `nas.blocks`.
        name: for people and files.
        canonical: from a materialized value to what tells networks apart (plain JSON), for what the builder ignores: values
            with equal keys have one fingerprint, so none is tried twice, and `nas check` counts them once.

    Raises:
        SpaceError: there is nothing to decide, or it is no PyGlove value.

    Example:
        >>> import nas, pyglove as pg
        >>> layer = pg.Dict(op=pg.oneof(["conv", "mbconv"]), expand=pg.oneof([1, 3, 6]))
        >>> space = nas.as_space(layer, canonical=lambda v: v.op if v.op == "conv" else [v.op, v.expand])
        >>> space.size, len({a.fingerprint for a in space})
        (6, 4)
    """
    if isinstance(value, SearchSpace):
        return value
    reference = None
    if callable(value) and not isinstance(value, pg.Symbolic):
        reference = reference_to(value)
        name = name or getattr(value, "__name__", None)
        _expect_no_arguments(value, name or "as_space")
        value = value()
    if isinstance(value, SearchSpace):
        return value
    try:
        spec = pg.dna_spec(value)
    except (TypeError, ValueError) as error:
        raise SpaceError(
            f"not a PyGlove value ({error})", path=name or "as_space", expected="a value with pg.oneof and the like"
        ) from None
    if len(spec) == 0:
        raise SpaceError(
            f"{type(value).__name__} has nothing to decide",
            path=name or "as_space",
            expected="at least one choice",
            hint="Use nas.oneof or pg.oneof",
        )
    doubts: Sequence[Doubt] | None = None
    outputs: Sequence[Possible] = ()
    inputs = None
    if input is not None:
        inputs = {"input": _check_shape(input, "as_space.input")}
        net = SpaceNet()
        outputs = [net.apply(value, Possible(frozenset(inputs.values())))]
        doubts = net.doubts
    return SearchSpace(
        name or "space",
        value,
        inputs=inputs,
        doubts=doubts,
        outputs=outputs,
        build=build,
        canonical=canonical,
        reference=reference,
        spec=spec,
    )


def load_space(reference: str) -> SearchSpace:
    """The space at `module:name`, `module.path.name` or `file.py:name`.

    Where the name is that of a `@nas.family`, its arguments may follow as JSON: `module:make_unet?{"classes": 3}`.

    Raises:
        SpaceError: nothing is found there, it is not a space, or the arguments do not fit.
    """
    place, arguments = parse(reference)
    found = resolve(place, SearchSpace)
    if isinstance(found, Family):
        return found(**(arguments or {}))
    if arguments is not None:
        raise SpaceError(
            f"{type(found).__name__} takes no arguments",
            path=reference,
            received=arguments,
            expected="a function decorated with @nas.family",
            hint=f"Name the space alone: {place}",
        )
    loaded = as_space(found, name=None if callable(found) else place.replace(":", ".").rpartition(".")[2])
    if loaded.reference is None:
        loaded.reference = reference
    return loaded


def family(function: Callable[..., Any]) -> Callable[..., SearchSpace]:
    """Decorator: a function of keyword arguments that returns a space becomes a family of spaces.

    Its spaces have references that say with which arguments they were made, so that other processes and commands find them.
    Arguments are plain JSON; lists arrive as tuples.

    Raises:
        SpaceError: an argument without a default.

    Example:
        >>> import nas
        >>> from nas import layers as L, oneof
        >>> @nas.family
        ... def make_net(size=32, classes=2):
        ...     @nas.space(input=(size, size, 3))
        ...     def net(image):
        ...         return L.Conv2D(classes, oneof([1, 3]))(image)
        ...     return net
        >>> make_net(classes=3).output_shape
        (32, 32, 3)
    """
    return Family(function, as_space)


def _expect_no_arguments(function: Callable[..., Any], path: str) -> None:
    try:
        inspect.signature(function).bind()
    except TypeError:
        raise SpaceError(
            f"takes the arguments {inspect.signature(function)}",
            path=path,
            received=function,
            expected="a function without arguments that returns a PyGlove value",
            hint="Give it its arguments: nas.as_space(lambda: function(32))",
        ) from None
    except ValueError:  # a built-in function that does not tell its arguments
        return


def _check_shape(shape: Any, path: str) -> Shape:
    sizes = tuple(shape) if isinstance(shape, Sequence) and not isinstance(shape, str) else (shape,)
    if not sizes or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in sizes):
        raise SpaceError(
            f"{shape!r} is not a shape",
            path=path,
            received=shape,
            expected="positive sizes such as (80, 80, 1), without the batch",
        )
    return sizes


# -- between processes -------------------------------------------------------------------------------------------------------


def _reduce(space: SearchSpace) -> tuple[Callable[..., SearchSpace], tuple[Any, ...]]:
    """How pickle takes a space apart: to its reference, or to the limits on a space that has one."""
    if space.reference is not None:
        functions = {"build": space.build_function, "canonical": space.canonical_function}
        return _reload, (space.reference, {key: _way_to(function, key, space) for key, function in functions.items()})
    if space.whole is not space:
        return _restrict, (space.whole, space.limits, space.budget.rules)
    raise SpaceError(
        "the space cannot be sent to another process, since no import leads to it",
        path=space.name,
        hint="Define it at the top of a module or script, or run with workers=1",
    )


def _way_to(function: Callable[..., Any] | None, argument: str, space: SearchSpace) -> str | None:
    found = None if function is None else reference_to(function)
    if function is not None and found is None:
        raise SpaceError(
            f"{argument} cannot be sent to another process, since no import leads to it",
            path=space.name,
            received=function,
            hint="Define it at the top of a module or script, or run with workers=1",
        )
    return found


def _reload(reference: str, functions: Mapping[str, str | None]) -> SearchSpace:
    found = load_space(reference)
    given = {argument: resolve(place, object) for argument, place in functions.items() if place is not None}
    if not given or found.build_function or found.canonical_function:
        return found
    return as_space(found.hyper, name=found.name, **given)


def _restrict(space: SearchSpace, limits: Mapping[str, float], rules: Mapping[str, Any]) -> SearchSpace:
    """Nothing is compiled before it is asked for."""
    return space.restricted(Budget(space, limits, rules))


copyreg.pickle(SearchSpace, _reduce)
