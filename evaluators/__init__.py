"""How one architecture is judged: cheap gates first, training last.

    Cost            cost       arithmetic: FLOPs, multiply-adds, parameters, activation memory (a millisecond)
    Latency         latency    milliseconds on LiteRT, ONNX Runtime or TensorFlow, in clean child processes (about four seconds)
                    runtimes   the runtimes, one adapter a file
                    latency_bench   processes one after another until they agree; latency_child is the one that does the timing
                    latency_statistics   figures, intervals, noise
                    remote_device   a board elsewhere that times models, and remote_server, which runs there
                    device     the name of this machine, and the lease that keeps two measurements apart
    PredictedLatency    latency_model   the same predicted, with its error, after some networks were measured (milliseconds)
    ProxyTraining   proxy      validation loss after a short training, or on less data or smaller images (about twenty seconds)
    ZeroCost        zero_cost  scores of untrained networks: grad_norm, snip, synflow, naswot, jacob_cov, zen (a second or two)
                    proxy_design    which of these to trust, measured against full training
    Tabular         tabular    a published table instead of training: a thousand trials in seconds
    VertexCustomJob vertex_job any of the trial's metrics, from a CustomJob on Vertex AI's machines (many minutes)
    cached          cache      any of them with a memory that studies share: nothing is measured twice on one device
    as_evaluator               any function `architecture -> {"metric": value}` as an evaluator

A study asks them in the order of their `seconds` and stops at the first broken constraint, so an architecture over its latency
budget is never trained. A new one is a class with `name`, `metrics`, `seconds` and `evaluate` (see `nas.study.interfaces`), and
one line in `tests/evaluators/test_evaluator_contract.py`.
"""

from evaluators.cache import cached
from evaluators.cost import Cost
from evaluators.latency import Latency
from evaluators.latency_model import PredictedLatency
from evaluators.proxy import ProxyTraining
from evaluators.tabular import Tabular
from evaluators.vertex_job import VertexCustomJob
from evaluators.zero_cost import ZeroCost
from nas.study.evaluation import as_evaluator

__all__ = [
    "Cost",
    "Latency",
    "PredictedLatency",
    "ProxyTraining",
    "Tabular",
    "VertexCustomJob",
    "ZeroCost",
    "as_evaluator",
    "cached",
]
