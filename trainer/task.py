"""The container entry point: `python -m trainer.task` trains one architecture and reports its validation loss.

It is the book's task.py under Keras 3, with the same flags: one command for a full training, and for each trial of
hyperparameter tuning, here (`trainer.tuning`) or on Vertex AI. It reports `val_loss` through cloudml-hypertune after each
epoch, so that a service can stop it early; the last is its result. After training it saves the network to AIP_MODEL_DIR. A
training that diverges reports NaN and saves nothing, which tuning services count as an infeasible trial.

    python -m trainer.task --epochs=10 --steps_per_epoch=100 --learning_rate=0.001 --batch_size=16 --loss=mse
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nas
from nas.errors import DecisionError, UserError
from nas.language.backend import chosen, has_tensorflow
from trainer import storage
from trainer.data import Dataset, load_data
from trainer.settings import SCHEDULES, TrainSettings
from trainer.strategy import STRATEGIES, is_chief, scope
from trainer.tasks import AUTO
from trainer.training import Diverged, TrainResult, train

if TYPE_CHECKING:
    from nas.language.architecture import Architecture

METRIC = "val_loss"
DEFAULTS = TrainSettings()


def get_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line. The book's five flags have its names and types; here they have defaults."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.task",
        description="Trains one architecture and reports its validation loss.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--epochs", type=whole_number, default=DEFAULTS.epochs, help="training epochs (%(default)s)")
    add("--steps_per_epoch", type=whole_number, help="batches in an epoch (one pass over the training data)")
    add("--learning_rate", type=float, default=DEFAULTS.learning_rate, help="Adam's learning rate (%(default)s)")
    add(
        "--batch_size", type=whole_number, default=DEFAULTS.batch_size, help="examples in a batch, on each device (%(default)s)"
    )
    add("--loss", default=DEFAULTS.loss, help="a Keras loss for images by name; auto: the task's own (%(default)s)")
    add("--task", default=AUTO, help="image, classification or segmentation; auto goes by the targets (%(default)s)")
    add("--data", default=_default_data(), help="photos, a folder, an .npz file, or gs://bucket/prefix (%(default)s)")
    add(
        "--architecture",
        default="book",
        help="a JSON file {space, decisions}, also gs://; SPACE:INDEX; SPACE:BASELINE; a baseline of colorizer (%(default)s)",
    )
    add(
        "--distribute",
        choices=STRATEGIES,
        default=DEFAULTS.strategy,
        help="one device, all devices, or several machines (%(default)s)",
    )
    add("--schedule", choices=SCHEDULES, default=DEFAULTS.schedule, help="of the learning rate (%(default)s)")
    add("--seed", type=whole_number, default=DEFAULTS.seed, help="of initial weights and order of examples (%(default)s)")
    add(
        "--model_dir",
        default=os.environ.get("AIP_MODEL_DIR"),
        help="where model.keras and the SavedModel go, nowhere if empty (AIP_MODEL_DIR)",
    )
    add(
        "--checkpoint_dir",
        default=os.environ.get("AIP_CHECKPOINT_DIR"),
        help="where the state is kept after each epoch, to go on from when started again (AIP_CHECKPOINT_DIR)",
    )
    return parser.parse_args(arguments)


def whole_number(text: str) -> int:
    """An int; "16.0" too, since tuning services send whole numbers as doubles."""
    value = float(text)
    if not value.is_integer():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(value)


def find_architecture(text: str) -> Architecture:
    """The architecture that `text` names.

    Args:
        text: a `.json` file `{"space": reference, "decisions": {...}}` here or in a bucket; `space:index`; `space:baseline`,
            where space is a prebuilt name or a reference as `nas.load_space` takes it; or a baseline of `colorizer`.

    Raises:
        UserError: nothing of that name.
    """
    if text.endswith(".json"):
        space, decisions = _read_point(text)
        return _space(space).architecture(decisions)
    reference, colon, point = text.rpartition(":")
    space = _space(reference if colon else "colorizer")
    if point in space.baselines:
        return space.baselines[point]
    if point.isdecimal():
        return space.architecture(int(point))
    raise DecisionError(
        f"{space.name} has no point {point!r}",
        path="--architecture",
        received=text,
        expected=f"an index below {space.size}, or a baseline: {', '.join(space.baselines) or 'there is none'}",
        hint="For chosen decisions write a JSON file with space and decisions",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains, saves, reports. Returns 0, or 2 after a user's mistake."""
    args = get_args(arguments)
    try:
        run(args)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def run(args: argparse.Namespace) -> None:
    """One training from command line to report."""
    settings = TrainSettings(
        epochs=args.epochs,
        steps_per_epoch=args.steps_per_epoch,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        loss=args.loss,
        schedule=args.schedule,
        seed=args.seed,
        strategy=args.distribute,
    )
    architecture = find_architecture(args.architecture)
    dataset = load_data(args.data, args.task)
    report = Reporter()
    for note in dataset.notes:
        print(f"note: {note}")
    with output_folder(args.model_dir) as model_dir:
        with scope(args.distribute):
            model = architecture.build(seed=args.seed)
        _say_what(model, dataset, settings)
        try:
            on_epoch = _say_epoch(settings.epochs, report)
            result = train(model, dataset, settings, on_epoch, checkpoint_directory=_checkpoints(args.checkpoint_dir))
        except Diverged as error:
            print(f"training diverged: {error}", file=sys.stderr)
            if is_chief():
                report(math.nan, args.epochs)
            return
        if model_dir is not None and is_chief():
            save(model, model_dir, dataset, result)
    if is_chief():
        report(result.last_val_loss, args.epochs)  # of a training that was complete before, nothing was reported yet
    print(f"{METRIC} {result.last_val_loss:.6g}")


def save(model: Any, directory: Path, dataset: Dataset, result: TrainResult) -> None:
    """`model.keras`, `savedmodel/` and `training.json` into `directory`; the first two are loaded again and compared.

    Without TensorFlow there is no SavedModel, which is said.
    """
    from trainer.export import export

    formats = ("keras", "savedmodel") if has_tensorflow() else ("keras",)
    if not has_tensorflow():
        print(f"note: a SavedModel needs TensorFlow, and Keras computes with {chosen()}: only model.keras is saved")
    for made in export(model, directory, formats, sample_x=dataset.val_x):
        print(
            f"saved {made.path.name}: {made.size_bytes} bytes, largest difference after loading {made.max_abs_difference:.2g}"
        )
    history = [{"epoch": row.epoch, "loss": row.loss, METRIC: row.val_loss, "seconds": row.seconds} for row in result.history]
    (directory / "training.json").write_text(json.dumps({"data": dataset.name, "history": history}, indent=1), encoding="utf-8")


class Reporter:
    """Reports to a tuning service, in the file that CLOUD_ML_HP_METRIC_FILE names.

    Made once a training: hypertune begins the file anew each time it is made.
    """

    def __init__(self) -> None:
        self._last = 0

    def __call__(self, value: float, epoch: int) -> None:
        """The figure after so many epochs; the second time for the same epoch it is not reported again."""
        if self._last == 0:
            self._tuner = self._make()
        if epoch != self._last or math.isnan(value):
            self._last = epoch
            self._tuner.report_hyperparameter_tuning_metric(
                hyperparameter_metric_tag=METRIC, metric_value=value, global_step=epoch
            )

    def _make(self) -> Any:
        import hypertune

        file = os.environ.get("CLOUD_ML_HP_METRIC_FILE")
        if file:
            os.environ["CLOUD_ML_HP_METRIC_FILE"] = os.path.abspath(
                file
            )  # hypertune cannot make the folder of a bare file name
        return hypertune.HyperTune()


def _default_data() -> str:
    return os.environ.get("ESPALIER_DATA") or os.environ.get("AIP_TRAINING_DATA_URI") or "photos"


def _space(reference: str) -> Any:
    return nas.load_space(f"search_spaces.{reference}:{reference}" if reference.isidentifier() else reference)


def _read_point(location: str) -> tuple[str, Mapping[str, Any]]:
    text = storage.read_text(location)
    try:
        found = json.loads(text)
        space, decisions = found["space"], found["decisions"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise DecisionError(
            f"is not an architecture ({type(error).__name__}: {error})",
            path=location,
            expected='{"space": reference, "decisions": {name: value}}',
        ) from None
    if not isinstance(space, str) or not isinstance(decisions, dict):
        raise DecisionError(
            "space is a text, decisions an object", path=location, expected='{"space": reference, "decisions": {name: value}}'
        )
    return space, decisions


@contextlib.contextmanager
def output_folder(model_dir: str | None) -> Iterator[Path | None]:
    """The folder to save to; for a bucket that is not mounted, a temporary one that is uploaded at the end.

    It is made before training: an hour's work is not lost to a missing permission.
    """
    folder = storage.mounted(model_dir) if model_dir else None
    if not model_dir or folder is not None:
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=folder).close()
            except OSError as error:
                raise UserError(
                    f"cannot be written to ({error.strerror})",
                    path="--model_dir",
                    received=model_dir,
                    hint="Choose a directory you can write to",
                ) from None
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)
        storage.upload(Path(temporary), model_dir)


def _checkpoints(location: str | None) -> Path | None:
    if not location:
        return None
    folder = storage.mounted(location)
    if folder is None:
        print(f"note: {location} is not mounted here, so no checkpoints are kept")
    return folder


def _say_what(model: Any, dataset: Dataset, settings: TrainSettings) -> None:
    import keras

    print(f"Python {sys.version.split()[0]}, Keras {keras.__version__} on {keras.backend.backend()}")
    if has_tensorflow():
        replicas = model.distribute_strategy.num_replicas_in_sync
        print(f"TF_CONFIG {os.environ.get('TF_CONFIG', 'not set')}, {replicas} replicas")
    print(f"{dataset!r}\n{model.name}: {model.count_params()} parameters\n{settings}", flush=True)


def _say_epoch(epochs: int, report: Reporter) -> Any:
    def say(epoch: int, logs: Mapping[str, float]) -> None:
        if is_chief():
            report(logs["val_loss"], epoch)
        print(
            f"epoch {epoch}/{epochs}: loss {logs['loss']:.5f}, val_loss {logs['val_loss']:.5f}, {logs['seconds']:.1f} s",
            flush=True,
        )

    return say


if __name__ == "__main__":
    sys.exit(main())
