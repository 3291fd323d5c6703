"""Espalier: neural architecture search with a language.

    space, as_space, load_space     define or find a search space
    oneof, manyof                   decisions about values
    choose, optional, repeat        decisions about operations
    chain, block                    operations made of operations
    layers                          what networks are written with
    Operation                       base class of your own layers
    Study                           search a space: controller, evaluators, objectives, constraints
    minimize, maximize              objectives
    at_most, at_least               constraints
    errors                          the one family of errors

Controllers are in `controllers`, evaluators in `evaluators`, spaces ready to use in `search_spaces`; training, tuning and
export are in `trainer`.
"""

from nas import errors
from nas.errors import Infeasible, UserError
from nas.language import layers
from nas.language.architecture import Architecture
from nas.language.building import block, chain, choose, optional, repeat
from nas.language.choices import manyof, oneof
from nas.language.operation import KerasCall, OpCost, Operation
from nas.language.space import SearchSpace, as_space, load_space, space
from nas.study.interfaces import Controller, Evaluator, Fidelity
from nas.study.objective import Constraint, Objective, at_least, at_most, maximize, minimize
from nas.study.study import Study
from nas.study.trial import Measurement, Trial

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "Constraint",
    "Controller",
    "Evaluator",
    "Fidelity",
    "Infeasible",
    "KerasCall",
    "Measurement",
    "Objective",
    "OpCost",
    "Operation",
    "SearchSpace",
    "Study",
    "Trial",
    "UserError",
    "as_space",
    "at_least",
    "at_most",
    "block",
    "chain",
    "choose",
    "errors",
    "layers",
    "load_space",
    "manyof",
    "maximize",
    "minimize",
    "oneof",
    "optional",
    "repeat",
    "space",
]
