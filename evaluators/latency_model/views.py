"""Architectures as the matrices a latency model compares: built once for those measured, then for each batch to predict.

Everything is scaled by the measured architectures' means, so that the numbers of the prior mean the same on every space.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from evaluators.latency_model.features import Catalogue, Described, matrix


@dataclasses.dataclass(frozen=True)
class Views:
    """A batch of architectures.

    Attributes:
        counts, dead: (n, operations), how often each operation occurs, in the network and beside it.
        options, decisions: (n, columns), centred, of mean square 1 over the measured ones.
        options_unknown, decisions_unknown: (n,) square of what lies outside the columns: options that were never measured.
        depth: (n,) relative to the measured ones' mean.
    """

    counts: np.ndarray
    dead: np.ndarray
    options: np.ndarray
    decisions: np.ndarray
    options_unknown: np.ndarray
    decisions_unknown: np.ndarray
    depth: np.ndarray

    def executed(self, share: float) -> np.ndarray:
        """(n, operations), how often each operation is executed where a share of the dead ones is."""
        return self.counts + share * self.dead if share else self.counts

    def take(self, rows: np.ndarray) -> Views:
        """Those of some rows."""
        return Views(**{field.name: getattr(self, field.name)[rows] for field in dataclasses.fields(self)})


class Columns:
    """Some of the catalogue's names as columns, centred and scaled as those of the measured architectures are."""

    def __init__(self, measured: Sequence[np.ndarray]):
        self._names = np.unique(np.concatenate([row[:, 0] for row in measured]))
        raw, _ = self._fill(measured)
        self._mean = raw.mean(axis=0)
        self._scale = float(np.sqrt(np.square(raw - self._mean).sum(axis=1).mean())) or 1.0

    def matrix(self, rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """(n, columns) and (n,), see `Views`."""
        raw, unknown = self._fill(rows)
        return (raw - self._mean) / self._scale, unknown / self._scale**2

    def _fill(self, rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        width = 1 + max((int(row[:, 0].max(initial=-1)) for row in rows), default=-1)
        everything = matrix(rows, max(width, int(self._names.max(initial=-1)) + 1))
        known = everything[:, self._names]
        return known, np.square(everything).sum(axis=1) - np.square(known).sum(axis=1)


class Frame:
    """How batches become views: fixed by the architectures that were measured.

    Args:
        catalogue: which described them.
        measured: their descriptions.
    """

    def __init__(self, catalogue: Catalogue, measured: Sequence[Described]):
        self._catalogue = catalogue
        self._options = Columns([each.options for each in measured])
        self._decisions = Columns([each.decisions for each in measured])
        self._depth = float(np.mean([each.depth for each in measured])) or 1.0

    def views(self, described: Sequence[Described]) -> Views:
        """Of a batch."""
        width = len(self._catalogue.operations)
        options, options_unknown = self._options.matrix([each.options for each in described])
        decisions, decisions_unknown = self._decisions.matrix([each.decisions for each in described])
        return Views(
            matrix([each.operations for each in described], width),
            matrix([each.dead for each in described], width),
            options,
            decisions,
            options_unknown,
            decisions_unknown,
            np.array([each.depth for each in described]) / self._depth,
        )
