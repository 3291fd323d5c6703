"""Hyperparameter tuning of any script that takes flags and reports with cloudml-hypertune, as on Vertex AI.

parameters   Double, Integer, Discrete, Categorical, BOOK: what may vary; When: where it is there at all
conditions   conditional parameters: which a trial has, how many trials there are
spec         TuningSpec, load_spec: parameters, metric, goal and limits; hpt.yaml
study_spec   the same in Vertex AI's spelling, both ways
algorithms   grid, random, bayesian: who proposes the next trial's values
gaussian     the model behind bayesian
protocol     TrialProcess, run_trial: one trial as a process under Vertex's flags, environment and metric file
reports      what a trial reported, and which report counts
stopping     MedianRule: which running trials are ended early
guard        trials die with their tuner
ledger       TuningTrial and its record on disk
tune         tune: the loop, resumable
result       TuningResult: the best trial, the table, JSON, CSV
plots        parallel coordinates
tensorboard  HParams for TensorBoard
"""

from trainer.tuning.ledger import TuningTrial
from trainer.tuning.parameters import BOOK, Categorical, Discrete, Double, Integer, When
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
    "When",
    "load_spec",
    "tune",
]
