"""What an architecture costs by arithmetic, before anything is built: the cheapest evaluator and the first gate of a chain.

The numbers come from the cost rules of the operations (`nas.language.pricing`). Nothing is measured here, so the
measurements name no device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.study.interfaces import Evaluator, Fidelity
from nas.study.trial import Measurement

if TYPE_CHECKING:
    from nas.language.architecture import Architecture

UNITS = {"flops": "FLOPs", "macs": "MACs", "params": "parameters", "peak_activation_bytes": "bytes"}


class Cost(Evaluator):
    """FLOPs (one multiply-add is two), multiply-adds, parameters, and peak bytes of activations, for one example."""

    name = "cost"
    metrics = tuple(UNITS)
    seconds = 0.001
    constant = True

    def evaluate(self, architecture: Architecture, fidelity: Fidelity = Fidelity(), *, seed: int = 0) -> dict[str, Measurement]:
        """The four counts. They depend on neither fidelity nor seed.

        Raises:
            SpaceError: an operation has no cost rule; it never counts as zero.
        """
        cost = architecture.cost()
        return {metric: Measurement(float(getattr(cost, metric)), unit) for metric, unit in UNITS.items()}
