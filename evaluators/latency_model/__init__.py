"""Latency predicted: learned from some measured architectures of a space, with its own error, for one device.

    operations   what an operation costs as far as arithmetic can say, and which are alike
    written      a network with its dead branches, for runtimes that execute them
    features     an architecture as counts of operations and decisions
    views        those as matrices
    kernel       how alike the latencies of two networks are expected to be
    process      the Gaussian process: its prior's numbers, learning, predicting
    threads      linear algebra on one thread
    predictor    LatencyModel: fit, predict, error, JSON
    table        its additive part, for `space.within(latency_ms=...)`
    design       which architectures to measure
    calibration  measuring them, with a journal
    evaluator    PredictedLatency: the gate

Use it where a measurement is too slow or the device too far: a prediction takes milliseconds. `nas latency calibrate SPACE`
makes a model of this machine.
"""

from evaluators.latency_model.calibration import Journal, calibrate, plan
from evaluators.latency_model.evaluator import PredictedLatency
from evaluators.latency_model.predictor import LatencyModel, ModelError, Prediction
from evaluators.latency_model.table import rules

__all__ = ["Journal", "LatencyModel", "ModelError", "PredictedLatency", "Prediction", "calibrate", "plan", "rules"]
