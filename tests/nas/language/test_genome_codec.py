"""Names, labels and what is said where decisions do not name a point."""

import functools
import json

import numpy as np
import pyglove as pg
import pytest

from nas.errors import DecisionError, SpaceError
from nas.language.genome import Genome


class Conv(pg.Object):
    kernel: int


@functools.cache
def genome():
    """A conditional, repeated literals, a manyof with a choice inside and a float, under names of their own."""
    value = pg.Dict(
        down=pg.oneof([Conv(pg.oneof([3, 5, 7])), "pool", None]),
        widths=pg.oneof([8, 8, 16]),
        ops=pg.manyof(2, ["add", pg.Dict(n=pg.oneof([1, 2])), "skip"], sorted=True),
        rate=pg.floatv(0.1, 0.5),
    )
    return Genome(
        pg.dna_spec(value),
        names={"down": "down0", "down[=0/3].kernel": "down0.kernel"},
        labels={"down": ["conv", "pool", None], "ops": ["add", "many", "skip"]},
    )


POINT = {"down0": "conv", "down0.kernel": 5, "widths": "8#2", "ops": ["add", "many"], "ops[1][=1/3].n": 2, "rate": 0.25}
VECTOR = [0, 1, 1, 0, -1, 1, 1, 0.25]


def refusal(call, *arguments):
    with pytest.raises(DecisionError) as caught:
        call(*arguments)
    return str(caught.value)


def without(name):
    return {k: v for k, v in POINT.items() if k != name}


# -- names and labels --------------------------------------------------------------------------------------------------------


def test_decisions_are_named_in_order_and_plain_json():
    assert genome().decisions(np.array(VECTOR)) == POINT
    assert list(genome().decisions(np.array(VECTOR))) == list(POINT)
    assert genome().encode(json.loads(json.dumps(POINT))).tolist() == VECTOR


@pytest.mark.parametrize(
    "other",
    [
        without("down0") | {"down": "conv"},  # by id
        POINT | {"down0": "Conv(kernel=OneOf(candidates=[0: 3, 1: 5, 2: 7]))"},  # by literal
        POINT | {"down0": "0/3", "down0.kernel": "1/3 (5)"},  # by Vertex's text
        POINT | {"down0.kernel": 5.0},  # equal numbers
        POINT | {"down0.kernel": np.int64(5), "rate": np.float64(0.25)},
        without("ops") | {"ops[0]": "add", "ops[1]": "many"},  # one by one
        POINT | {"ops": ("add", "many")},
    ],
)
def test_other_ways_to_say_the_same(other):
    assert genome().encode(other).tolist() == VECTOR


def test_numbers_are_values_and_never_indices():
    assert "down0.kernel: 1 is not an option" in refusal(genome().encode, POINT | {"down0.kernel": 1})
    ints = Genome(pg.dna_spec(pg.Dict(n=pg.oneof([2, 1, 0]))))
    assert ints.encode({"n": 2}).tolist() == [0]


def test_literals_become_plain_labels():
    plain = Genome(pg.dna_spec(pg.Dict(a=pg.oneof(["relu", None, True, 1, 1.0, "1", (3, 3), "it's"]))))
    shown = [plain.decisions(plain.unrank(i))["a"] for i in range(plain.size)]
    assert [json.dumps(label) for label in shown] == ['"relu"', "null", "true", "1", "1.0", '"1"', '"(3, 3)"', '"it\'s"']
    assert [plain.encode({"a": label})[0] for label in shown] == list(range(8))
    assert plain.encode({"a": "'relu'"})[0] == 0


def test_vertex_text_wins_over_a_label_only_in_vertex_form():
    odd = Genome(pg.dna_spec(pg.Dict(a=pg.oneof(["1/2", "x"]))))
    assert odd.encode({"a": "1/2"}).tolist() == [0]
    assert odd.from_vertex({"a": "1/2"}).tolist() == [1]
    assert odd.from_vertex({"a": "0/2 ('1/2')"}).tolist() == [0]


def test_a_manyof_can_be_named_as_a_whole_or_by_subchoice():
    spec = pg.dna_spec(pg.Dict(ops=pg.manyof(2, ["a", "b", "c"])))
    for names in ({"ops": "merge"}, {"ops[0]": "merge[0]", "ops[1]": "merge[1]"}):
        named = Genome(spec, names=names)
        assert named.decisions(named.unrank(0)) == {"merge": ["a", "b"]}
        assert named.encode({"merge[0]": "c", "merge[1]": "a"}).tolist() == [2, 0]


def test_what_is_left_out_takes_the_first_option_when_asked_to():
    assert genome().encode({}, first_by_default=True).tolist() == [0, 0, 0, 0, -1, 1, 0, 0.1]
    assert genome().encode({"down0": None, "rate": 0.5}, first_by_default=True).tolist() == [2, -1, 0, 0, -1, 1, 0, 0.5]
    assert "ops[1]: no value given" in refusal(genome().encode, {"ops[0]": "add"}, True)


# -- errors, word for word ----------------------------------------------------------------------------------------------------


def test_a_value_that_is_not_an_option():
    error = refusal(genome().encode, POINT | {"down0.kernel": 4})
    assert error == "down0.kernel: 4 is not an option, expected 3, 5 or 7. Choose one of these, or add 4 to the choice."


def test_a_vertex_text_that_is_not_an_option():
    error = refusal(genome().from_vertex, genome().to_vertex(np.array(VECTOR)) | {"widths": "1/3 (16)"})
    assert error == (
        "widths: '1/3 (16)' is not an option, expected 0/3 (8), 1/3 (8) or 2/3 (16). "
        "Choose one of these, or add '1/3 (16)' to the choice."
    )


def test_an_unknown_name():
    error = refusal(genome().encode, POINT | {"down0.kernal": 3})
    assert error == (
        "down0.kernal: no such decision, expected down0, down0.kernel, widths, ops, ops[0][=1/3].n, ops[1][=1/3].n or rate. "
        "Perhaps down0.kernel is meant."
    )


def test_a_missing_decision_says_why_it_is_needed():
    assert refusal(genome().encode, without("down0.kernel")) == (
        "down0.kernel: no value given, expected 3, 5 or 7. Add it: it is active because down0 is 'conv'."
    )
    assert refusal(genome().encode, without("rate")) == (
        "rate: no value given, expected a number from 0.1 to 0.5. Add it: it is always active."
    )


def test_an_inactive_decision_says_what_to_change():
    assert refusal(genome().encode, POINT | {"down0": "pool"}) == (
        "down0.kernel: 5 for a decision that is inactive because down0 is 'pool'. Leave it out, or set down0 to 'conv'."
    )


def test_the_outermost_condition_is_named():
    deep = Genome(pg.dna_spec(pg.Dict(a=pg.oneof([1, pg.Dict(b=pg.oneof([1, pg.Dict(c=pg.oneof([1, 2]))]))]))))
    error = refusal(deep.encode, {"a": 1, "a[=1/2].b[=1/2].c": 2})
    assert error.startswith("a[=1/2].b[=1/2].c: 2 for a decision that is inactive because a is 1. Leave it out, or set a to ")


def test_a_number_outside_its_range():
    for value in (0.6, float("nan"), "0.2", True, None):
        error = refusal(genome().encode, POINT | {"rate": value})
        assert error == f"rate: {value!r} does not fit, expected a number from 0.1 to 0.5."


def test_a_manyof_that_breaks_its_rules():
    rest = {k: v for k, v in POINT.items() if not k.startswith("ops")}
    assert refusal(genome().encode, rest | {"ops": ["skip", "skip"]}) == (
        "ops: ['skip', 'skip'] repeats an option. Give each option at most once."
    )
    assert refusal(genome().encode, rest | {"ops": ["skip", "add"]}) == (
        "ops: ['skip', 'add'] is out of order, expected ['add', 'skip']. Move what hangs below each option along with it."
    )
    assert refusal(genome().encode, rest | {"ops": ["skip"]}) == (
        "ops: ['skip'] does not fit, expected a list of 2, each 'add', 'many' or 'skip'."
    )
    assert refusal(genome().encode, rest | {"ops": "add"}) == (
        "ops: 'add' does not fit, expected a list of 2, each 'add', 'many' or 'skip'."
    )


def test_a_decision_given_twice():
    assert refusal(genome().encode, POINT | {"down": "conv"}) == "down0: given twice. Give it once, by one name."


def test_not_a_mapping():
    assert refusal(genome().encode, [1, 2]) == "decisions: a list, expected a mapping from names to values."


def test_many_options_are_counted_and_not_all_listed():
    wide = Genome(pg.dna_spec(pg.Dict(n=pg.oneof(list(range(100))))))
    assert refusal(wide.encode, {"n": -1}) == (
        "n: -1 is not an option, expected 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ... (100 in all). "
        "Choose one of these, or add -1 to the choice."
    )


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        ([0, 1], "vector: an array of shape (2,) and type int64, expected shape (8,) and type float64."),
        (["0"] * 8, "vector: an array of shape (8,) and type <U1, expected shape (8,) and type float64."),
        ([0, 3, 1, 0, -1, 1, 1, 0.25], "down0.kernel: 3.0 is not the index of an option, expected 0 to 2."),
        ([0, -1, 1, 0, -1, 1, 1, 0.25], "down0.kernel: -1.0 is not the index of an option, expected 0 to 2."),
        ([0.5, 1, 1, 0, -1, 1, 1, 0.25], "down0: 0.5 is not the index of an option, expected 0 to 2."),
        ([0, 1, 1, 0, -1, 1, 1, 0.75], "rate: 0.75 does not fit, expected a number from 0.1 to 0.5."),
        ([0, 1, 1, 1, 0, 1, 1, 0.25], "ops: ['many', 'many'] repeats an option. Give each option at most once."),
        (
            [1, 1, 1, 0, -1, 1, 1, 0.25],
            "down0.kernel: 1.0 for a decision that is inactive because down0 is 'pool'. Write -1, or set down0 to 'conv'.",
        ),
    ],
)
def test_a_vector_that_is_not_a_point(vector, message):
    for call in (genome().validate, genome().decisions, genome().to_vertex, genome().to_dna):
        assert refusal(call, np.array(vector)) == message


def test_a_dna_of_another_space():
    def dna(*numbers):
        return pg.DNA(list(numbers))

    assert refusal(genome().from_dna, dna(1, 0, 0)) == "ops[1]: the DNA ends after 3 numbers, expected 'add', 'many' or 'skip'."
    assert refusal(genome().from_dna, dna(1, 0, 0, 2, 0.2, 1)) == "DNA: 6 numbers where this point has 5 decisions."
    assert refusal(genome().from_dna, dna(1, 5, 0, 2, 0.2)) == "widths: 5 is not the index of an option, expected 0 to 2."
    assert refusal(genome().from_dna, dna(1, "x", 0, 2, 0.2)) == "widths: 'x' is not the index of an option, expected 0 to 2."
    assert refusal(genome().from_dna, dna(1, 0, 2, 0, 0.2)).startswith("ops: ['skip', 'add'] is out of order")
    assert refusal(genome().from_dna, "1, 2") == "dna: a str, expected a pg.DNA."


def test_names_and_labels_that_do_not_fit():
    spec = pg.dna_spec(pg.Dict(a=pg.oneof([1, 2]), b=pg.oneof([1, 2])))
    with pytest.raises(SpaceError) as caught:
        Genome(spec, names={"a": "x", "b": "x"})
    assert str(caught.value) == "x: a and b have the same name. Rename one of them."
    with pytest.raises(SpaceError) as caught:
        Genome(spec, labels={"a": ["one"]})
    assert str(caught.value) == "a: 1 labels for 2 options. Give each option one."
