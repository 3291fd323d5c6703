"""What decides how a network is trained, as one value: the recipe of the book by default."""

from __future__ import annotations

import dataclasses
import math

from nas.errors import UserError
from trainer.strategy import check_name
from trainer.tasks import AUTO

SCHEDULES = ("constant", "cosine")


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """What decides how a network is trained.

    Attributes:
        epochs: how often validation is looked at.
        steps_per_epoch: batches in an epoch; None: as many as one pass over the training data takes, rounded up.
        batch_size: examples in a batch, on each device.
        learning_rate: Adam's, at the start.
        loss: "auto", the task's own (`trainer.tasks`): the mean squared error of images, the cross-entropy of classes; or a
            Keras loss for images by name.
        beta_1: Adam's decay of the first moment; the book's .5.
        schedule: "constant" as in the book, or "cosine": the rate falls to 0 over the whole training (Loshchilov and Hutter
            2017, eq. 5, without restarts), which makes the last epoch's figure less of a draw.
        horizon: epochs that the schedule is laid out for; None: `epochs`. With a larger one this is the beginning of a longer
            training, which a later call can continue from a checkpoint.
        flip: mirror half of the examples of each pass left to right, inputs and targets alike, for images whose sides are equal
            to the task.
        seed: of the order of examples. Initial weights and dropout follow the seed the network was built with.
        strategy: single, mirror or multi (`trainer.strategy`).
    """

    epochs: int = 20
    steps_per_epoch: int | None = None
    batch_size: int = 16
    learning_rate: float = 1e-3
    loss: str = AUTO
    beta_1: float = 0.5
    schedule: str = "constant"
    horizon: int | None = None
    flip: bool = False
    seed: int = 0
    strategy: str = "single"

    def __post_init__(self) -> None:
        for name in ("epochs", "steps_per_epoch", "batch_size", "horizon"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise UserError(f"{value!r}", path=name, received=value, expected="a whole number, at least 1")
        if self.horizon is not None and self.horizon < self.epochs:
            expected = f"at least the epochs, {self.epochs}"
            raise UserError(f"{self.horizon!r}", path="horizon", received=self.horizon, expected=expected)
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            raise UserError(f"{self.seed!r}", path="seed", received=self.seed, expected="a whole number from 0 to 2**32 - 1")
        if not (isinstance(self.learning_rate, int | float) and 0 < self.learning_rate < math.inf):
            raise UserError(
                f"{self.learning_rate!r}",
                path="learning_rate",
                received=self.learning_rate,
                expected="a number above 0, such as 1e-3",
            )
        if not 0 <= self.beta_1 < 1:
            raise UserError(f"{self.beta_1!r}", path="beta_1", received=self.beta_1, expected="a number from 0 to below 1")
        if self.schedule not in SCHEDULES:
            raise UserError(
                f"{self.schedule!r}", path="schedule", received=self.schedule, expected=f"one of {', '.join(SCHEDULES)}"
            )
        check_name(self.strategy)
