import json
import random

import pyglove as pg
import pytest

import nas
from nas.errors import SpaceError
from trainer.vertex.search_space import decode_search_space, encode_search_space

VALUE = pg.Dict(
    layers=[pg.Dict(kernel=pg.oneof([3, 5]), act=pg.oneof(["relu", None])) for _ in range(2)],
    ops=pg.manyof(2, ["conv", "pool", pg.oneof([True, 2.5])], distinct=False, sorted=True),
    rate=pg.floatv(0.1, 1.0, scale="log"),
    block=pg.oneof([pg.Dict(expand=pg.oneof([1, 6]), order=pg.permutate(["a", "b", "c"])), 7]),
)


def template(value=VALUE, **how):
    return pg.dna_spec(value).to_json_str(**{"hide_default_values": True} | how)


@pytest.mark.parametrize("hide", [True, False])
def test_a_template_comes_back_as_the_same_space(hide):
    space = decode_search_space(template(hide_default_values=hide))
    assert pg.eq(space.genome.spec, pg.dna_spec(VALUE))
    assert encode_search_space(nas.as_space(VALUE)) == template()
    assert space.size_bracket.low == 4 * 4 * 11 * 13  # ops: 1 + 1 + 2 + 1 + 2 + 2 * 2 pairs in order; block: 2 * 3! + 1


def test_its_points_mean_the_same_to_pyglove():
    space = decode_search_space(template())
    rng = random.Random(0)
    for seed in range(30):
        params = json.loads(json.dumps(space.sample(seed=seed).to_vertex()))
        value = pg.materialize(VALUE, params)
        dna = pg.template(VALUE).encode(value).use_spec(pg.dna_spec(VALUE))
        assert params == dna.parameters(use_literal_values=True)
        other = pg.random_dna(pg.dna_spec(VALUE), rng).parameters(use_literal_values=True)
        assert space.genome.to_vertex(space.genome.from_vertex(other)) == other


def test_every_point_is_one_and_has_a_fingerprint_of_its_own():
    value = pg.Dict(a=pg.oneof([1, 1, 2]), b=pg.oneof(["x", pg.oneof([3, 4])]))
    space = decode_search_space(template(value))
    assert space.size == len({architecture.fingerprint for architecture in space}) == 9


def test_a_network_space_is_encoded_and_searched_without_its_code():
    @nas.space(input=(8, 8, 1))
    def small(x):
        return nas.layers.Conv2D(nas.oneof([4, 8]), nas.oneof([1, 3]), name="body")(x)

    space = decode_search_space(encode_search_space(small))
    assert space.size == small.size == 4
    assert {tuple(small.genome.from_vertex(found.to_vertex())) for found in space} == {tuple(found.vector) for found in small}
    with pytest.raises(SpaceError, match="Vertex AI knows no limits on costs"):
        encode_search_space(small.within(params=50))


def node(kind, **fields):
    return {"_type": f"pyglove.generators.geno.{kind}", **fields}


def choices(*candidates, **fields):
    return node("Template", elements=[node("Choices", candidates=list(candidates), **fields)])


LEAF = node("Template")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("{", "it is no JSON"),
        ("3", r"searchSpaceSpec: a int, expected an object of type Template"),
        (node("Choices"), "of type .*expected Template"),
        ({"_type": "os.system", "args": ["true"]}, "of type 'os.system'"),
        (node("Template", elements=[node("CustomDecisionPoint")]), r"elements\[0\].*Custom.*decides by its own code"),
        (node("Template"), "nothing to decide"),
        (node("Template", elements=3), r"elements: it is no list"),
        (choices(LEAF, LEAF, extra=1), r"elements\[0\]\.extra: no such field"),
        (choices(), "0 candidates|1 of 0"),
        (choices(LEAF, LEAF, num_choices=3), "3 of 2 candidates"),
        (choices(LEAF, LEAF, num_choices=True), "num_choices: True does not fit"),
        (choices(LEAF, LEAF, literal_values=[1]), "literal_values: they do not fit"),
        (choices(LEAF, LEAF, literal_values=[1, {"_type": "x"}]), "literal_values: they do not fit"),
        (choices(LEAF, LEAF, location="a["), "is no location"),
        (choices(LEAF, LEAF, location=3), "location and name are texts"),
        (choices(LEAF, node("Template", elements=[3])), r"candidates\[1\]\.elements\[0\]: a int"),
        (node("Template", elements=[node("Float", min_value=1.0, max_value=0.0)]), "a range from 1.0 to 0.0"),
        (node("Template", elements=[node("Float", min_value=0.0, max_value=1.0, scale="log")]), "above 0 on a log scale"),
        (node("Template", elements=[node("Float", min_value=0.0, max_value=1.0, scale="cube")]), "no scale 'cube'"),
        (node("Template", elements=[node("Float", min_value="0", max_value=1.0)]), "min_value: '0' does not fit"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_its_path(given, says):
    with pytest.raises(SpaceError, match=says):
        decode_search_space(given if isinstance(given, str) else json.dumps(given))


def test_a_template_nested_without_end_is_refused():
    deep = LEAF
    for _ in range(2000):
        deep = node("Template", elements=[node("Choices", candidates=[deep])])
    with pytest.raises(SpaceError, match="nested too deeply"):
        decode_search_space(deep)
