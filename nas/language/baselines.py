"""Named, published points of a space: `space.baselines["book"]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nas.errors import DecisionError
from nas.language.architecture import Architecture

if TYPE_CHECKING:
    from nas.language.space import SearchSpace


class Baselines(Mapping[str, Architecture]):
    """Points made when asked for. What a baseline leaves open takes each choice's first option.

    Args:
        space: whose points they are.
        decisions: name -> what is decided.
    """

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
        try:
            return Architecture(self._space, self._space.genome.encode(self._decisions[name], first_by_default=True))
        except DecisionError as error:
            raise DecisionError(
                error.problem,
                path=f"baselines[{name!r}].{error.path}",
                received=error.received,
                expected=error.expected,
                hint=error.hint,
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._decisions

    def __iter__(self) -> Iterator[str]:
        return iter(self._decisions)

    def __len__(self) -> int:
        return len(self._decisions)
