import pytest

import controllers
from nas.errors import UserError


def test_names_and_classes():
    assert controllers.NAMES == ("random", "evolution", "reinforce")
    assert isinstance(controllers.get("evolution", seed=2, population=30), controllers.RegularizedEvolution)
    assert controllers.get("evolution", seed=2, population=30).population == 30
    assert isinstance(controllers.get("random"), controllers.Random)
    assert isinstance(controllers.get("reinforce"), controllers.Reinforce)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("evolutoin", {}, "controller: no controller 'evolutoin', expected one of random, evolution, reinforce. "
                          "Perhaps evolution is meant."),
        ("annealing", {}, "controller: no controller 'annealing', expected one of random, evolution, reinforce."),
        ("evolution", {"size": 3}, "evolution: no setting 'size', expected one of population, sample, crossover."),
        ("random", {"size": 3}, "random: no setting 'size', expected only a seed."),
    ],
)  # fmt: skip
def test_mistakes_are_explained(name, settings, message):
    with pytest.raises(UserError) as caught:
        controllers.get(name, **settings)
    assert str(caught.value) == message
