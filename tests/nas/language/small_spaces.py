"""Random small search spaces for hypothesis: nested tuples, which shrink well, built into PyGlove values."""

import pyglove as pg
from hypothesis import strategies as st


def descriptions(max_leaves=9):
    """Choices, manyofs of every kind and records, nested at random."""

    def larger(inner):
        candidates = st.lists(inner, min_size=1, max_size=3)
        choice = st.tuples(st.just("one"), candidates)
        many = st.tuples(st.just("many"), candidates, st.integers(1, 3), st.booleans(), st.booleans())
        record = st.tuples(st.just("record"), st.lists(inner, min_size=1, max_size=3))
        return choice | many | record

    return st.recursive(st.integers(0, 3), larger, max_leaves=max_leaves)


def build(description):
    """The PyGlove value of a description."""
    match description:
        case ("one", candidates):
            return pg.oneof([build(c) for c in candidates])
        case ("many", candidates, k, distinct, ordered):
            k = min(k, len(candidates)) if distinct else k
            return pg.manyof(k, [build(c) for c in candidates], distinct=distinct, sorted=ordered)
        case ("record", parts):
            return pg.Dict({f"p{i}": build(part) for i, part in enumerate(parts)})
    return description
