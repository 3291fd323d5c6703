"""Which points of a space are the same network: how many are distinct, which decisions are dead, which options are the same.

Published spaces have many copies: of the 10^16 points of the Vertex AI MnasNet space 2.3% are distinct, because a plain
convolution ignores its expansion and squeeze-excite. A search that does not know it spends most of its draws on them.

Plain values are counted (varieties.py), and a space that can be listed is listed: the answers are exact. Otherwise they are
estimated from points drawn uniformly. The share of distinct networks is the share of points that are the first of their kind,
in the order of their decisions. Whether a point is, is asked of all points one step away: another option of one decision, or
two decisions that stand side by side exchanged (moves.py). If one of them comes earlier and is the same network, it is not the
first. A copy further away goes unseen, so the estimate can be too high, never too low; it is exact where copies come from
options that make no difference, one by one, as they do in published spaces. The interval (Clopper & Pearson 1934, 95%) is about
the draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.language.automaton.forms import TooEntangled
from nas.language.automaton.keys import Keys
from nas.language.copies import DeadDecision, Duplicates, KeySource, Listing, Names, SameOptions, outermost
from nas.language.drawn_copies import Drawing
from nas.language.varieties import Varieties

if TYPE_CHECKING:
    from nas.language.space import SearchSpace

LISTED = 20_000  # points of a space that is listed
SLOW = 5  # times fewer of both where each network is made one by one


def find_duplicates(space: SearchSpace, seed: int = 0) -> Duplicates:
    """Which points of a space are the same network, the same value, or have the same canonical key.

    Limits on costs are left aside; floats stand still. Takes a few seconds at most.

    Example:
        >>> import nas
        >>> from nas import layers as L, oneof
        >>> @nas.space(input=(8, 8, 3))
        ... def net(x):
        ...     L.Conv2D(oneof([4, 8]), 3, name="forgotten")(x)
        ...     return L.Dropout(oneof([0.0, 0.1]))(nas.choose(L.Identity(), None, L.ReLU(), name="act")(x))
        >>> found = find_duplicates(net)
        >>> found.distinct, found.points
        (4, 12)
        >>> [(one.name, one.compared) for one in found.dead], [(two.name, two.options) for two in found.same]
        ([('forgotten.filters', 6)], [('act', ('identity', 'none'))])
    """
    space = space.whole
    program = space.genome.program
    if not space.is_network and space.canonical_function is None:
        counted = _of_values(space)
        if counted is not None:
            return counted
    keys = _keys_of(space)
    if program.points <= LISTED // keys.slow and not program.continuous:
        return Listing(space, keys).found()
    return Drawing(space, keys, seed).found()


def _keys_of(space: SearchSpace) -> KeySource:
    if not space.is_network:
        return KeySource(space.values.keys, slow=SLOW if space.canonical_function else 1)
    try:
        keys = Keys(space)
    except TooEntangled:
        return KeySource(lambda vectors: [space.architecture(vector).fingerprint for vector in vectors], slow=SLOW)
    return KeySource(
        lambda vectors: keys.of(vectors).tolist(),
        lambda vectors: keys.of(vectors, rough=True).tolist(),
        work=lambda: keys.work,
    )


def _of_values(space: SearchSpace) -> Duplicates | None:
    """For plain values without a key of their own; None where they cannot be counted."""
    program, names = space.genome.program, Names(space)
    varieties = Varieties(space.values.root)
    distinct = varieties.count()
    if distinct is None:
        return None
    same: dict[int, list[tuple[int, int]]] = {}
    for slot, a, b in varieties.same():
        same.setdefault(slot, []).append((a, b))
    dead = [slot for slot, pairs in same.items() if len(pairs) == program.slots[slot].options - 1 and pairs[-1][0] == 0]
    dead = [slot for slot in dead if len(program.slots[slot].group) == 1]
    dead = outermost(dead, program)
    hidden = {i for slot in dead for i in range(slot, program.slots[slot].end)}
    return Duplicates(
        program.points,
        (distinct / program.points,) * 2,
        distinct,
        0,
        tuple(DeadDecision(names.decision(slot), program.slots[slot].options - 1) for slot in dead),
        tuple(
            SameOptions(names.decision(slot), names.options(slot, a, b), 1)
            for slot, pairs in same.items()
            if slot not in hidden and program.slots[slot].group[0] == slot
            for a, b in pairs
        ),
    )
