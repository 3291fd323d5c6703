"""How one architecture is judged: cheap gates first, training last.

    Cost            cost       arithmetic: FLOPs, multiply-adds, parameters, activation memory (a millisecond)
    Latency         latency    milliseconds on LiteRT, timed in clean child processes (about three seconds)
                    latency_child   the process that does the timing
                    device     the name of this machine, and the lease that keeps two measurements apart
    ProxyTraining   proxy      validation loss after a short training, or on less data or smaller images (about twenty seconds)
    Tabular         tabular    a published table instead of training: a thousand trials in seconds
    as_evaluator               any function `architecture -> {"metric": value}` as an evaluator

A study asks them in the order of their `seconds` and stops at the first broken constraint, so an architecture over its latency
budget is never trained. A new one is a class with `name`, `metrics`, `seconds` and `evaluate` (see `nas.study.interfaces`), and
one line in `tests/evaluators/test_evaluator_contract.py`.
"""

from evaluators.cost import Cost
from evaluators.latency import Latency
from evaluators.proxy import ProxyTraining
from evaluators.tabular import Tabular
from nas.study.evaluation import as_evaluator

__all__ = ["Cost", "Latency", "ProxyTraining", "Tabular", "as_evaluator"]
