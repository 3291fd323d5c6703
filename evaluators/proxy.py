"""Proxy training: what a short training says about an architecture.

Fully training every candidate is what a search cannot afford. A proxy trains each for a few epochs, perhaps on a share of the
data or on smaller images, and hopes that the order of architectures survives; whether it does has to be checked for each
task. Every architecture gets the same examples, the same batches for the same seed, and the whole validation set.

A controller of several fidelities (`controllers.ASHA`) has the promising ones trained further: training then goes on from the
checkpoint of the shorter one, with the learning rate's schedule laid out for the longest, and ends at the same numbers as if it
had never paused.

What is learnt (images, classes, classes of pixels) follows from the data's targets: `trainer.tasks`.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluators import device
from nas.errors import Infeasible, UserError
from nas.language.backend import import_keras
from nas.study.interfaces import Fidelity, GradualEvaluator
from nas.study.trial import Measurement
from nas.study.watch import Assignment, Watch

if TYPE_CHECKING:
    from nas.language.architecture import Architecture
    from trainer.data import Dataset
    from trainer.settings import TrainSettings
    from trainer.tasks import Task

ARRAYS = ("train_x", "train_y", "val_x", "val_y")  # a search does not look at test data
SECONDS_EACH_EPOCH = 8.0  # 250 MFLOPs, 500 images of 80x80, two cores; it only decides which evaluator is asked first
UNITS = {"psnr": "dB", "crossentropy": "nats"}


class ProxyTraining(GradualEvaluator):
    """Validation figures after a short training.

    Metrics:
        val_<loss>, val_<score>: after the last epoch. Of images `val_mse`, `val_psnr` (dB), `val_ssim`; of classes
            `val_crossentropy` (nats), `val_accuracy`, and for pixels `val_miou`. `objective` names the one to search by.
        val_<...>_best: the best of all epochs. A best of many looks at the validation data flatters, so it stands apart.
        train_seconds: the training, from compiling to the last validation; without what was trained before it was continued.
        overhead_seconds: what the evaluation spent on all but training steps: data, building, tracing, validation. Of a single
            step the duration is unknown, and so are these two.
        overhead_share: the same as a share of the whole evaluation.

    With `repeats` each is a mean, and `spread` the standard deviation over the repeats.

    Args:
        data: a `trainer.Dataset`, or a name, folder, `.npz` or `gs://` prefix that `trainer.load_data` takes. Each worker
            process loads it once.
        epochs: passes over the training data.
        data_share: share of the training examples, in (0, 1]; the same examples for every architecture.
        resolution: factor on height and width, in (0, 1], to the nearest multiple of 16. The network is applied to smaller
            images, so nothing in it may depend on their size.
        width: factor on the numbers of channels, in (0, 1]; the network must not depend on them (`evaluators.shrinking`).
        steps_per_epoch: batches in an epoch, if not one pass.
        repeats: trainings, each with a seed of its own. The first is watched and can be stopped.
        task: image, classification or segmentation; "auto" goes by the targets. A `Dataset` knows its own.
        batch_size: examples in a batch.
        learning_rate: Adam's.
        loss: a Keras loss by name for images; "auto": the task's own.
        schedule: of the learning rate: "constant", or "cosine" to 0, which makes the last epoch less of a draw.
        max_seconds: a training that would take longer ends as infeasible; None: no limit.
        seconds: what an evaluation takes, roughly, if you know it.

    Attributes:
        objective: the task's metric on the validation data, and which way it is better.

    Raises:
        UserError: a setting out of range.
        DataError: no such data.
    """

    name = "proxy"
    isolated = True  # imports TensorFlow, which leaks about 34 MB a training

    def __init__(
        self,
        data: Dataset | str | os.PathLike[str],
        epochs: int = 2,
        data_share: float = 1.0,
        resolution: float = 1.0,
        *,
        width: float = 1.0,
        steps_per_epoch: int | None = None,
        repeats: int = 1,
        task: str = "auto",
        batch_size: int = 16,
        learning_rate: float = 1e-3,
        loss: str = "auto",
        schedule: str = "constant",
        max_seconds: float | None = None,
        seconds: float | None = None,
    ):
        from trainer.settings import TrainSettings

        for field, value in (("data_share", data_share), ("resolution", resolution), ("width", width)):
            _require(field, value, 0 < value <= 1, "a share above 0 and at most 1")
        _require("repeats", repeats, isinstance(repeats, int) and repeats >= 1, "a whole number from 1")
        _require("max_seconds", max_seconds, max_seconds is None or max_seconds > 0, "more than 0, or None for no limit")
        self._source: Dataset | str = os.fspath(data) if isinstance(data, str | os.PathLike) else data
        self.data = self._source if isinstance(self._source, str) else self._source.name
        self.task = self._find_task(task)
        self.settings = TrainSettings(
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            batch_size=batch_size,
            learning_rate=learning_rate,
            loss=self.task.loss_named(loss),
            schedule=schedule,
        )
        self.data_share, self.resolution, self.width = data_share, resolution, width
        self.repeats, self.max_seconds = repeats, max_seconds
        self.seconds = seconds or SECONDS_EACH_EPOCH * epochs * data_share * resolution**2 * repeats
        self._goals = {self.settings.loss: "minimize", **self.task.scores}
        losses = [name for score in self._goals for name in (f"val_{score}", f"val_{score}_best")]
        self.metrics = (*losses, "train_seconds", "overhead_seconds", "overhead_share")
        self.objective = self.task.objective(self.settings.loss)

    def describe(self) -> dict[str, Any]:
        own = ("name", "data", "data_share", "resolution", "width", "repeats", "max_seconds")
        recipe = ("epochs", "steps_per_epoch", "batch_size", "learning_rate", "loss", "schedule")
        found = {key: getattr(self, key) for key in own} | {"task": self.task.name}
        return found | {key: getattr(self.settings, key) for key in recipe}

    def evaluate(
        self,
        architecture: Architecture,
        fidelity: Fidelity = Fidelity(),
        *,
        seed: int = 0,
        watch: Watch | None = None,
    ) -> dict[str, Measurement]:
        """Trains a fresh network, or goes on with one. The losses follow from architecture, fidelity and seed.

        Raises:
            Stopped: the learning curve fell behind.
            Infeasible: training diverged, or would have taken longer than `max_seconds`.
            DataError: no such data, data that do not fit the network, or a network that cannot be made smaller.
        """
        watch = watch or Watch()
        first = self._train(architecture, fidelity, seed, watch)
        if self.repeats == 1:
            return first
        runs = [first]
        for repeat in range(1, self.repeats):
            kept = None if watch.checkpoint is None else watch.checkpoint / f"repeat-{repeat}"
            alone = Watch(assignment=Assignment(checkpoint=kept))
            runs.append(self._train(architecture, fidelity, _seed_of(seed, repeat), alone))
        found = _mean(runs)
        watch.recall(self._epochs(fidelity), found)  # what the whole says takes the place of what the first said
        return found

    def _train(self, architecture: Architecture, fidelity: Fidelity, seed: int, watch: Watch) -> dict[str, Measurement]:
        """One training."""
        keras = import_keras()

        from evaluators.shrinking import shrunk
        from trainer.checkpoint import saved_history
        from trainer.training import train

        started = time.monotonic()
        steps = self.settings.steps_per_epoch if fidelity.steps_per_epoch is None else fidelity.steps_per_epoch
        settings = dataclasses.replace(
            self.settings, epochs=self._epochs(fidelity), steps_per_epoch=steps, seed=seed, horizon=fidelity.horizon
        )
        data = self._data_at(
            self.data_share if fidelity.data_share is None else fidelity.data_share,
            self.resolution if fidelity.resolution is None else fidelity.resolution,
        )
        width = self.width if fidelity.width is None else fidelity.width
        try:
            model = architecture.build(seed=seed)
            if data.input_shape != self._dataset.input_shape or width < 1:
                self._dataset.check_fits(*(tensor.shape[1:] for tensor in (model.inputs[0], model.outputs[0])))
                model = shrunk(model, data, seed, width)
            curve = _Curve(watch, self._goals, settings, data, width)
            if watch.checkpoint is not None:
                for row in saved_history(watch.checkpoint):
                    curve.recall(row["epoch"], {settings.loss: row["val_loss"], **row["scores"]})
            found = train(
                model, data, settings, curve.report, checkpoint_directory=watch.checkpoint, deadline_seconds=self.max_seconds
            )
        finally:
            keras.backend.clear_session()  # Keras keeps a global graph for every model it built
        if found.stopped:
            raise Infeasible(f"trained {len(found.history)} of {settings.epochs} epochs: {found.stopped}")
        timed = functools.partial(Measurement, device=device.training_device(), runtime=_conditions(settings, data, width))
        measured = curve.measurements(settings.epochs) | {"train_seconds": timed(found.total_seconds, "s")}
        if not math.isnan(found.steps_seconds):  # a single step is all tracing: how long it takes by itself is then unknown
            whole = time.monotonic() - started
            overhead = max(0.0, whole - found.steps_seconds)
            measured |= {"overhead_seconds": timed(overhead, "s"), "overhead_share": timed(overhead / whole)}
        return measured

    def _epochs(self, fidelity: Fidelity) -> int:
        return self.settings.epochs if fidelity.epochs is None else fidelity.epochs

    # -- data ------------------------------------------------------------------------------------------------------------

    @functools.cached_property
    def _dataset(self) -> Dataset:
        """The whole data set, loaded once in each process."""
        from trainer.data import load_data

        if not isinstance(self._source, str):
            return self._source
        return dataclasses.replace(load_data(self._source, self._task_name), name=self.data)

    def _find_task(self, name: str) -> Task:
        """As it was said, or as the targets look."""
        from trainer.data import NAMED
        from trainer.tasks import AUTO, IMAGE, task_of

        if not isinstance(self._source, str):
            if name not in (AUTO, self._source.task.name):
                raise UserError(
                    f"these data are for {self._source.task.name}",
                    path="ProxyTraining(task)",
                    received=name,
                    expected=AUTO,
                    hint=f"Load them with load_data(..., task={name!r})",
                )
            return self._source.task
        self._task_name = name  # what is loaded in a worker again
        if name != AUTO:
            return task_of(np.empty(0), name)
        return IMAGE if self._source in NAMED else self._dataset.task

    @functools.cached_property
    def _cheaper(self) -> dict[tuple[float, float], Dataset]:
        return {}

    def _data_at(self, data_share: float, resolution: float) -> Dataset:
        from trainer.pipelines import cheaper

        key = data_share, resolution
        if key not in self._cheaper:
            self._cheaper[key] = cheaper(self._dataset, data_share=data_share, resolution=resolution)
        return self._cheaper[key]

    @functools.cached_property
    def _spool(self) -> tempfile.TemporaryDirectory[str]:
        """Arrays that exist only in memory, as files that worker processes map; gone with this object."""
        directory = tempfile.TemporaryDirectory(prefix="espalier-data-")
        for key in ARRAYS:
            np.save(Path(directory.name) / f"{key}.npy", getattr(self._dataset, key))
        return directory

    def __getstate__(self) -> dict[str, Any]:
        """What a worker process is sent: never the arrays, only where they are."""
        source = self._source if isinstance(self._source, str) else self._spool.name
        kept = {key: value for key, value in self.__dict__.items() if key not in ("_dataset", "_cheaper", "_spool")}
        return kept | {"_source": source, "_task_name": self.task.name}


class _Curve:
    """The learning curve of one training, passed on to whoever watches.

    Args:
        watch: who watches.
        goals: the loss and the scores, and which way each is better.
        settings, data, width: what the training is.
    """

    def __init__(self, watch: Watch, goals: Mapping[str, str], settings: TrainSettings, data: Dataset, width: float):
        self._watch, self._goals, self._rows = watch, goals, list[Mapping[str, float]]()
        self._settings, self._data, self._width = settings, data, width

    def recall(self, epoch: int, row: Mapping[str, float]) -> None:
        """An epoch that was trained before."""
        self._rows.append(row)
        self._watch.recall(epoch, self.measurements(epoch))

    def report(self, epoch: int, logs: Mapping[str, float]) -> None:
        """An epoch that was trained now. Raises `Stopped`, except after the last: then there is nothing left to save."""
        scores = {name: logs["val_loss" if name == self._settings.loss else f"val_{name}"] for name in self._goals}
        if epoch == self._settings.epochs:
            self.recall(epoch, scores)
            return
        self._rows.append(scores)
        self._watch.report(epoch, self.measurements(epoch))

    def measurements(self, epochs: int) -> dict[str, Measurement]:
        """What is known after so many epochs."""
        conditions = _conditions(dataclasses.replace(self._settings, epochs=epochs), self._data, self._width)
        measured = {}
        for name, goal in self._goals.items():
            values = [row[name] for row in self._rows]
            trained = functools.partial(
                Measurement, unit=UNITS.get(name, ""), device=device.training_device(), runtime=conditions
            )
            measured[f"val_{name}"] = trained(values[-1])
            measured[f"val_{name}_best"] = trained(min(values) if goal == "minimize" else max(values))
        return measured


def _mean(runs: Sequence[Mapping[str, Measurement]]) -> dict[str, Measurement]:
    """Each metric's mean over trainings, with their standard deviation."""
    found = {}
    for metric in runs[0]:
        values = [run[metric].value for run in runs if metric in run]
        spread = statistics.stdev(values) if len(values) > 1 else None
        found[metric] = dataclasses.replace(runs[0][metric], value=statistics.fmean(values), spread=spread, n=len(values))
    return found


def _seed_of(seed: int, repeat: int) -> int:
    return int(np.random.default_rng([seed, repeat]).integers(2**32))


def _conditions(settings: TrainSettings, data: Dataset, width: float) -> str:
    """`Keras 3.15.1 (tensorflow), 2 epochs of 477 examples, 80x80, batch 16`."""
    import keras

    size = "x".join(str(n) for n in data.input_shape[:2])
    epochs = f"{settings.epochs} epoch{'s' if settings.epochs > 1 else ''}"
    steps = f" in {settings.steps_per_epoch} steps each" if settings.steps_per_epoch else ""
    narrow = f", width {width:g}" if width < 1 else ""
    return (
        f"Keras {keras.__version__} ({keras.backend.backend()}), {epochs} of {len(data.train_x)} examples{steps}, {size}, "
        f"batch {settings.batch_size}{narrow}"
    )


def _require(field: str, value: float | None, holds: bool, expected: str) -> None:
    if not holds:
        raise UserError(f"{field} is {value}", path=f"ProxyTraining({field})", received=value, expected=expected)
