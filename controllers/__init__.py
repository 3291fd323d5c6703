"""Controllers: who proposes architectures. All speak `ask` / `tell`, and their whole memory is plain JSON.

    Random                  random search without replacement: the yardstick
    RegularizedEvolution    a population with ageing (Real et al. 2019): the first choice, with few trials or many
    Reinforce               reinforcement learning (Zoph & Le 2017): large spaces, long searches
    Listed                  a given list, in its order
    get                     one of them by name, as the command line does; NAMES lists the names

    import controllers, nas

    study = nas.Study(space, controllers.RegularizedEvolution(seed=0), evaluators, objectives=[nas.minimize("val_mse")])

What they share: no fingerprint is proposed twice; `ask(8)` gives eight different architectures before any `tell`, the same as
asking eight times; tells come in any order and of any state; the same seed and the same tells give the same proposals. Their
parts are open to a controller of your own: `memory` (known architectures, exhaustion, random state), `ranking` (which trial is
better), `permutation` (a space in random order), `policy` (probabilities over decisions).
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any

from controllers.evolution import RegularizedEvolution
from controllers.listed import Listed
from controllers.random_search import Random
from controllers.reinforce import Reinforce
from nas.errors import UserError
from nas.study.interfaces import Controller

__all__ = ["NAMES", "Listed", "Random", "RegularizedEvolution", "Reinforce", "get"]

_CLASSES: dict[str, Callable[..., Controller]] = {cls.name: cls for cls in (Random, RegularizedEvolution, Reinforce)}

NAMES = tuple(_CLASSES)


def get(name: str, seed: int = 0, **settings: Any) -> Controller:
    """A controller by name.

    Args:
        name: one of `NAMES`.
        seed: of everything random in it.
        settings: what its class takes beside the seed.

    Raises:
        UserError: an unknown name or setting, or a setting out of range.

    Example:
        >>> get("evolution", seed=1, population=30).describe()
        {'name': 'evolution', 'seed': 1, 'population': 30, 'sample': 10, 'crossover': 0.0}
    """
    if name not in _CLASSES:
        close = difflib.get_close_matches(str(name), NAMES, n=1)
        hint = f"Perhaps {close[0]} is meant" if close else ""
        expected = f"one of {', '.join(NAMES)}"
        raise UserError(f"no controller {name!r}", path="controller", received=name, expected=expected, hint=hint)
    accepted = [parameter for parameter in inspect.signature(_CLASSES[name]).parameters if parameter != "seed"]
    for setting in settings:
        if setting not in accepted:
            expected = f"one of {', '.join(accepted)}" if accepted else "only a seed"
            raise UserError(f"no setting {setting!r}", path=name, received=setting, expected=expected)
    return _CLASSES[name](seed=seed, **settings)
