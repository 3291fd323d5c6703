"""What a zero-cost proxy is given: a network as it was built, a batch, a seed."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from evaluators.zero_cost import gradients
from evaluators.zero_cost.batch import Batch, loss
from evaluators.zero_cost.network import altered, kernels, linear_output, unchanged


@dataclasses.dataclass(frozen=True)
class Untrained:
    """One architecture before training.

    Attributes:
        model: a functional `keras.Model` with one input and one output.
        batch: the examples.
        seed: of what a proxy draws itself.
    """

    model: Any
    batch: Batch
    seed: int

    @functools.cached_property
    def weight_gradients(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """(kernel, gradient of the loss) for each kernel; batch normalization uses the batch, as in training."""
        weights = kernels(self.model)
        with unchanged(self.model), altered(linear_output(self.model) if self.batch.is_classes else []):
            found = gradients.by_weights(self.model, self.batch.x, loss(self.model, self.batch), weights, training=True)
        return [(np.asarray(weight), gradient) for weight, gradient in zip(weights, found, strict=True)]
