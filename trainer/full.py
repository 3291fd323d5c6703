"""Full training of one architecture, in a process of its own: trained, kept at its best epoch, judged once on held-out data.

`nas train` and the main job use it for the winner and for whatever it is compared with. The directory holds all of it, so an
interrupted training goes on from its last epoch and a finished one is not done again:

    training.json   what is trained, and how         progress.jsonl   one line an epoch
    checkpoints/    the state after the last epoch   model.keras      the network at its best epoch
    result.json     figures                          samples.npz      inputs, predictions and truth for pictures
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import nas
from nas.errors import UserError
from trainer.tuning.protocol import TrialProcess

POLL_S = 0.3


@dataclasses.dataclass(frozen=True)
class FullTraining:
    """One training: plain JSON.

    Attributes:
        name: for people.
        space, decisions: the architecture, by the space's reference.
        data: a data set by name or path.
        directory: where everything goes.
        task: as `trainer.load_data` takes it.
        epochs, batch_size, learning_rate, loss, schedule, flip, seed: see `trainer.settings.TrainSettings`.
        samples: how many held-out examples are kept with their predictions.
        export_to: where the network is exported in every format, in the same process; "": it is not.
    """

    name: str
    space: str
    decisions: Mapping[str, Any]
    data: str
    directory: str
    task: str = "auto"
    epochs: int = 20
    batch_size: int = 16
    learning_rate: float = 1e-3
    loss: str = "auto"
    schedule: str = "cosine"
    flip: bool = False
    seed: int = 0
    samples: int = 0
    export_to: str = ""

    def result(self) -> dict[str, Any] | None:
        """What an earlier run of the same training found; None: it is not finished.

        Raises:
            UserError: the directory holds another training.
        """
        stored = _read(Path(self.directory) / "training.json")
        if stored is not None and stored != json.loads(json.dumps(dataclasses.asdict(self))):
            raise UserError("it holds another training", path=self.directory, hint="Remove it, or choose another directory")
        return _read(Path(self.directory) / "result.json")

    def run(self) -> dict[str, Any]:
        """Trains in this process.

        Returns:
            `val`, `test` (None without test data): scores by name, such as `{"mse": .021, "psnr": 22.8, "ssim": .84}`;
            `metric`, by which the best epoch was chosen; `best_epoch`, `history`, `seconds`, `exports` (as `export_trained`).
        """
        from trainer.data import load_data
        from trainer.settings import TrainSettings
        from trainer.steps import make_predict
        from trainer.training import judge, train

        directory = Path(self.directory)
        directory.mkdir(parents=True, exist_ok=True)
        data = load_data(self.data, self.task)
        model = nas.load_space(self.space).architecture(self.decisions).build(seed=self.seed)
        fields = ("epochs", "batch_size", "learning_rate", "loss", "schedule", "flip", "seed")
        progress = directory / "progress.jsonl"

        def note(epoch: int, logs: Mapping[str, float]) -> None:
            with progress.open("a") as out:
                out.write(json.dumps({"epoch": epoch, **logs}) + "\n")

        found = train(
            model,
            data,
            TrainSettings(**{name: getattr(self, name) for name in fields}),
            note,
            restore_best=True,
            checkpoint_directory=directory / "checkpoints",
        )
        has_test = data.test_x is not None and data.test_y is not None
        result = {
            "val": judge(model, data, "val"),
            "test": judge(model, data, "test") if has_test else None,
            "metric": data.task.metric,
            "best_epoch": found.best_epoch,
            "history": [dataclasses.asdict(row) for row in found.history],
            "seconds": found.total_seconds,
            "exports": [],
        }
        model.save(directory / "model.keras")
        x, y = (data.test_x, data.test_y) if has_test else (data.val_x, data.val_y)
        rows = np.linspace(0, len(x) - 1, min(max(self.samples, 1), len(x))).astype(int)  # type: ignore[arg-type]
        predicted = make_predict(model)(x[rows])  # type: ignore[index]
        np.savez_compressed(directory / "samples.npz", x=x[rows], y=y[rows], predicted=predicted)  # type: ignore[index]
        if self.export_to:
            result["exports"] = export_trained(directory, self.export_to)
        _write(directory / "result.json", result)
        return result

    def run_as_process(
        self, on_epoch: Callable[[], None] = lambda: None, stop: threading.Event | None = None
    ) -> dict[str, Any]:
        """Trains in a process of its own and waits.

        Args:
            on_epoch: called after each epoch, those of an earlier run included.
            stop: ends the training when it is set, for callers that wait in a thread.

        Raises:
            UserError: the training failed; says where its log is.
            KeyboardInterrupt: `stop` was set; running again goes on from the last epoch.
        """
        directory = Path(self.directory)
        done = self.result()
        if done is None:
            directory.mkdir(parents=True, exist_ok=True)
            _write(directory / "training.json", dataclasses.asdict(self))
            process = TrialProcess([sys.executable, "-m", "trainer.full", str(directory)], [], directory, 1, "")
            process.start()
            seen = 0
            with ThreadPoolExecutor(1) as waiter:
                try:
                    waiting = waiter.submit(process.wait)
                    while not waiting.done():
                        time.sleep(POLL_S)
                        seen = _announce(directory, seen, on_epoch)
                        if stop is not None and stop.is_set():
                            raise KeyboardInterrupt
                    seen = _announce(directory, seen, on_epoch)
                    outcome = waiting.result()
                except BaseException:
                    process.stop("interrupted")
                    raise
            if outcome.state != "succeeded":
                raise UserError(
                    f"the training of {self.name} {outcome.state} ({outcome.reason})",
                    path=str(directory),
                    hint=f"Its log is {directory / 'output.log'}",
                )
            done = self.result()
            assert done is not None
        else:
            _announce(directory, 0, on_epoch)
        return done


def export_trained(
    directory: str | os.PathLike[str], to: str | os.PathLike[str], formats: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """Exports a finished full training; every file is loaded again and compared before it is called done.

    Args:
        directory: of the training.
        to: where the files go.
        formats: some of `trainer.export.FORMATS`; none: all that are available.

    Returns:
        For each file: format, path, bytes, max_difference, tolerance.
    """
    from trainer.export import export

    directory = Path(directory)
    training, model = _read(directory / "training.json"), directory / "model.keras"
    if training is None or not model.is_file():
        raise UserError("no finished training there", path=str(directory), hint="Run `nas train` first")
    import keras

    with np.load(directory / "samples.npz", allow_pickle=False) as stored:
        sample_x = stored["x"]
    architecture = nas.load_space(training["space"]).architecture(training["decisions"])
    loaded = keras.saving.load_model(model, safe_mode=True)
    reports = export(loaded, to, formats or None, source=architecture.source(), sample_x=sample_x)
    return [
        {
            "format": report.format,
            "path": str(report.path),
            "bytes": report.size_bytes,
            "max_difference": report.max_abs_difference,
            "tolerance": report.tolerance,
        }
        for report in reports
    ]


def _announce(directory: Path, seen: int, on_epoch: Callable[[], None]) -> int:
    """Calls `on_epoch` for each line of the progress file after the first `seen`; returns how many there are."""
    try:
        lines = (directory / "progress.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return seen
    for _ in range(lines - seen):
        on_epoch()
    return max(seen, lines)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def _write(path: Path, data: Any) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(data))
    os.replace(part, path)


if __name__ == "__main__":
    FullTraining(**_read(Path(sys.argv[1]) / "training.json")).run()
