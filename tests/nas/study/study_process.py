"""Studies for tests, and one in a process of its own, to be killed: python study_process.py DIR TRIALS WORKERS SLEEP_S."""

import sys
from pathlib import Path

from study_fakes import Blocks, Evolution, InOrder, Line, Rough, Witness, loss_of

from nas.study.objective import at_most, minimize
from nas.study.study import Study


def make(directory, sleep_s=0.0):
    return Study(Line(), Evolution(seed=3), Rough(sleep_s), minimize("loss"), at_most("latency_ms", 6.5), directory, seed=7)


def blocks(directory=None, evaluators=loss_of, controller=None, objectives=minimize("loss"), space=None, **more):
    return Study(space or Blocks(), controller or InOrder(), evaluators, objectives, directory=directory, **more)


def main():
    directory, trials, workers, sleep_s = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    study = make(directory, sleep_s)
    try:
        outcome = study.run(trials, workers=workers, on_event=Witness(directory.parent / "witness.jsonl"))
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        raise SystemExit(130) from None
    print(outcome, flush=True)


if __name__ == "__main__":
    main()
