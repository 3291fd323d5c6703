"""Points of a space in the forms that people and other tools use.

    decisions   {"enc0": 2, "down0": "pool", "ops": ["conv3", "skip"]}: names and labels, active decisions only, plain JSON;
                the subchoices of a manyof are a list under the name of the whole
    Vertex      {"enc0": "1/3 (2)", "ops[0]": "0/4 (conv3)", ...}: PyGlove's ids, an entry for each subchoice; what
                `dna.parameters(use_literal_values=True)` gives and `--nas_params_str` carries
    numbers     [1, 0, 0, 3, ...]: the active decisions alone, in the order in which `pg.DNA.to_numbers` gives them

Reading is strict: what is unknown, missing, inactive or out of range is a `DecisionError` that lists what would fit.
"""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nas.errors import DecisionError
from nas.language.program import INACTIVE, Program
from nas.language.units import Values
from nas.language.vocabulary import Vocabulary, either


class Codec:
    """Reads and writes the points of one program in the words of one vocabulary."""

    def __init__(self, program: Program, vocabulary: Vocabulary):
        self._program = program
        self._words = vocabulary

    # -- writing ---------------------------------------------------------------------------------------------------------

    def decisions(self, values: Values) -> dict[str, Any]:
        """Name -> label for each active decision, in pre-order."""
        out: dict[str, Any] = {}
        for name, slots in self._words.entries:
            if self._program.is_active(slots[0], values):
                labels = [self._words.label(i, values[i]) for i in slots]
                out[name] = labels if len(slots) > 1 else labels[0]
        return out

    def vertex(self, values: Values) -> dict[str, str | float]:
        """Id -> "1/3 (2)" for each active choice, id -> number for each active float, in pre-order."""
        return {
            slot.id: values[i] if slot.kind == "float" else self._words.texts[i][int(values[i])]
            for i, slot in enumerate(self._program.slots)
            if self._program.is_active(i, values)
        }

    def numbers(self, values: Values) -> list[int | float]:
        """The values of active slots alone, in pre-order."""
        return [value for i, value in enumerate(values) if self._program.is_active(i, values)]

    def name(self, slot: int) -> str:
        """What people call the decision of a slot."""
        return self._words.names[slot]

    def label(self, slot: int, option: int) -> Any:
        """What people call an option."""
        return self._words.label(slot, option)

    # -- reading ---------------------------------------------------------------------------------------------------------

    def from_decisions(self, decisions: Mapping[str, Any], first_by_default: bool = False) -> Values:
        """The inverse of `decisions`; ids do for names, literals and Vertex's texts for labels."""
        return self._read(self._place(decisions, self._words.by_name), first_by_default)

    def from_vertex(self, parameters: Mapping[str, Any]) -> Values:
        """The inverse of `vertex`; "1/3" or the literal alone do for "1/3 (5)"."""
        return self._read(self._place(parameters, self._words.by_id), vertex=True)

    def from_numbers(self, given: Sequence[Any]) -> Values:
        """The inverse of `numbers`."""
        values: Values = [INACTIVE] * self._program.width
        used = 0
        for i in range(self._program.width):
            if self._program.is_active(i, values):
                if used == len(given):
                    raise self._error(i, f"the DNA ends after {used} numbers", given)
                values[i] = self._index_or_number(i, given[used])
                used += 1
        if used < len(given):
            raise DecisionError(f"{len(given)} numbers where this point has {used} decisions", path="DNA", received=given)
        self._check_groups(values)
        return values

    def check(self, vector: Any) -> Values:
        """The vector as a list, once it is known to be a point of the space; `DecisionError` otherwise."""
        program = self._program
        array = np.asarray(vector)
        if array.shape != (program.width,) or array.dtype.kind not in "iuf":
            problem = f"an array of shape {array.shape} and type {array.dtype}"
            expected = f"shape ({program.width},) and type {program.dtype}"
            raise DecisionError(problem, path="vector", received=vector, expected=expected)
        values = array.tolist()
        for i, value in enumerate(values):
            if program.is_active(i, values):
                values[i] = self._index_or_number(i, value)
            elif value != INACTIVE:
                raise self._inactive(i, value, values, hint="Write -1")
        self._check_groups(values)
        return values

    def _place(self, given: Mapping[str, Any], index: Mapping[str, tuple[int, ...]]) -> dict[int, Any]:
        """What was given, by slot."""
        if not isinstance(given, Mapping):
            raise DecisionError(
                f"a {type(given).__name__}", path="decisions", received=given, expected="a mapping from names to values"
            )
        placed: dict[int, Any] = {}
        for name, value in given.items():
            slots = index.get(name)
            if slots is None:
                raise self._unknown(name, value, index)
            if len(slots) > 1 and (not isinstance(value, list | tuple) or len(value) != len(slots)):
                expected = f"a list of {len(slots)}, each {self._words.expected(slots[0])}"
                raise DecisionError(f"{value!r} does not fit", path=name, received=value, expected=expected)
            for i, one in zip(slots, value if len(slots) > 1 else [value], strict=True):
                if i in placed:
                    path = self._words.names[i]
                    raise DecisionError("given twice", path=path, received=value, hint="Give it once, by one name")
                placed[i] = one
        return placed

    def _read(self, placed: Mapping[int, Any], first_by_default: bool = False, vertex: bool = False) -> Values:
        values: Values = [INACTIVE] * self._program.width
        for i, slot in enumerate(self._program.slots):
            if not self._program.is_active(i, values):
                if i in placed:
                    raise self._inactive(i, placed[i], values, hint="Leave it out")
            elif first_by_default and placed.keys().isdisjoint(slot.group):
                values[i] = self._first(i)
            elif i not in placed:
                raise self._error(i, "no value given", None, hint=f"Add it: it is {self._why_active(i)}", vertex=vertex)
            elif slot.kind == "float":
                values[i] = self._number(i, placed[i])
            else:
                option = self._words.option(i, placed[i], vertex)
                if option is None:
                    hint = f"Choose one of these, or add {placed[i]!r} to the choice"
                    raise self._error(i, f"{placed[i]!r} is not an option", placed[i], hint, vertex)
                values[i] = option
        self._check_groups(values)
        return values

    def _first(self, i: int) -> int | float:
        """What slot i holds in the first point of its space."""
        slot = self._program.slots[i]
        if slot.kind == "float":
            return slot.low
        return slot.group.index(i) if slot.distinct else 0

    def _index_or_number(self, i: int, value: Any) -> int | float:
        slot = self._program.slots[i]
        if slot.kind == "float":
            return self._number(i, value)
        if not isinstance(value, int | float) or not 0 <= value < slot.options or value != int(value):
            raise DecisionError(
                f"{value!r} is not the index of an option",
                path=self._words.names[i],
                received=value,
                expected=f"0 to {slot.options - 1}",
            )
        return int(value)

    def _number(self, i: int, value: Any) -> float:
        slot = self._program.slots[i]
        number = float(value) if isinstance(value, numbers.Real) and not isinstance(value, bool) else math.nan
        if not slot.low <= number <= slot.high:
            raise self._error(i, f"{value!r} does not fit", value)
        return number

    def _check_groups(self, values: Values) -> None:
        """Distinct where they must be, and in order."""
        for name, slots in self._words.entries:
            slot = self._program.slots[slots[0]]
            if len(slots) == 1 or not self._program.is_active(slots[0], values):
                continue
            chosen = [values[i] for i in slots]
            labels = [self._words.label(i, values[i]) for i in slots]
            if slot.distinct and len(set(chosen)) < len(chosen):
                hint = "Give each option at most once"
                raise DecisionError(f"{labels} repeats an option", path=name, received=labels, hint=hint)
            if slot.sorted and chosen != sorted(chosen):
                in_order = [self._words.label(slots[0], option) for option in sorted(chosen)]
                hint = "Move what hangs below each option along with it"
                raise DecisionError(f"{labels} is out of order", path=name, received=labels, expected=f"{in_order}", hint=hint)

    # -- messages --------------------------------------------------------------------------------------------------------

    def _error(self, i: int, problem: str, received: Any, hint: str = "", vertex: bool = False) -> DecisionError:
        expected = self._words.expected(i, vertex)
        return DecisionError(problem, path=self._words.names[i], received=received, expected=expected, hint=hint)

    def _unknown(self, name: Any, value: Any, index: Mapping[str, tuple[int, ...]]) -> DecisionError:
        known = [whole for whole, _ in self._words.entries] if index is self._words.by_name else list(index)
        close = difflib.get_close_matches(str(name), known, n=1)
        hint = f"Perhaps {close[0]} is meant" if close else "Leave it out"
        return DecisionError("no such decision", path=str(name), received=value, expected=either(known) or "none", hint=hint)

    def _inactive(self, i: int, value: Any, values: Values, hint: str) -> DecisionError:
        slot, option = self._program.slots[i].parent or (i, 0)
        while not self._program.is_active(slot, values):  # the outermost condition that fails is the one to change
            slot, option = self._program.slots[slot].parent or (slot, option)
        name, label = self._words.names[slot], self._words.label
        return DecisionError(
            f"{value!r} for a decision that is inactive because {name} is {label(slot, values[slot])!r}",
            path=self._words.names[i],
            received=value,
            hint=f"{hint}, or set {name} to {label(slot, option)!r}",
        )

    def _why_active(self, i: int) -> str:
        parent = self._program.slots[i].parent
        if parent is None:
            return "always active"
        return f"active because {self._words.names[parent[0]]} is {self._words.label(*parent)!r}"
