"""Controllers: who proposes architectures. All speak `ask` / `tell`, and their whole memory is plain JSON.

    Auto                    a portfolio of the others: the first choice
    Random                  random search without replacement: the yardstick
    Grid                    every architecture in order
    LocalSearch             the best neighbour, again and again (White et al. 2021)
    RegularizedEvolution    a population with ageing (Real et al. 2019): many trials, cheap proposals
    NSGA2                   a population along the front of several objectives (Deb et al. 2002)
    Reinforce, PPO          reinforcement learning (Zoph & Le 2017; Schulman et al. 2017): large spaces, long searches
    Bayesian                a Gaussian process over architectures: few, expensive trials
    TPE                     a tree-structured Parzen estimator (Bergstra et al. 2011): each decision mostly for itself
    Generator               any `pg.DNAGenerator`
    Listed                  a given list, in its order

    ASHA, SuccessiveHalving, Hyperband      layers over any of them: briefly judged first, the promising ones further
    MedianStopping                          a layer: trainings that fall behind end early
    StartFrom                               a layer: given architectures first

    get                     one of them by name, as the command line does; NAMES lists the names

    import controllers, nas

    study = nas.Study(space, controllers.Auto(seed=0), evaluators, objectives=[nas.minimize("val_mse")])

What they share: no fingerprint is proposed twice; `ask(8)` gives eight different architectures before any `tell`, the same as
asking eight times; tells come in any order and of any state; the same seed and the same tells give the same proposals. Their
parts are open to a controller of your own: `memory` (known architectures, exhaustion, random state), `ranking` (which trial is
better), `permutation` (a space in random order), `policy` (probabilities over decisions).
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from controllers.auto import Auto
from controllers.bayesian import Bayesian
from controllers.evolution import RegularizedEvolution
from controllers.fidelity import ASHA, Hyperband, MedianStopping, SuccessiveHalving
from controllers.generator import Generator
from controllers.grid import Grid
from controllers.listed import Listed
from controllers.local_search import LocalSearch
from controllers.nsga2 import NSGA2
from controllers.ppo import PPO
from controllers.random_search import Random
from controllers.reinforce import Reinforce
from controllers.start_from import StartFrom
from controllers.tpe import TPE
from nas.errors import UserError
from nas.study.interfaces import Controller

__all__ = [
    "ASHA",
    "LAYERS",
    "NAMES",
    "NSGA2",
    "PPO",
    "TPE",
    "Auto",
    "Bayesian",
    "Generator",
    "Grid",
    "Hyperband",
    "Listed",
    "LocalSearch",
    "MedianStopping",
    "Random",
    "RegularizedEvolution",
    "Reinforce",
    "StartFrom",
    "SuccessiveHalving",
    "get",
]

_CLASSES: dict[str, Callable[..., Controller]] = {
    cls.name: cls for cls in (Auto, Random, Grid, LocalSearch, RegularizedEvolution, NSGA2, Reinforce, PPO, Bayesian, TPE)
}
_LAYERS: dict[str, Callable[..., Controller]] = {
    cls.name: cls for cls in (ASHA, SuccessiveHalving, Hyperband, MedianStopping, StartFrom)
}

NAMES = tuple(_CLASSES)
LAYERS = tuple(_LAYERS)


def get(name: str, seed: int = 0, initial: Any = None, **settings: Any) -> Controller:
    """A controller by name.

    Args:
        name: one of `NAMES` or `LAYERS`.
        seed: of everything random in it.
        initial: architectures or decisions that are proposed first, or "baselines" (see `StartFrom`).
        settings: what its class takes beside the seed. `over` of a layer can be a name, or what `describe()` gave.

    Raises:
        UserError: an unknown name or setting, or a setting out of range.

    Example:
        >>> get("evolution", seed=1, population=30).describe()
        {'name': 'evolution', 'seed': 1, 'population': 30, 'sample': 10, 'crossover': 0.0}
        >>> get("asha", over="random", epochs=(1, 4)).over.describe()
        {'name': 'random', 'seed': 0}
    """
    known = _CLASSES | _LAYERS
    if name not in known:
        close = difflib.get_close_matches(str(name), known, n=1)
        hint = f"Perhaps {close[0]} is meant" if close else ""
        expected = f"one of {', '.join(known)}"
        raise UserError(f"no controller {name!r}", path="controller", received=name, expected=expected, hint=hint)
    accepted = [parameter for parameter in inspect.signature(known[name]).parameters if parameter != "seed"]
    for setting in settings:
        if setting not in accepted:
            expected = f"one of {', '.join(accepted)}" if accepted else "only a seed"
            raise UserError(f"no setting {setting!r}", path=name, received=setting, expected=expected)
    if name not in _LAYERS:
        made = known[name](seed=seed, **settings)
        return made if initial is None else StartFrom(made, initial, seed)
    if name == StartFrom.name:
        settings |= {} if initial is None else {"initial": initial}
        initial = None
    over = settings.pop("over", RegularizedEvolution.name)
    if isinstance(over, str):
        over = {"name": over, "seed": seed}
    if isinstance(over, Mapping):
        over = get(**{"seed": seed, **over, **({} if initial is None else {"initial": initial})})
    elif initial is not None:
        over = StartFrom(over, initial, seed)
    return known[name](over, seed=seed, **settings)
