"""How thoroughly an architecture is judged, and which judgements can be compared or continued."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Fidelity:
    """How thoroughly an architecture is judged; None leaves the evaluator's own setting.

    Attributes:
        epochs: passes over the training data.
        steps_per_epoch: batches in an epoch, if not one pass.
        data_share: share of the training data used, in (0, 1].
        resolution: factor on the input's height and width, in (0, 1].
        width: factor on channels, in (0, 1].
        horizon: epochs that the learning rate's schedule is laid out for; None: as many as are trained. A training that may be
            continued needs the schedule of the whole from its first epoch on.
    """

    epochs: int | None = None
    data_share: float | None = None
    resolution: float | None = None
    width: float | None = None
    horizon: int | None = None
    steps_per_epoch: int | None = None

    def refined(self, other: Fidelity) -> Fidelity:
        """This one, where `other` says nothing else."""
        return dataclasses.replace(self, **other.to_json())

    def continues(self, earlier: Fidelity) -> bool:
        """Whether it is the same training as `earlier` with more epochs."""
        if self.epochs is None or earlier.epochs is None or self.epochs <= earlier.epochs:
            return False
        return dataclasses.replace(self, epochs=earlier.epochs) == earlier

    @property
    def thoroughness(self) -> tuple[float, ...]:
        """A sort key; None counts as all there is."""
        epochs, steps = (math.inf if n is None else n for n in (self.epochs, self.steps_per_epoch))
        return (epochs, steps, *(1.0 if share is None else share for share in (self.data_share, self.resolution, self.width)))

    def to_json(self) -> dict[str, Any]:
        """What differs from the evaluator's own setting, as plain JSON."""
        return {key: value for key, value in dataclasses.asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Fidelity:
        """The inverse of `to_json`; keys it does not know are left out."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{key: value for key, value in data.items() if key in known})


AS_SET = Fidelity()
"""What the study and its evaluators are set to."""
