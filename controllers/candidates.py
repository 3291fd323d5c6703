"""Which architectures a model is asked about: all of them where a space is small, else those around the best known."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from controllers.encoding import Encoding, Features
from nas.language.space import SearchSpace

SMALL = 20_000  # points of a space that is looked at as a whole
PARENTS = 16  # the best that are varied
STEPS = 3  # changes made to a child, at most


@dataclasses.dataclass(frozen=True, eq=False)
class Pool:
    """Candidates.

    Attributes:
        vectors: (n, width) points.
        features: what a model sees of them.
        prices: (n, metrics) their exact costs.
        lasts: whether the same pool comes again for the next proposal.
    """

    vectors: np.ndarray
    features: Features
    prices: np.ndarray
    lasts: bool

    def __len__(self) -> int:
        return len(self.vectors)


@functools.lru_cache(maxsize=8)
def encoding_of(space: SearchSpace) -> Encoding:
    """The encoding of a space, made once: it takes as long as compiling the space."""
    return Encoding(space)


@functools.lru_cache(maxsize=8)
def everything(space: SearchSpace) -> Pool | None:
    """All points of a space; None where there are too many."""
    size = space.genome.size
    if size is None or size > SMALL:
        return None
    return _pool(space, np.array([space.genome.unrank(index) for index in range(size)]), lasts=True)


def around(space: SearchSpace, best: Sequence[np.ndarray], n: int, rng: np.random.Generator) -> Pool:
    """About `n` points: half are children of the best with one to three decisions changed, a quarter are crossings of two
    of them with one decision changed, a quarter are drawn uniformly."""
    genome = space.genome
    parents = np.array(best[:PARENTS])
    drawn = genome.sample(rng, max(1, n // 4))
    if not len(parents):
        return _pool(space, drawn, lasts=False)
    children = parents[rng.integers(len(parents), size=n // 2)]
    changes = rng.integers(1, STEPS + 1, size=len(children))
    for step in range(STEPS):
        more = changes > step
        if more.any():
            children[more] = genome.mutate(children[more], rng)
    first, second = rng.integers(len(parents), size=(2, max(1, n // 4)))
    crossed = genome.mutate(genome.crossover(parents[first], parents[second], rng), rng)
    different = {vector.tobytes(): vector for vector in np.concatenate([children, crossed, drawn])}
    return _pool(space, np.array(list(different.values())), lasts=False)


def _pool(space: SearchSpace, vectors: np.ndarray, lasts: bool) -> Pool:
    encoding = encoding_of(space)
    prices = encoding.prices(vectors)
    return Pool(vectors, encoding.features(vectors, prices), prices, lasts)
