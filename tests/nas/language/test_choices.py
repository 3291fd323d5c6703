"""Choices are decisions for fields, and refuse Python control flow."""

import pyglove as pg
import pytest

import nas
from nas import layers as L
from nas.errors import SpaceError


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda c: 1 if c else 2, "Python `if`, `and`, `or` or `not` on a choice"),
        (lambda c: not c, "Python `if`, `and`, `or` or `not` on a choice"),
        (lambda c: range(c), "Python `range` or indexing on a choice"),
        (lambda c: [1, 2][c], "Python `range` or indexing on a choice"),
        (lambda c: list(c), "Python iteration on a choice"),
        (lambda c: c * 2, "Python arithmetic on a choice"),
        (lambda c: 16 << c, "Python arithmetic on a choice"),
        (lambda c: -c, "Python arithmetic on a choice"),
        (lambda c: int(c), "Python `int()` on a choice"),
        (lambda c: c < 3, "Python comparison on a choice"),
        (lambda c: c == 3, "Python comparison on a choice"),
        (lambda c: c != "relu", "Python comparison on a choice"),
    ],
)
def test_python_control_flow_on_a_choice_is_refused(use, message):
    with pytest.raises(SpaceError) as caught:
        use(nas.oneof([1, 2], name="width"))
    assert str(caught.value).startswith(f"width: {message} would fix the decision while the space is being defined.")
    assert caught.value.hint


def test_choices_are_plain_pyglove_values():
    conv = L.Conv2D(nas.oneof([16, 32]), nas.oneof([3, 5]))
    assert isinstance(conv.filters, pg.hyper.OneOf)
    assert pg.dna_spec(conv).space_size == 4
    assert pg.eq(conv, conv.clone(deep=True))


def test_every_candidate_is_checked_where_it_is_written():
    with pytest.raises(SpaceError) as caught:
        L.Conv2D(nas.oneof([16, "wide"]), 3)
    assert caught.value.path == "Conv2D.filters[1]"


@pytest.mark.parametrize("candidates", [[], "relu", 3])
def test_no_candidates(candidates):
    with pytest.raises(SpaceError):
        nas.oneof(candidates)


def test_manyof_counts_sets():
    assert pg.dna_spec(nas.manyof(2, [1, 2, 3, 4], sorted=True)).space_size == 6
    with pytest.raises(SpaceError, match="5 distinct choices from 3 candidates, expected 1 to 3"):
        nas.manyof(5, [1, 2, 3])
