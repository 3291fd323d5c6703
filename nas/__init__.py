"""Espalier: neural architecture search with a language.

    space, as_space, load_space     define or find a search space
    family                          a space for each choice of arguments
    oneof, manyof, integer, real    decisions about values
    choose, optional, repeat        decisions about operations
    connect                         decisions about connections
    encoder, decoder                networks that go down and back up, one derived from the other
    tied, require                   one decision for many places, rules between decisions
    chain, block, branches          operations made of operations
    layers                          what networks are written with
    Operation                       base class of your own layers
    Study                           search a space: controller, evaluators, objectives, constraints
    minimize, maximize, reward      objectives
    at_most, at_least               constraints
    errors                          the one family of errors

Controllers are in `controllers`, evaluators in `evaluators`, spaces ready to use in `search_spaces`; training, tuning and
export are in `trainer`.
"""

from nas import errors
from nas.errors import Infeasible, UserError
from nas.language import layers
from nas.language.architecture import Architecture
from nas.language.building import block, branches, chain, choose, connect, optional, repeat, require, tied
from nas.language.choices import integer, manyof, oneof, real
from nas.language.defining import as_space, family, load_space, space
from nas.language.mirror import decoder, encoder
from nas.language.operation import KerasCall, OpCost, Operation
from nas.language.space import SearchSpace
from nas.study.interfaces import Controller, Evaluator, Fidelity, GradualEvaluator, Proposal
from nas.study.objective import Constraint, Objective, at_least, at_most, maximize, minimize, reward
from nas.study.study import Study
from nas.study.trial import Measurement, Trial

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "Constraint",
    "Controller",
    "Evaluator",
    "Fidelity",
    "GradualEvaluator",
    "Infeasible",
    "KerasCall",
    "Measurement",
    "Objective",
    "OpCost",
    "Operation",
    "Proposal",
    "SearchSpace",
    "Study",
    "Trial",
    "UserError",
    "as_space",
    "at_least",
    "at_most",
    "block",
    "branches",
    "chain",
    "choose",
    "connect",
    "decoder",
    "encoder",
    "errors",
    "family",
    "integer",
    "layers",
    "load_space",
    "manyof",
    "maximize",
    "minimize",
    "oneof",
    "optional",
    "real",
    "repeat",
    "require",
    "reward",
    "space",
    "tied",
]
