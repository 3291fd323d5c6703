from nas_trainers import make_job, script, strip

import controllers
from trainer.vertex.engine import NasEngine
from trainer.vertex.proposer import ControllerProposer
from trainer.vertex.search_space import decode_search_space

ENDING = """
if width == 16:
    sys.exit(1)
import hypertune
hypertune.HyperTune().report_hyperparameter_tuning_metric("accuracy", kernel + width / 100)
"""


def make_proposer(job, name="reinforce"):
    space = decode_search_space(job.search_space_spec)
    return ControllerProposer(controllers.get(name, seed=3), space, job.metric_id, job.goal)


def test_a_controller_that_learns_goes_on_to_the_same_next_trial(tmp_path):
    command = script(tmp_path / "my_trainer.py", ENDING)
    job = make_job(command, trials=10, failed=9)
    whole = NasEngine(job, tmp_path / "whole", make_proposer(job))
    whole.run()
    for _ in range(3):
        part = NasEngine(job, tmp_path / "parts", make_proposer(job))
        part._on_event = lambda trial, part=part: trial.is_finished and trial.id % 3 == 0 and part.stop()
        part.run()
    rest = NasEngine(job, tmp_path / "parts", make_proposer(job))
    assert rest.run() == "JOB_STATE_SUCCEEDED"
    assert strip(rest.trials) == strip(whole.trials)


def test_grid_proposes_every_point_once():
    job = make_job(["python"])
    proposer = make_proposer(job, "grid")
    asked = [tuple(params.values()) for params in iter(proposer.ask, None)]
    assert len(asked) == len(set(asked)) == 12
    assert asked[:2] == [("0/4 (1)", "0/3 (8)"), ("0/4 (1)", "1/3 (16)")]
