"""Real tasks: the winner of a search under a latency limit against a network made by hand, on validation and test data.

    python -m benchmarks.real_tasks colorization|segmentation|fashion [--trials N --epochs E --seeds K --out DIR --data DIR]

colorization   BSDS500 tiles of 80x80: the book's encoder-decoder, and the gray->RGB table
segmentation   CamVid 96x128, eleven classes: a U-Net of equal latency
fashion        Fashion-MNIST: LeNet-5

The limit is the hand-made network's own latency. Interrupted, the same command goes on. `benchmarks.comparison` says how it is
done, each task's module what it is.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from rich.console import Console

from nas.errors import UserError

NAMES = ("colorization", "segmentation", "fashion")
DATA = Path(__file__).resolve().parents[1] / "../shared/data"


def main(arguments: list[str] | None = None) -> int:
    """Runs one task. 0, or 2 where there are no data or something is wrong with the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=NAMES)
    parser.add_argument("--trials", type=int, help="of the search")
    parser.add_argument("--epochs", type=int, help="of each full training")
    parser.add_argument("--seeds", type=int, help="full trainings of each network")
    parser.add_argument("--workers", type=int, default=2, help="trials and trainings at a time (%(default)s)")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data sets")
    parser.add_argument("--out", type=Path, help="where everything is kept (runs/real/TASK)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args(arguments)

    from benchmarks.comparison import Comparison, markdown

    console = Console(stderr=True)
    task = importlib.import_module(f"benchmarks.{given.task}").TASK
    if not (given.data / task.file).is_file():
        console.print(f"skipped: no {task.file} in {given.data}", soft_wrap=True)
        return 2
    try:
        comparison = Comparison(
            task,
            data=given.data,
            out=given.out or Path("runs/real") / task.name,
            trials=given.trials or task.trials,
            epochs=given.epochs or task.epochs,
            seeds=given.seeds or task.seeds,
            workers=given.workers,
            console=console,
        )
        found = comparison.run()
    except UserError as error:
        console.print(f"error: {error}", markup=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on where this one was")
        return 130
    (comparison.out / "figures.json").write_text(json.dumps(found, indent=1))
    print(json.dumps(found) if given.json else markdown(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
