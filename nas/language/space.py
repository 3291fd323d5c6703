"""The search space: every architecture that can be proposed, as one object.

Two kinds have one face. A function decorated with `@nas.space` is traced to a network with open choices: its architectures have
graphs, costs and Keras models. Any other PyGlove hyper value is a space of values: it is counted, sampled and searched the same
way, and `build` says how a value becomes a model.
"""

from __future__ import annotations

import functools
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyglove as pg

from nas.errors import DecisionError, SpaceError, UserError
from nas.language.architecture import Architecture
from nas.language.assemble import Assembler
from nas.language.fingerprint import fingerprint
from nas.language.genome import Genome
from nas.language.graph import Graph
from nas.language.naming import name_decisions
from nas.language.operation import Operation, Shape
from nas.language.pricing import Cost, price
from nas.language.references import reference_to, resolve
from nas.language.shapes import Doubt, Possible, SpaceNet
from nas.language.tracing import parameter_names, trace_network

WITNESS_TRIES = 256  # random architectures built to turn a doubt into a proof of failure


class SearchSpace:
    """Made by `@nas.space` or `nas.as_space`.

    Attributes:
        name: for people and files.
        hyper: the plain PyGlove value; `pg.dna_spec(space.hyper).space_size == space.size`.
        inputs: name -> shape, in the order the network takes them; empty for a space of plain values.
        doubts: combinations of shapes that fail, though no architecture is known to contain them; empty: all build (a proof).
        reference: `module:name` or `file.py:name`, which `nas.load_space` resolves in another process; None: there is none.
    """

    def __init__(
        self,
        name: str,
        hyper: Any,
        *,
        inputs: Mapping[str, Shape] | None = None,
        doubts: Sequence[Doubt] = (),
        outputs: Sequence[Possible] = (),
        baselines: Mapping[str, Mapping[str, Any]] | None = None,
        build: Callable[[Any], Any] | None = None,
        reference: str | None = None,
        description: str = "",
    ):
        self.name = name
        self.hyper = hyper
        self.inputs = {k: tuple(v) for k, v in (inputs or {}).items()}
        self.doubts = tuple(doubts)
        self.reference = reference
        self.description = description
        self._outputs = tuple(outputs)
        self._build = build
        self._baselines = dict(baselines or {})
        self._lock = threading.Lock()
        if doubts:
            self._look_for_witness()

    # -- what it is ------------------------------------------------------------------------------------------------------

    @functools.cached_property
    def genome(self) -> Genome:
        """The decisions as flat arrays: count, sample, mutate, cross over."""
        names, labels = {}, {}
        if self.is_network:
            for identity, name, options in name_decisions(self.hyper):
                names[identity], labels[identity] = name, options
        return Genome(pg.dna_spec(self.hyper), names, labels)

    @property
    def is_network(self) -> bool:
        """Whether architectures have graphs (otherwise they are plain PyGlove values)."""
        return isinstance(self.hyper, Operation) and bool(self.inputs)

    @property
    def size(self) -> int | None:
        """The exact number of architectures, as points; None where a float choice makes it continuous."""
        return self.genome.size

    @property
    def input_shape(self) -> Shape | None:
        """Shape of the first input."""
        return next(iter(self.inputs.values()), None)

    @property
    def output_shape(self) -> Shape | None:
        """Shape of the first output, where all architectures agree on it."""
        shapes = self._outputs[0].shapes if self._outputs else frozenset()
        return next(iter(shapes)) if len(shapes) == 1 else None

    @functools.cached_property
    def digest(self) -> str:
        """Identifies the space: its decisions with their options, and a few of its networks."""
        spec = [(slot.id, slot.kind, slot.options, [str(v) for v in slot.literals]) for slot in self.genome.slots]
        probes = []
        if self.is_network and self.size:
            probes = [self.architecture(i * (self.size - 1) // 4).fingerprint for i in range(5)]
        return hashlib.blake2b(json.dumps([spec, probes]).encode(), digest_size=16).hexdigest()

    # -- its points ------------------------------------------------------------------------------------------------------

    def sample(self, seed: int | None = None, n: int | None = None) -> Any:
        """One architecture drawn uniformly from all points, or a list of `n`."""
        rows = self.genome.sample(np.random.default_rng(seed), 1 if n is None else n)
        architectures = [Architecture(self, row) for row in rows]
        return architectures[0] if n is None else architectures

    def architecture(self, point: int | Mapping[str, Any] | np.ndarray | pg.DNA) -> Architecture:
        """The architecture at an index, or with the given decisions, vector or `pg.DNA`.

        Raises:
            DecisionError: the point is not in the space.
        """
        genome = self.genome
        if isinstance(point, bool):
            raise DecisionError(f"{point!r} does not name an architecture", received=point, expected="an index or decisions")
        if isinstance(point, int | np.integer):
            if self.size is not None and not 0 <= point < self.size:
                raise DecisionError(
                    f"no architecture {point}",
                    path=self.name,
                    received=int(point),
                    expected=f"an index from 0 to {self.size - 1}",
                )
            return Architecture(self, genome.unrank(int(point)))
        if isinstance(point, pg.DNA):
            return Architecture(self, genome.from_dna(point))
        if isinstance(point, Mapping):
            return Architecture(self, genome.encode(point))
        genome.validate(point)
        return Architecture(self, point)

    @functools.cached_property
    def baselines(self) -> Mapping[str, Architecture]:
        """Named, published points of the space."""
        return _Baselines(self, self._baselines)

    def __iter__(self) -> Iterator[Architecture]:
        """Every architecture, in order of index."""
        if self.size is None:
            raise SpaceError("a continuous space cannot be listed", path=self.name, hint="Use sample()")
        return (self.architecture(i) for i in range(self.size))

    def __len__(self) -> int:
        return self.size or 0

    def __bool__(self) -> bool:
        return True  # len() overflows for spaces of more than 2^63 points

    # -- what follows from a point (used by Architecture) -----------------------------------------------------------------

    def lower(self, architecture: Architecture) -> Graph:
        """The graph of one architecture."""
        if not self.is_network:
            raise SpaceError(
                "its values have no graph, so no shapes, costs or drawing",
                path=self.name,
                hint="Write the space with @nas.space, or judge its values with an evaluator of your own",
            )
        try:
            return self._assembler.graph(architecture.vector)
        except UserError as error:
            error.received = architecture.decisions
            raise

    def takes_size(self, size: Sequence[int], samples: int = 8) -> bool:
        """Whether its networks, weights and all, also take images of another size and give outputs scaled alike.

        Asked of `samples` random architectures: a cheaper proxy task on smaller images needs it.
        """
        if not self.is_network or len(self.inputs) != 1:
            return False
        (name, shape), rank = next(iter(self.inputs.items())), len(size)
        for architecture in self.sample(seed=0, n=samples):
            full = architecture.network
            try:
                small = self._assembler.graph(architecture.vector, {name: (*size, *shape[rank:])})
            except UserError:
                return False
            if small.nodes.keys() != full.nodes.keys():
                return False
            if any(a.cost.params != b.cost.params for a, b in zip(full.nodes.values(), small.nodes.values(), strict=True)):
                return False
            for output in full.outputs:
                before, after = full.nodes[output].shape, small.nodes[output].shape
                if any(b * old != a * new for a, b, old, new in zip(before, after, shape, size, strict=False)):
                    return False
        return True

    def fingerprint_of(self, architecture: Architecture) -> str:
        if self.is_network:
            return fingerprint(architecture.network)
        text = json.dumps(architecture.to_vertex(), sort_keys=True, default=str)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def price(self, architecture: Architecture) -> Cost:
        return price(architecture.network)

    def build(self, architecture: Architecture, seed: int | None = None) -> Any:
        """The Keras model of one architecture."""
        if self._build is not None:
            return self._build(self.materialize(architecture))
        if not self.is_network:
            raise SpaceError("it does not say how to build a model", path=self.name, hint="nas.as_space(value, build=function)")
        from nas.language.keras_model import build_model

        return build_model(architecture.network, name=self.name, seed=seed)

    def materialize(self, architecture: Architecture) -> Any:
        """The PyGlove value of one architecture."""
        with self._lock:  # PyGlove's decoding keeps state on the shared hyper value (one wrong decode in 405 with threads)
            return pg.materialize(self.hyper, architecture.to_dna())

    @functools.cached_property
    def _assembler(self) -> Assembler:
        return Assembler(self.hyper, self.genome.slots, self.inputs)

    def _look_for_witness(self) -> None:
        """Raises where a doubt about shapes turns out to be an architecture that does not build."""
        for architecture in self.sample(seed=0, n=WITNESS_TRIES):
            try:
                architecture.network  # noqa: B018
            except UserError as error:
                witness = {k: v for k, v in architecture.decisions.items() if k.split(".")[0].split("[")[0] in error.path}
                raise type(error)(
                    error.problem,
                    path=error.path,
                    received=witness,
                    expected=error.expected,
                    hint=f"{error.hint}. It happens with {json.dumps(witness or architecture.decisions)}"
                    if error.hint
                    else f"It happens with {json.dumps(witness)}",
                ) from None

    def __reduce__(self) -> Any:
        if self.reference is None:
            raise SpaceError(
                "the space cannot be sent to another process, since no import leads to it",
                path=self.name,
                hint="Define it at the top of a module or script, or run with workers=1",
            )
        return load_space, (self.reference,)

    def __repr__(self) -> str:
        size = "continuous" if self.size is None else f"{self.size:.3g} points" if self.size > 10**6 else f"{self.size} points"
        return f"SearchSpace({self.name}: {size}, {len(self.genome.slots)} decisions)"


class _Baselines(Mapping[str, Architecture]):
    """Named points, made when asked for. What a baseline leaves open takes each choice's first option."""

    def __init__(self, space: SearchSpace, decisions: Mapping[str, Mapping[str, Any]]):
        self._space, self._decisions = space, decisions

    def __getitem__(self, name: str) -> Architecture:
        if name not in self._decisions:
            raise DecisionError(
                f"no baseline {name!r}",
                path=self._space.name,
                received=name,
                expected=f"one of {', '.join(self._decisions) or 'none'}",
            )
        return Architecture(self._space, self._space.genome.encode(self._decisions[name], first_by_default=True))

    def __contains__(self, name: object) -> bool:
        return name in self._decisions

    def __iter__(self) -> Iterator[str]:
        return iter(self._decisions)

    def __len__(self) -> int:
        return len(self._decisions)


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
        SpaceError, ShapeError: the function does not define a space; says where and what to do.

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

    def decorate(function: Callable[..., Any]) -> SearchSpace:
        arguments = parameter_names(function)
        if (input is None) == (inputs is None):
            raise SpaceError("the input shapes are missing", path=function.__name__, hint="Write @nas.space(input=(80, 80, 1))")
        shapes = dict(inputs) if inputs is not None else {arguments[0]: input}
        if list(shapes) != arguments:
            raise SpaceError(
                f"its arguments are {', '.join(arguments)}, its inputs {', '.join(shapes)}",
                path=function.__name__,
                hint="Give each argument a shape: @nas.space(inputs={'left': (64, 64, 3), 'right': (64, 64, 3)})",
            )
        checked = {k: _check_shape(v, f"{function.__name__}.{k}") for k, v in shapes.items()}
        block, trace = trace_network(function, checked, name or function.__name__)
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
    value: Any, build: Callable[[Any], Any] | None = None, *, input: Sequence[int] | None = None, name: str | None = None
) -> SearchSpace:
    """Any PyGlove hyper value, or a zero-argument function that returns one, as a space.

    Args:
        value: a hyper value (`pg.Dict(x=pg.oneof([...]))`, a `pg.Object` with choices, ...), a function returning one, or a
            `SearchSpace` (returned as it is).
        build: from a materialized value to a `keras.Model`; without it the space can be searched with evaluators of your own.
        input: shape of the input, where `value` is an operation of `nas.layers` or `nas.blocks`.
        name: for people and files.
    """
    if isinstance(value, SearchSpace):
        return value
    reference = None
    if callable(value) and not isinstance(value, pg.Symbolic):
        reference = reference_to(value)
        name = name or getattr(value, "__name__", None)
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
    doubts: Sequence[Doubt] = ()
    outputs: Sequence[Possible] = ()
    inputs = None
    if input is not None:
        inputs = {"input": _check_shape(input, "as_space.input")}
        net = SpaceNet()
        outputs = [net.apply(value, Possible(frozenset(inputs.values())))]
        doubts = net.doubts
    return SearchSpace(name or "space", value, inputs=inputs, doubts=doubts, outputs=outputs, build=build, reference=reference)


def load_space(reference: str) -> SearchSpace:
    """The space at `module:name`, `module.path.name` or `file.py:name`.

    Raises:
        SpaceError: nothing is found there, or it is not a space.
    """
    found = resolve(reference, SearchSpace)
    return as_space(found, name=None if callable(found) else reference.replace(":", ".").rpartition(".")[2])


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
