"""How one network is trained: the loop, and what comes out.

The recipe is the book's (`settings`): Adam with beta_1 = .5 on the mean squared error (where targets are classes, on the
cross-entropy: `tasks`), a fixed number of epochs. Around it
stands what a search needs: the same seed gives the same batches, training that diverges ends at once with the reason, the best
epoch's weights can be kept, and a training that is killed resumes where it was (`checkpoint`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from nas.errors import DataError, Infeasible, UserError
from trainer.checkpoint import Arrays, Checkpoint, read_variables, write_variables
from trainer.data import Dataset
from trainer.pipelines import training_batches, training_order
from trainer.scores import scores_for
from trainer.settings import TrainSettings
from trainer.steps import batches_for, make_predict, make_step
from trainer.strategy import is_chief
from trainer.tasks import AUTO, check_labels, loss_function, stock_loss

DIVERGED_AT = 100.0
"""An epoch whose loss is this many times the untrained network's has diverged.

Measured on small residual networks, Adam at rates from .01 to 1: from 3.4 times in the first epoch the loss still came down to
.02 times; from 6,700 and above it stood at .6 or worse 11 epochs later."""

EVALUATION_BATCH = 64


class Diverged(Infeasible):
    """Training went astray; `str(error)` is the reason, `history` the epochs before it."""

    def __init__(self, reason: str, history: tuple[Epoch, ...] = ()):
        super().__init__(reason)
        self.history = history

    def __reduce__(self):
        return type(self), (str(self), self.history)


@dataclasses.dataclass(frozen=True)
class Epoch:
    """One epoch: its number from 1, training loss (mean over its batches), validation loss after it, seconds for both, and the
    other scores of the task on the validation split (`{"psnr": 22.8, "ssim": .84}`)."""

    epoch: int
    loss: float
    val_loss: float
    seconds: float
    scores: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """What training found.

    Attributes:
        history: one row an epoch, those before an interruption included.
        best_epoch, best_val_loss: the best epoch by the task's metric on the validation split (the loss of images, accuracy or
            mean IoU of classes), and its loss. A best over epochs is chosen on validation data and so flatters; quote test
            figures beside it.
        last_val_loss: after the last epoch.
        kept_epoch: the epoch whose weights the network has now.
        step_seconds: median of a training step in this call, without the first, which traces; NaN if there was none.
        steps_seconds: in all training steps of this call, the first counted as long as the median; NaN if there was none.
        total_seconds: of this call.
        stopped: why it ended before `epochs`, or "".
    """

    history: tuple[Epoch, ...]
    best_epoch: int
    best_val_loss: float
    last_val_loss: float
    kept_epoch: int
    step_seconds: float
    steps_seconds: float
    total_seconds: float
    stopped: str = ""


def train(
    model: Any,
    dataset: Dataset,
    settings: TrainSettings = TrainSettings(),
    on_epoch: Callable[[int, Mapping[str, float]], None] | None = None,
    *,
    restore_best: bool = False,
    checkpoint_directory: str | os.PathLike[str] | None = None,
    deadline_seconds: float | None = None,
) -> TrainResult:
    """Compiles and trains `model` on the training split, validating after every epoch.

    Args:
        model: a `keras.Model`, built inside the strategy's scope unless the strategy is single.
        dataset: fits the network's input and output.
        settings: the recipe.
        on_epoch: called after each epoch with its number from 1 and `loss`, `val_loss`, `seconds`, and the scores of the task,
            such as `val_psnr`; what it raises ends training.
        restore_best: leave the weights of the best epoch in the network, not the last epoch's.
        checkpoint_directory: keeps the state after each epoch here; a later call with the same arguments goes on from it, also
            one with more epochs where both have the same horizon.
        deadline_seconds: no epoch is begun that would end after so many seconds; the first always runs.

    Raises:
        Diverged: the loss is not finite, or far above the untrained network's.
        DataError: the data do not fit the network.
        UserError: an unknown loss, a model outside its strategy, a checkpoint of another training.
    """
    started = time.monotonic()
    dataset.check_fits(*_example_shapes(model))
    task, loss_name = dataset.task, dataset.task.loss_named(settings.loss)
    settings = dataclasses.replace(settings, loss=loss_name)
    batch_size = settings.batch_size * _replicas(model, settings.strategy)
    steps = settings.steps_per_epoch or math.ceil(len(dataset.train_x) / batch_size)
    history: list[Epoch] = []
    best: Arrays | None = None
    checkpoint = None
    with _scope(model):
        loss_or_name = loss_function(task, loss_name, model)
        _compile(model, settings, loss_or_name, (settings.horizon or settings.epochs) * steps)
        if checkpoint_directory is not None:
            checkpoint = Checkpoint(checkpoint_directory, _identity(model, dataset, settings, restore_best))
            rows, best = checkpoint.restore(model)
            history = [Epoch(**row) for row in rows]

    wanted, done = settings.epochs * steps, len(history) * steps
    order = training_order(len(dataset.train_x), batch_size, wanted, settings.seed, start=done, flip=settings.flip)
    batches = batches_for(model, training_batches(dataset.train_x, dataset.train_y, order))
    step, predict = make_step(model), make_predict(model)
    step_seconds: list[float] = []
    stopped = ""
    for number in range(len(history) + 1, settings.epochs + 1):
        epoch_started = time.monotonic()
        loss = _train_epoch(model, step, batches, steps, step_seconds, history)
        scores = _judge(model, predict, dataset, "val", loss_name)
        val_loss = scores.pop(loss_name)
        if not math.isfinite(val_loss):
            raise Diverged(f"the validation loss became {val_loss} after epoch {number}", tuple(history))
        history.append(Epoch(number, loss, val_loss, time.monotonic() - epoch_started, scores))
        if restore_best and _best(history, dataset).epoch == number:
            best = read_variables(model.variables)
        seconds = history[-1].seconds
        if checkpoint is not None and is_chief():
            checkpoint.save(model, [dataclasses.asdict(row) for row in history], best)
        if on_epoch is not None:
            on_epoch(number, {"loss": loss, "val_loss": val_loss, "seconds": seconds} | validation(scores))
        if (
            deadline_seconds is not None
            and number < settings.epochs
            and time.monotonic() - started + seconds > deadline_seconds
        ):
            stopped = f"another epoch of {seconds:.1f} s would not fit the deadline of {deadline_seconds:g} s"
            break

    if restore_best and best is not None:
        write_variables(model.variables, best)
    if task.has_labels:
        with _scope(model):
            void = check_labels(dataset.name, dataset.labels, model.output_shape[-1])
            model.compile(loss=stock_loss(model, void), optimizer=model.optimizer)
    best_epoch = _best(history, dataset)
    typical = statistics.median(step_seconds[1:]) if len(step_seconds) > 1 else math.nan
    return TrainResult(
        history=tuple(history),
        best_epoch=best_epoch.epoch,
        best_val_loss=best_epoch.val_loss,
        last_val_loss=history[-1].val_loss,
        kept_epoch=best_epoch.epoch if restore_best else history[-1].epoch,
        step_seconds=typical,
        steps_seconds=typical + sum(step_seconds[1:]),
        total_seconds=time.monotonic() - started,
        stopped=stopped,
    )


def judge(model: Any, dataset: Dataset, split: str = "val", loss: str = AUTO) -> dict[str, float]:
    """Every score of the data set's task on one split: the loss by its name, then `psnr` and `ssim`, or `accuracy`, ...

    Args:
        model: fits the data.
        dataset: whose task it is.
        split: train, val or test.
        loss: as in `TrainSettings`.
    """
    return _judge(model, make_predict(model), dataset, split, dataset.task.loss_named(loss))


def validation(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores under the names that those on the validation split have: `{"val_psnr": 22.8}`."""
    return {f"val_{name}": value for name, value in scores.items()}


def _train_epoch(
    model: Any,
    step: Callable[[Any], float],
    batches: Iterator[Any],
    steps: int,
    step_seconds: list[float],
    history: Sequence[Epoch],
) -> float:
    """Trains on the next `steps` batches; their mean loss. Raises `Diverged` at the first step that is not finite."""
    model.reset_metrics()
    untrained = history[0].loss if history else math.nan
    loss = math.nan
    for k in range(steps):
        began = time.perf_counter()
        loss = step(next(batches))
        step_seconds.append(time.perf_counter() - began)
        if not math.isfinite(loss):
            raise Diverged(f"the loss became {loss} in epoch {len(history) + 1}, step {k + 1}", tuple(history))
        if math.isnan(untrained):
            untrained = loss
    if loss > DIVERGED_AT * untrained:
        raise Diverged(f"the loss rose from {untrained:.4g} to {loss:.4g} in epoch {len(history) + 1}", tuple(history))
    return loss


def _judge(
    model: Any, predict: Callable[[np.ndarray], np.ndarray], dataset: Dataset, split: str, loss: str
) -> dict[str, float]:
    scores = scores_for(dataset.task, loss, model, dataset.span)
    x, y = getattr(dataset, f"{split}_x"), getattr(dataset, f"{split}_y")
    for start in range(0, len(x), EVALUATION_BATCH):
        scores.add(y[start : start + EVALUATION_BATCH], predict(x[start : start + EVALUATION_BATCH]))
    return scores.result()


def _best(history: Sequence[Epoch], dataset: Dataset) -> Epoch:
    """The best epoch by the task's metric; the earliest of equals."""
    task = dataset.task
    if task.metric in task.scores and all(task.metric in row.scores for row in history):
        sign = 1 if task.goal == "maximize" else -1
        return max(history, key=lambda row: sign * row.scores[task.metric])
    return min(history, key=lambda row: row.val_loss)


def _compile(model: Any, settings: TrainSettings, loss: Any, steps: int) -> None:
    import keras

    try:
        keras.losses.get(loss)
    except (ValueError, TypeError):
        raise UserError(
            f"Keras has no loss {settings.loss!r}",
            path="loss",
            received=settings.loss,
            expected="a Keras loss by name, such as mse, mae or huber",
        ) from None
    rate: Any = settings.learning_rate
    if settings.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    model.compile(loss=loss, optimizer=keras.optimizers.Adam(rate, beta_1=settings.beta_1))
    # Left to the first step, the optimizer's variables are made while tracing, which then runs twice: 5.2 s of CPU time to the
    # first step of the book's network instead of 2.7.
    model.optimizer.build(model.trainable_variables)


def _identity(model: Any, dataset: Dataset, settings: TrainSettings, restore_best: bool) -> dict[str, Any]:
    settings_that_matter = {k: v for k, v in dataclasses.asdict(settings).items() if k not in ("strategy", "horizon")}
    return settings_that_matter | {
        "epochs": settings.horizon or settings.epochs,
        "restore_best": restore_best,
        "data": [dataset.name, len(dataset.train_x), *dataset.input_shape, *dataset.output_shape],
        "network": _network_digest(model),
    }


def _network_digest(model: Any) -> str:
    """Equal for networks of the same layers in the same order, whatever their names and weights."""
    layers = [[type(layer).__name__, {k: v for k, v in layer.get_config().items() if k != "name"}] for layer in model.layers]
    shapes = [list(variable.shape) for variable in model.variables]
    return hashlib.blake2b(json.dumps([layers, shapes], sort_keys=True, default=repr).encode(), digest_size=8).hexdigest()


def _example_shapes(model: Any) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
    """Input and output of the network for one example."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise DataError(
            f"the network has {len(model.inputs)} inputs and {len(model.outputs)} outputs",
            path=model.name,
            expected="one of each: a data set is pairs of x and y",
        )
    return tuple(model.inputs[0].shape[1:]), tuple(model.outputs[0].shape[1:])


def _scope(model: Any) -> Any:
    """The scope of the strategy the network was built in; other backends than TensorFlow know none."""
    strategy = getattr(model, "distribute_strategy", None)
    return strategy.scope() if strategy is not None else nullcontext()


def _replicas(model: Any, name: str) -> int:
    strategy = getattr(model, "distribute_strategy", None)
    if name != "single" and not type(strategy).__name__.startswith(("Mirrored", "MultiWorker", "CollectiveAllReduce")):
        raise UserError(
            "the network was built outside the strategy",
            path=f"strategy={name}",
            hint=f"Build it inside trainer.strategy.scope({name!r})",
        )
    return strategy.num_replicas_in_sync if strategy is not None else 1
