import pytest

import controllers
from nas.errors import UserError


def test_names_and_classes():
    assert {"random", "grid", "local-search", "evolution", "nsga2", "reinforce", "ppo", "bayesian"} <= set(controllers.NAMES)
    assert set(controllers.LAYERS) == {"asha", "successive-halving", "hyperband", "median-stopping", "start-from"}
    assert isinstance(controllers.get("evolution", seed=2, population=30), controllers.RegularizedEvolution)
    assert controllers.get("evolution", seed=2, population=30).population == 30
    assert isinstance(controllers.get("random"), controllers.Random)
    assert isinstance(controllers.get("reinforce"), controllers.Reinforce)


KNOWN = ", ".join((*controllers.NAMES, *controllers.LAYERS))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("evolutoin", {}, f"controller: no controller 'evolutoin', expected one of {KNOWN}. Perhaps evolution is meant."),
        ("annealing", {}, f"controller: no controller 'annealing', expected one of {KNOWN}."),
        ("random", {"size": 3}, "random: no setting 'size', expected only a seed."),
    ],
)
def test_mistakes_are_explained(name, settings, message):
    with pytest.raises(UserError) as caught:
        controllers.get(name, **settings)
    assert str(caught.value) == message
