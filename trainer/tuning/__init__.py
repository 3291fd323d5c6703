"""Hyperparameter tuning of any script that takes flags and reports with cloudml-hypertune, as on Vertex AI.

parameters   Double, Integer, Discrete, Categorical, BOOK: what may vary
spec         TuningSpec, load_spec: parameters, metric, goal and limits; hpt.yaml
algorithms   grid, random, bayesian: who proposes the next trial's values
protocol     TrialProcess, run_trial: one trial as a process under Vertex's flags, environment and metric file
reports      what a trial reported, and which report counts
guard        trials die with their tuner
ledger       TuningTrial and its record on disk
tune         tune: the loop, resumable
result       TuningResult: the best trial, the table, JSON
plots        parallel coordinates
"""

from trainer.tuning.ledger import TuningTrial
from trainer.tuning.parameters import BOOK, Categorical, Discrete, Double, Integer
from trainer.tuning.result import TuningResult
from trainer.tuning.spec import TuningSpec, load_spec
from trainer.tuning.tune import tune

__all__ = [
    "BOOK",
    "Categorical",
    "Discrete",
    "Double",
    "Integer",
    "TuningResult",
    "TuningSpec",
    "TuningTrial",
    "load_spec",
    "tune",
]
