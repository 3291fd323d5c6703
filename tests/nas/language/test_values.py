"""Plain PyGlove spaces as people have them: values as PyGlove makes them, keys, search unchanged."""

import pickle

import numpy as np
import pyglove as pg
import pytest
import vertex_spaces
from vertex_spaces import mnasnet, read_mnasnet, spinenet

import controllers
import nas
from nas.errors import SpaceError


@pg.symbolize
class Wrapped:
    """A class of one's own, made symbolic."""

    def __init__(self, width, kernel=3):
        self.width, self.kernel = width, kernel


SPACES = {
    "mnasnet": mnasnet(2),
    "spinenet": spinenet(3),
    "choice at the top": pg.one_of([pg.Dict(x=pg.one_of([1, 2])), pg.Dict(y=3), None]),
    "list at the top": pg.List([pg.one_of([1, 2]), pg.one_of([pg.List([pg.one_of(["a", "b"])]), 3])]),
    "subset of choices": pg.Dict(ops=pg.sublist_of(2, [pg.Dict(k=pg.one_of([1, 3])), "pool", pg.one_of([1, 2])])),
    "float": pg.Dict(rate=pg.floatv(0.1, 0.5), op=pg.one_of(["a", pg.Dict(b=pg.floatv(1.0, 2.0))])),
    "symbolized class": pg.Dict(layer=Wrapped(pg.one_of([8, 16]), kernel=pg.one_of([1, 3]))),
    "functions and tuples": pg.Dict(act=pg.one_of([np.tanh, len, (1, 2), abs])),
}


@pytest.mark.parametrize("name", SPACES)
def test_values_are_what_pyglove_materializes(name):
    space = nas.as_space(SPACES[name])
    assert space.genome.size == (None if name == "float" else pg.dna_spec(space.hyper).space_size)
    for architecture in space.sample(seed=0, n=8):
        expected = pg.materialize(space.hyper, architecture.to_dna())
        assert pg.eq(architecture.value(), expected)
        assert architecture.value() is not architecture.value() or not isinstance(expected, pg.Symbolic)


def test_equal_values_have_equal_fingerprints():
    space = nas.as_space(pg.Dict(a=pg.one_of([1, True, 1.0, "1", 1]), f=pg.one_of([abs, abs, len])))
    assert space.size == 15
    assert len({a.fingerprint for a in space}) == 4 * 2
    overlapping = nas.as_space(pg.Dict(a=pg.one_of([pg.one_of([1, 2]), pg.one_of([2, 3])])))
    assert len({a.fingerprint for a in overlapping}) == 3


def test_keys_of_many_are_the_keys_of_each():
    space = nas.as_space(mnasnet(3), canonical=read_mnasnet)
    vectors = space.genome.sample(np.random.default_rng(0), 40)
    vectors = np.concatenate([vectors, space.genome.mutate(vectors, np.random.default_rng(1))])
    values = space.values
    assert values.keys(vectors) == [values.keys(vector[None])[0] for vector in vectors]


def test_a_canonical_key_must_be_plain():
    space = nas.as_space(pg.Dict(a=pg.one_of([1, 2])), canonical=lambda value: object())
    with pytest.raises(SpaceError, match="canonical: it returned object, which is not plain JSON"):
        _ = space.sample(0).fingerprint


def test_it_travels_with_its_functions():
    space = nas.as_space(mnasnet, canonical=read_mnasnet)
    again = pickle.loads(pickle.dumps(space))  # noqa: S301
    assert again.canonical_function is read_mnasnet
    assert [a.fingerprint for a in again.sample(0, n=3)] == [a.fingerprint for a in space.sample(0, n=3)]
    unnamed = nas.as_space(vertex_spaces.mnasnet, canonical=lambda value: 1)
    with pytest.raises(SpaceError, match="canonical cannot be sent to another process"):
        pickle.dumps(unnamed)


@pytest.mark.parametrize("name", controllers.NAMES)
@pytest.mark.parametrize("make", [mnasnet, spinenet])
def test_it_is_searched_unchanged(name, make):
    space = nas.as_space(make, canonical=read_mnasnet if make is mnasnet else None)
    study = nas.Study(space, controllers.get(name, seed=0), lambda a: {"loss": float(a.vector.sum())}, nas.minimize("loss"))
    study.run(trials=25)
    assert len({trial.fingerprint for trial in study.trials}) == 25
    best = study.architecture(study.best())
    assert pg.eq(best.value(), pg.materialize(space.hyper, best.to_dna()))
