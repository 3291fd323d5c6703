"""Proxy training: what a short training says about an architecture.

Fully training every candidate is what a search cannot afford. A proxy trains each for a few epochs, perhaps on a share of the
data or on smaller images, and hopes that the order of architectures survives; whether it does has to be checked for each
task. Every architecture gets the same examples, the same batches for the same seed, and the whole validation set.

A controller of several fidelities (`controllers.ASHA`) has the promising ones trained further: training then goes on from the
checkpoint of the shorter one, with the learning rate's schedule laid out for the longest, and ends at the same numbers as if it
had never paused.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluators import device
from nas.errors import DataError, Infeasible, UserError
from nas.study.interfaces import Fidelity, GradualEvaluator
from nas.study.trial import Measurement
from nas.study.watch import Watch

if TYPE_CHECKING:
    from nas.language.architecture import Architecture
    from trainer.data import Dataset
    from trainer.settings import TrainSettings

ARRAYS = ("train_x", "train_y", "val_x", "val_y")  # a search does not look at test data
SECONDS_EACH_EPOCH = 8.0  # 250 MFLOPs, 500 images of 80x80, two cores; it only decides which evaluator is asked first


class ProxyTraining(GradualEvaluator):
    """Validation loss after a short training.

    Metrics:
        val_<loss>: after the last epoch (`val_mse`). The one to search by.
        val_<loss>_best: the lowest of all epochs. A minimum over looks at the validation data flatters, so it stands apart.
        train_seconds: the training, from compiling to the last validation; without what was trained before it was continued.
        seconds_outside_training: what the evaluation spent on all but training steps: data, building, tracing, validation.

    Args:
        data: a `trainer.Dataset`, or a name, folder, `.npz` or `gs://` prefix that `trainer.load_data` takes. Each worker
            process loads it once.
        epochs: passes over the training data.
        data_share: share of the training examples, in (0, 1]; the same examples for every architecture.
        resolution: factor on height and width, in (0, 1], to the nearest multiple of 16. The network is applied to smaller
            images, so nothing in it may depend on their size.
        batch_size: examples in a batch.
        learning_rate: Adam's.
        loss: a Keras loss by name.
        schedule: of the learning rate: "constant", or "cosine" to 0, which makes the last epoch less of a draw.
        max_seconds: a training that would take longer ends as infeasible; None: no limit.
        seconds: what an evaluation takes, roughly, if you know it.

    Raises:
        UserError: a setting out of range.
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
        batch_size: int = 16,
        learning_rate: float = 1e-3,
        loss: str = "mse",
        schedule: str = "constant",
        max_seconds: float | None = None,
        seconds: float | None = None,
    ):
        from trainer.training import TrainSettings

        for field, value in (("data_share", data_share), ("resolution", resolution)):
            _require(field, value, 0 < value <= 1, "a share above 0 and at most 1")
        _require("max_seconds", max_seconds, max_seconds is None or max_seconds > 0, "more than 0, or None for no limit")
        self.settings = TrainSettings(
            epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, loss=loss, schedule=schedule
        )
        self.data_share, self.resolution, self.max_seconds = data_share, resolution, max_seconds
        self.seconds = seconds or SECONDS_EACH_EPOCH * epochs * data_share * resolution**2
        self.metrics = (f"val_{loss}", f"val_{loss}_best", "train_seconds", "seconds_outside_training")
        self._source: Dataset | str = os.fspath(data) if isinstance(data, str | os.PathLike) else data
        self.data = self._source if isinstance(self._source, str) else self._source.name

    def describe(self) -> dict[str, Any]:
        own = {key: getattr(self, key) for key in ("name", "data", "data_share", "resolution", "max_seconds")}
        return own | {key: getattr(self.settings, key) for key in ("epochs", "batch_size", "learning_rate", "loss", "schedule")}

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
            DataError: no such data, data that do not fit the network, or a network that cannot take smaller images.
        """
        import keras

        from trainer.checkpoint import saved_history
        from trainer.training import train

        started = time.monotonic()
        if fidelity.width is not None:
            raise UserError(
                f"width is {fidelity.width:g}, but the width of an architecture is decided",
                path="Fidelity(width)",
                received=fidelity.width,
                expected="None for ProxyTraining",
                hint="Use epochs, data_share or resolution; make width a choice of the space",
            )
        epochs = self.settings.epochs if fidelity.epochs is None else fidelity.epochs
        settings = dataclasses.replace(self.settings, epochs=epochs, seed=seed, horizon=fidelity.horizon)
        data = self._data_at(
            self.data_share if fidelity.data_share is None else fidelity.data_share,
            self.resolution if fidelity.resolution is None else fidelity.resolution,
        )
        try:
            model = architecture.build(seed=seed)
            if data.input_shape != self._dataset.input_shape:
                self._dataset.check_fits(*(tensor.shape[1:] for tensor in (model.inputs[0], model.outputs[0])))
                model = at_resolution(model, data, seed)
            curve = _Curve(watch or Watch(), self.metrics[:2], settings, data)
            if curve.watch.checkpoint is not None:
                for row in saved_history(curve.watch.checkpoint):
                    curve.recall(row["epoch"], row["val_loss"])
            before = len(curve.values)
            checkpoint = curve.watch.checkpoint
            found = train(
                model, data, settings, curve.report, checkpoint_directory=checkpoint, deadline_seconds=self.max_seconds
            )
        finally:
            keras.backend.clear_session()  # Keras keeps a global graph for every model it built
        if found.stopped:
            raise Infeasible(f"trained {len(found.history)} of {settings.epochs} epochs: {found.stopped}")
        trained = functools.partial(Measurement, device=device.training_device(), runtime=_conditions(settings, data))
        train_seconds, outside = self.metrics[2:]
        measured = curve.measurements(settings.epochs) | {train_seconds: trained(found.total_seconds, "s")}
        in_steps = found.step_seconds * (settings.epochs - before) * math.ceil(len(data.train_x) / settings.batch_size)
        if not math.isnan(in_steps):  # a single step is all tracing: how long it takes by itself is then unknown
            measured[outside] = trained(max(0.0, time.monotonic() - started - in_steps), "s")
        return measured

    # -- data ------------------------------------------------------------------------------------------------------------

    @functools.cached_property
    def _dataset(self) -> Dataset:
        """The whole data set, loaded once in each process."""
        from trainer.data import load_data

        if not isinstance(self._source, str):
            return self._source
        return dataclasses.replace(load_data(self._source), name=self.data)

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
        return kept | {"_source": source}


class _Curve:
    """The learning curve of one training, passed on to whoever watches.

    Args:
        watch: who watches.
        metrics: names of the loss of the last and of the best epoch.
        settings, data: what the training is.
    """

    def __init__(self, watch: Watch, metrics: tuple[str, ...], settings: TrainSettings, data: Dataset):
        self.watch, self.values = watch, list[float]()
        self._metrics, self._settings, self._data = metrics, settings, data

    def recall(self, epoch: int, val_loss: float) -> None:
        """An epoch that was trained before."""
        self.values.append(val_loss)
        self.watch.recall(epoch, self.measurements(epoch))

    def report(self, epoch: int, logs: Mapping[str, float]) -> None:
        """An epoch that was trained now. Raises `Stopped`, except after the last: then there is nothing left to save."""
        if epoch == self._settings.epochs:
            self.recall(epoch, logs["val_loss"])
            return
        self.values.append(logs["val_loss"])
        self.watch.report(epoch, self.measurements(epoch))

    def measurements(self, epochs: int) -> dict[str, Measurement]:
        """What is known after so many epochs."""
        conditions = _conditions(dataclasses.replace(self._settings, epochs=epochs), self._data)
        trained = functools.partial(Measurement, device=device.training_device(), runtime=conditions)
        return {name: trained(v) for name, v in zip(self._metrics, (self.values[-1], min(self.values)), strict=True)}


def at_resolution(model: Any, data: Dataset, seed: int) -> Any:
    """The same layers with fresh weights on images of the size of `data`.

    Raises:
        DataError: the network depends on the size of its images.
    """
    import keras

    keras.utils.set_random_seed(seed)
    problem = ""
    try:
        small = keras.models.clone_model(model, input_tensors=keras.Input(data.input_shape))
    except (ValueError, TypeError) as error:
        problem = f"the network does not build on {data.input_shape} ({str(error).splitlines()[0]})"
    else:
        if tuple(small.output_shape[1:]) != data.output_shape:
            problem = f"on {data.input_shape} the network gives {tuple(small.output_shape[1:])}, not {data.output_shape}"
        elif small.count_params() != model.count_params():
            problem = f"on {data.input_shape} the network has {small.count_params()} parameters, not {model.count_params()}"
    if problem:
        raise DataError(
            problem,
            path="ProxyTraining(resolution)",
            received=data.input_shape,
            expected="a network whose layers do not depend on the image size",
            hint="Use resolution=1, and epochs or data_share to save time",
        )
    return small


def _conditions(settings: TrainSettings, data: Dataset) -> str:
    """`Keras 3.15.1 (tensorflow), 2 epochs of 477 examples, 80x80, batch 16`."""
    import keras

    size = "x".join(str(n) for n in data.input_shape[:2])
    epochs = f"{settings.epochs} epoch{'s' if settings.epochs > 1 else ''}"
    return (
        f"Keras {keras.__version__} ({keras.backend.backend()}), {epochs} of {len(data.train_x)} examples, {size}, "
        f"batch {settings.batch_size}"
    )


def _require(field: str, value: float | None, holds: bool, expected: str) -> None:
    if not holds:
        raise UserError(f"{field} is {value}", path=f"ProxyTraining({field})", received=value, expected=expected)
