"""The search space: every architecture that can be proposed, as one object.

Two kinds have one face. A function decorated with `@nas.space` is traced to a network with open choices: its architectures have
graphs, costs and Keras models. Any other PyGlove hyper value is a space of values: it is counted, sampled and searched the same
way, and `build` says how a value becomes a model.

A space may be restricted: by rules between decisions (`nas.require`), or by limits on what architectures cost
(`space.within(flops=100e6)`). It stays a `SearchSpace`; what differs is its genome, which knows points that fit and no others.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyglove as pg

from nas.errors import DecisionError, ShapeError, SpaceError, UserError
from nas.language.architecture import Architecture
from nas.language.assemble import Assembler
from nas.language.automaton.compiler import Automaton, compile_space
from nas.language.automaton.forms import TooEntangled
from nas.language.automaton.library import Library
from nas.language.automaton.terms import Plan, terms_of
from nas.language.baselines import Baselines
from nas.language.budget import Budget
from nas.language.costing import Rule
from nas.language.feasible_genome import FeasibleGenome
from nas.language.fingerprint import fingerprint
from nas.language.genome import Genome
from nas.language.graph import Graph
from nas.language.naming import name_decisions
from nas.language.operation import Operation, Shape
from nas.language.pricing import Cost, price
from nas.language.proof import Proof, prove
from nas.language.requirements import requirements_of
from nas.language.scaling import takes_size
from nas.language.selection import Size
from nas.language.shapes import Doubt, Possible
from nas.language.summaries import Extreme, Histogram
from nas.language.values import Values


class SearchSpace:
    """Made by `@nas.space`, `nas.as_space` or `space.within`.

    Args:
        doubts: combinations of shapes that fail, as shape inference over the whole space found them; None: it was not asked.
        outputs: the shapes that each output can have.
        build: from a value of the space to a model.
        canonical: from a value of the space to what identifies its network.
        budget: limits on another space, of which this is a part.
        spec: `pg.dna_spec(hyper)`, where it was made before: PyGlove takes seconds for large spaces.

    Raises:
        ShapeError: some architectures do not build; names the path, the rule and a smallest witness.

    Attributes:
        name: for people and files.
        hyper: the plain PyGlove value; without rules and limits `pg.dna_spec(space.hyper).space_size == space.size`.
        inputs: name -> shape, in the order the network takes them; empty for a space of plain values.
        doubts: combinations of shapes that fail, though no architecture is known to contain them; empty: all build (a proof).
        reference: `module:name` or `file.py:name`, which `nas.load_space` resolves in another process; None: there is none.
        build_function, canonical_function: what was given as `build` and `canonical`.
        whole: the space without limits; itself where it has none. Architectures belong to it.
    """

    def __init__(
        self,
        name: str,
        hyper: Any,
        *,
        inputs: Mapping[str, Shape] | None = None,
        doubts: Sequence[Doubt] | None = None,
        outputs: Sequence[Possible] = (),
        baselines: Mapping[str, Mapping[str, Any]] | None = None,
        build: Callable[[Any], Any] | None = None,
        canonical: Callable[[Any], Any] | None = None,
        reference: str | None = None,
        description: str = "",
        budget: Budget | None = None,
        spec: pg.DNASpec | None = None,
    ):
        self.name = name
        self.hyper = hyper
        self.inputs = {k: tuple(v) for k, v in (inputs or {}).items()}
        self.doubts = tuple(doubts or ())
        self.reference = reference
        self.description = description
        self.whole: SearchSpace = budget.space if budget is not None else self
        self._limited = budget
        self._followed = doubts is not None
        self._outputs = tuple(outputs)
        self._spec = spec
        self.build_function, self.canonical_function = build, canonical
        self._baselines = dict(baselines or {})
        if self.doubts:
            self._settle_doubts()

    # -- what it is ------------------------------------------------------------------------------------------------------

    @functools.cached_property
    def genome(self) -> Genome | FeasibleGenome:
        """The decisions as flat arrays: count, sample, mutate, cross over."""
        if self._limited is not None:
            return self._limited.genome
        rules = self.plain_genome.program.rules
        return FeasibleGenome(self.plain_genome, self.plain_genome, rules.meets) if rules else self.plain_genome

    @functools.cached_property
    def plain_genome(self) -> Genome:
        """The decisions as flat arrays, varied without regard to rules and limits."""
        if self.whole is not self:
            return self.whole.plain_genome
        names, labels = {}, {}
        if self.is_network:
            for identity, name, options in name_decisions(self.hyper):
                names[identity], labels[identity] = name, options
        return Genome(self._spec or pg.dna_spec(self.hyper), names, labels, requirements_of(self.hyper))

    @property
    def is_network(self) -> bool:
        """Whether architectures have graphs (otherwise they are plain PyGlove values)."""
        return isinstance(self.hyper, Operation) and bool(self.inputs)

    @property
    def input_shape(self) -> Shape | None:
        """Shape of the first input."""
        return next(iter(self.inputs.values()), None)

    @property
    def output_shape(self) -> Shape | None:
        """Shape of the first output, where all architectures agree on it."""
        shapes = self._outputs[0].shapes if self._outputs else frozenset()
        return next(iter(shapes)) if len(shapes) == 1 else None

    @property
    def limits(self) -> dict[str, float]:
        """Metric -> the most that an architecture may cost; empty where nothing is limited."""
        return dict(self._limited.limits) if self._limited is not None else {}

    @functools.cached_property
    def digest(self) -> str:
        """Identifies the space: its decisions with their options, rules and limits, and a few of its networks."""
        if self._limited is not None:
            return self._limited.digest
        spec: list[Any] = [(slot.id, slot.kind, slot.options, [str(v) for v in slot.literals]) for slot in self.genome.slots]
        spec += [(rule.ids, sorted(rule.permitted)) for rule in requirements_of(self.hyper)]
        probes = []
        if self.is_network and self.size:
            probes = [self._fingerprint_of(i * (self.size - 1) // 4) for i in range(5)]
        return hashlib.blake2b(json.dumps([spec, probes]).encode(), digest_size=16).hexdigest()

    def _fingerprint_of(self, index: int) -> str:
        """The fingerprint of a point; "" where it does not build, in a space that was not checked."""
        try:
            return self.architecture(index).fingerprint
        except ShapeError:
            return ""

    # -- how many --------------------------------------------------------------------------------------------------------

    @property
    def size(self) -> int | None:
        """The exact number of architectures, as points.

        None where a float choice makes it continuous, and within limits where an exact count would take longer than about two
        seconds: `size_bracket` then says what is known, `exact_size()` counts.
        """
        return self._limited.known_size if self._limited is not None else self.genome.size

    @property
    def size_bracket(self) -> Size:
        """How many points there are: at least and at most, and whether that is certain or a 99% interval.

        A float counts as one point.
        """
        points = self.genome.program.points
        return self._limited.size if self._limited is not None else Size(points, points)

    def exact_size(self) -> int:
        """The exact number of architectures, floats counted as one; within a limit it may take up to a minute.

        Raises:
            UserError: several limits, or costs in too fine steps.
        """
        return self._limited.exact_size() if self._limited is not None else self.genome.program.points

    @property
    def share(self) -> tuple[float, float]:
        """The share of the whole space's points: at least and at most, as `size_bracket`."""
        points = self.whole.genome.program.points
        return self.size_bracket.low / points, self.size_bracket.high / points

    # -- its points ------------------------------------------------------------------------------------------------------

    def sample(self, seed: int | None = None, n: int | None = None) -> Any:
        """One architecture drawn uniformly from all points, or a list of `n`."""
        rows = self.genome.sample(np.random.default_rng(seed), 1 if n is None else n)
        architectures = [Architecture(self.whole, row) for row in rows]
        return architectures[0] if n is None else architectures

    def architecture(self, point: int | Mapping[str, Any] | np.ndarray | pg.DNA) -> Architecture:
        """The architecture at an index, or with the given decisions, vector or `pg.DNA`.

        Under limits the latter need not be within them: `architecture in space` says whether it is.

        Raises:
            DecisionError: the point is not in the space.
        """
        genome = self.plain_genome
        if isinstance(point, bool):
            raise DecisionError(f"{point!r} does not name an architecture", received=point, expected="an index or decisions")
        if isinstance(point, int | np.integer):
            return self._numbered(int(point))
        if isinstance(point, pg.DNA):
            return Architecture(self.whole, genome.from_dna(point))
        if isinstance(point, Mapping):
            return Architecture(self.whole, genome.encode(point))
        genome.validate(point)
        return Architecture(self.whole, point)

    def _numbered(self, index: int) -> Architecture:
        count = self.genome.size
        if self._limited is not None and count is None:
            expected = "decisions: there are too many to number"
            raise DecisionError(f"no architecture {index}", path=self.name, received=index, expected=expected)
        if count is not None and not 0 <= index < count:
            expected = f"an index from 0 to {count - 1}"
            raise DecisionError(f"no architecture {index}", path=self.name, received=index, expected=expected)
        return Architecture(self.whole, self.genome.unrank(index))

    @functools.cached_property
    def baselines(self) -> Mapping[str, Architecture]:
        """Named, published points of the space; under limits, those within them."""
        if self.whole is self:
            return Baselines(self, self._baselines)
        return {name: point for name, point in self.whole.baselines.items() if point in self}

    def __contains__(self, architecture: Architecture) -> bool:
        if self._limited is not None:
            return bool(self._limited.fits(architecture.vector[None])[0])
        return architecture.space.digest == self.digest

    def __iter__(self) -> Iterator[Architecture]:
        """Every architecture, in order of index."""
        count = self.genome.size
        if count is None:
            problem = "too many architectures to list" if self.limits else "a continuous space cannot be listed"
            raise SpaceError(problem, path=self.name, hint="Use sample()")
        return (self.architecture(i) for i in range(count))

    def __len__(self) -> int:
        return self.size or 0

    def __bool__(self) -> bool:
        return True  # len() overflows for spaces of more than 2^63 points

    # -- proof and budget ------------------------------------------------------------------------------------------------

    @functools.cached_property
    def plan(self) -> Plan:
        """The network with open choices taken apart, for whatever folds over a whole space."""
        return terms_of(self.hyper, len(self.inputs)) if self.whole is self else self.whole.plan

    @functools.cached_property
    def library(self) -> Library:
        """What its layers make of the shapes they have been applied to."""
        return Library() if self.whole is self else self.whole.library

    @property
    def automaton(self) -> Automaton:
        """The whole space, compiled: proved, counted and priced at once.

        Raises:
            TooEntangled: the space is too large to compile.
            SpaceError: its values have no graph.
        """
        found = self.whole._compiled
        if isinstance(found, TooEntangled):
            raise found
        return found

    @functools.cached_property
    def _compiled(self) -> Automaton | TooEntangled:
        """The automaton, or why there is none: to find that out takes seconds too."""
        try:
            return compile_space(self)
        except TooEntangled as error:
            return error

    @functools.cached_property
    def proof(self) -> Proof:
        """Whether all architectures build: proved, refuted with a smallest witness, or undecided with what a sample says.

        Raises:
            SpaceError: its values have no graph.
        """
        if self.whole is not self:
            return self.whole.proof
        return prove(self, certain=self._followed and not self.doubts)

    def within(self, *, rules: Mapping[str, Rule] | None = None, **limits: float) -> SearchSpace:
        """The architectures that cost at most the limits: a space again.

        Args:
            rules: metric -> what each operation adds to it, for metrics beyond FLOPs, MACs and parameters:
                `{"latency_ms": rule}`. A rule is called as `rule(call, input_shapes, output_shape)`; `costing.TableRule` makes
                one of a table.
            limits: metric -> the most that an architecture may cost: `flops=100e6, params=2e6, latency_ms=5`. None at all:
                every architecture that builds.

        Raises:
            UserError: no architecture is within the limits, or a metric is not additive.
            TooEntangled: the space is too large to compile (see `compile_space`).

        Example:
            >>> from search_spaces.colorizer import colorizer
            >>> small = colorizer.within(flops=60e6)
            >>> small.size_bracket.high / colorizer.size < 1e-8
            True
            >>> small.sample(seed=0).cost().flops <= 60e6
            True
        """
        before = self._limited or Budget(self, {}, {})
        found = self.restricted(before.tightened(limits, rules or {}))
        found.budget.selection  # noqa: B018 -- so that a mistake is raised here
        return found

    def restricted(self, budget: Budget) -> SearchSpace:
        """The part of this space that a budget leaves."""
        return SearchSpace(
            self.name,
            self.hyper,
            inputs=self.inputs,
            outputs=self._outputs,
            build=self.build_function,
            canonical=self.canonical_function,
            description=self.description,
            budget=budget,
        )

    @functools.cached_property
    def budget(self) -> Budget:
        """What architectures cost, and how many are within the limits."""
        return self._limited or Budget(self, {}, {})

    def cheapest(self, metric: str) -> Extreme:
        """The architecture with the least of an additive cost, and how sure that is."""
        return self.budget.cheapest(metric)

    def dearest(self, metric: str) -> Extreme:
        """The architecture with the most of an additive cost, and how sure that is."""
        return self.budget.dearest(metric)

    def histogram(self, metric: str, bins: int = 50) -> Histogram:
        """How the architectures are distributed over an additive cost."""
        return self.budget.histogram(metric, bins)

    def _settle_doubts(self) -> None:
        """Raises where a doubt about shapes turns out to be an architecture that does not build; else forgets what is not."""
        if self.proof.status == "refuted":
            raise self.proof.as_error()
        if self.proof.status == "proved":
            self.doubts = ()

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
            return self.assembler.graph(architecture.vector)
        except UserError as error:
            error.received = architecture.decisions
            raise

    def takes_size(self, size: Sequence[int], samples: int = 8) -> bool:
        """Whether its networks, weights and all, also take images of another size and give outputs scaled alike.

        Asked of `samples` random architectures: a cheaper proxy task on smaller images needs it.
        """
        return takes_size(self, size, samples)

    def fingerprint_of(self, architecture: Architecture) -> str:
        """Equal for architectures whose networks, values or canonical keys are the same."""
        if self.is_network:
            return fingerprint(architecture.network)
        text = json.dumps(self.values.key(architecture.vector), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def price(self, architecture: Architecture) -> Cost:
        return price(architecture.network)

    def build(self, architecture: Architecture, seed: int | None = None) -> Any:
        """The Keras model of one architecture."""
        if self.build_function is not None:
            return self.build_function(self.materialize(architecture))
        if not self.is_network:
            raise SpaceError("it does not say how to build a model", path=self.name, hint="nas.as_space(value, build=function)")
        from nas.language.keras_model import build_model

        return build_model(architecture.network, name=self.name, seed=seed)

    def materialize(self, architecture: Architecture) -> Any:
        """The PyGlove value of one architecture."""
        return self.values.value(architecture.vector)

    @functools.cached_property
    def values(self) -> Values:
        """From points to PyGlove values."""
        return Values(self.hyper, self.plain_genome, self.canonical_function) if self.whole is self else self.whole.values

    @functools.cached_property
    def assembler(self) -> Assembler:
        """What makes graphs of vectors."""
        return Assembler(self.hyper, self.genome.slots, self.inputs)

    def draw(self, title: str = "", depth: int | None = None) -> str:
        """A picture of the space, choices visible, as SVG text; see `nas.language.drawing.draw_space`."""
        from nas.language.drawing import draw_space

        return draw_space(self, title, depth).svg()

    def _repr_html_(self) -> str:
        from nas.language.drawing import draw_space

        return draw_space(self).html()

    def __repr__(self) -> str:
        if self._limited is not None:
            return f"SearchSpace({self.name} within {self._limited or 'no limits'})"
        size = "continuous" if self.size is None else f"{self.size:.3g} points" if self.size > 10**6 else f"{self.size} points"
        return f"SearchSpace({self.name}: {size}, {len(self.genome.slots)} decisions)"
