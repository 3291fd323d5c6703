import re
from pathlib import Path

from trainer.tuning import BOOK, load_spec
from trainer.tuning.study_spec import study_spec

CHAPTER = Path(__file__).parents[3] / "examples" / "book_chapter"


def test_every_changed_line_that_the_readme_explains_is_in_the_task():
    task = (CHAPTER / "task.py").read_text()
    rows = re.findall(r"^\| (`[^|]+`)? ?\| `([^|]+)` \| .+ \|$", (CHAPTER / "README.md").read_text(), re.MULTILINE)
    assert len(rows) == 8
    for before, here in rows:
        assert here in task
        assert not before or before.strip("`") not in task


def test_the_task_imports_nothing_of_ours():
    imports = re.findall(r"^(?:import|from) (\w+)", (CHAPTER / "task.py").read_text(), re.MULTILINE)
    assert set(imports) == {"argparse", "os", "hypertune", "numpy", "tensorflow"}


def test_both_specs_say_the_same_to_vertex():
    full = load_spec(CHAPTER / "hpt_full.yaml")
    assert full.parameters == BOOK
    for spec in (full, load_spec(CHAPTER / "hpt.yaml")):
        job = {"studySpec": study_spec(spec), "maxTrialCount": 5, "parallelTrialCount": spec.parallel_trial_count}
        assert load_spec(job) == spec
