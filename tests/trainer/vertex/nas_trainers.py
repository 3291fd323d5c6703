"""Trainers as processes, jobs that run them, and proposers, all small: for tests of the engine and of its command."""

from __future__ import annotations

import json
import random
import sys
import textwrap

import pyglove as pg

from trainer.vertex.job_spec import NasJobSpec

KERNELS, WIDTHS = (1, 3, 5, 7), (8, 16, 32)
SPACE = pg.Dict(kernel=pg.oneof(list(KERNELS)), width=pg.oneof(list(WIDTHS)))

TRAINER = """
import argparse, json, os, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--nas_params_str", required=True)
parser.add_argument("--job-dir", required=True)
parser.add_argument("--retrain_search_job_dir")
parser.add_argument("--retrain_search_job_trials")
parser.add_argument("--seconds", type=float, default=0)
args = parser.parse_args()
with open(os.path.join(args.job_dir, "seen.json"), "w") as file:
    json.dump({"argv": sys.argv[1:], "environment": dict(os.environ)}, file)
text = open(args.nas_params_str).read() if args.nas_params_str.endswith(".json") else args.nas_params_str
params = json.loads(text)
kernel, width = (int(params[name].split("(")[1][:-1]) for name in ("kernel", "width"))
time.sleep(args.seconds)
"""

REPORT = """
import hypertune
tuner = hypertune.HyperTune()
tuner.report_hyperparameter_tuning_metric("accuracy", kernel + width / 100, global_step=7)
"""


def script(path, ending=REPORT):
    """The command of a trainer that ends as `ending` says."""
    path.write_text(TRAINER + textwrap.dedent(ending))
    return ["python", str(path)]


def custom_job(*args, command=(), **fields):
    container = {"imageUri": "gcr.io/project/trainer", "command": list(command), "args": list(args)}
    return {"workerPoolSpecs": [{"machineSpec": {"machineType": "n1-standard-8"}, "containerSpec": container}], **fields}


def job_message(command, *args, trials=4, parallel=1, failed=0, algorithm="GRID_SEARCH", goal="MAXIMIZE", train=None, **fields):
    """A NasJobSpec over SPACE; `train`: (top, frequency); `fields`: of both CustomJobSpecs."""
    custom = custom_job(*args, command=command, **fields)
    spec = {
        "multiTrialAlgorithm": algorithm,
        "metric": {"metricId": "accuracy", "goal": goal},
        "searchTrialSpec": {
            "searchTrialJobSpec": custom,
            "maxTrialCount": trials,
            "maxParallelTrialCount": parallel,
            "maxFailedTrialCount": failed,
        },
    }
    if train:
        spec["trainTrialSpec"] = {"trainTrialJobSpec": custom, "maxParallelTrialCount": train[0], "frequency": train[1]}
    template = pg.dna_spec(SPACE).to_json_str(hide_default_values=True)
    return {"searchSpaceSpec": template, "multiTrialAlgorithmSpec": spec}


def make_job(command, *args, **settings):
    return NasJobSpec.from_json(job_message(command, *args, **settings))


class Listed:
    """Proposes the points of SPACE in the order of a seed, those with the largest kernels last where there is none."""

    def __init__(self, seed=None):
        points = [(k, w) for k in range(len(KERNELS)) for w in range(len(WIDTHS))]
        if seed is not None:
            random.Random(seed).shuffle(points)
        self.points, self.asked, self.told = points, 0, []

    def ask(self):
        if self.asked == len(self.points):
            return None
        kernel, width = self.points[self.asked]
        self.asked += 1
        return {"kernel": f"{kernel}/4 ({KERNELS[kernel]})", "width": f"{width}/3 ({WIDTHS[width]})"}

    def tell(self, trial):
        self.told.append(trial.id)

    def state(self):
        return {"asked": self.asked, "told": self.told}

    def restore(self, state):
        self.asked, self.told = state["asked"], list(state["told"])


def seen(engine, stage, trial_id):
    """What a trial's process was given."""
    (found,) = engine.directory.glob(f"*/nas/{stage}/{trial_id}/seen.json")
    return json.loads(found.read_text())


def strip(trials):
    """What must be equal between two runs of a job."""
    return [(trial.stage, trial.id, trial.search_id, dict(trial.params), trial.state, trial.value) for trial in trials]


if __name__ == "__main__":  # a job as a process, to be killed: directory, trainer, seconds of a trial, trials
    from trainer.vertex.engine import NasEngine

    where, trainer, seconds, count = sys.argv[1:]
    job = make_job(["python", trainer], f"--seconds={seconds}", trials=int(count), parallel=2, train=(1, 3))
    print(NasEngine(job, where, Listed(seed=1)).run())
