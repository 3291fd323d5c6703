"""Predicted latency as an evaluator: a gate that costs milliseconds, and says how sure it is."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from evaluators.latency_model.predictor import LatencyModel
from nas.errors import DataError
from nas.study.interfaces import Evaluator, Fidelity
from nas.study.trial import Measurement

if TYPE_CHECKING:
    from nas.language.architecture import Architecture


class PredictedLatency(Evaluator):
    """Milliseconds as a latency model predicts them, for constraints such as `nas.at_most("latency_ms", 5)`.

    The measurement carries the model's device and runtime; its spread is the standard deviation of a real measurement from it.

    Args:
        model: learned from measurements on the device, for instance `LatencyModel.load("device.json", space)`.
        metric: under which name it reports. With another than `latency_ms`, `evaluators.Latency` can stand behind it in a chain
            and time what the prediction lets through.

    Example:
        >>> from evaluators.latency_model import LatencyModel, PredictedLatency
        >>> from search_spaces.nasbench201 import nasbench201
        >>> measured = nasbench201.sample(seed=0, n=8)
        >>> model = LatencyModel.fit(measured, [0.5 + a.cost().flops / 1e8 for a in measured], device="a board")
        >>> found = PredictedLatency(model).evaluate(nasbench201.sample(seed=1))["latency_ms"]
        >>> found.unit, found.device, found.spread > 0
        ('ms', 'a board', True)
    """

    name = "predicted-latency"
    seconds = 0.02
    constant = True

    def __init__(self, model: LatencyModel, metric: str = "latency_ms"):
        self.model, self.metric, self.metrics = model, metric, (metric,)

    def describe(self) -> dict[str, Any]:
        text = json.dumps(self.model.to_json(), sort_keys=True)
        digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        return {"name": self.name, "metric": self.metric, "device": self.model.device, "model": digest}

    def evaluate(self, architecture: Architecture, fidelity: Fidelity = Fidelity(), *, seed: int = 0) -> dict[str, Measurement]:
        """Of the whole network, whatever the fidelity.

        Raises:
            DataError: the architecture is of another space than those that were measured.
        """
        if architecture.space.whole.digest != self.model.space_digest:
            raise DataError(
                f"the latency model was measured on {self.model.space_name!r}",
                path=self.name,
                received=architecture.space.name,
                expected=self.model.space_name,
                hint=f"nas latency calibrate {architecture.space.name} --out FILE",
            )
        found = self.model.predict([architecture])
        runtime = f"predicted from {self.model.error.n} networks, {self.model.runtime}".rstrip(", ")
        value, spread = float(found.latency_ms[0]), float(found.deviation_ms[0])
        return {self.metric: Measurement(value, "ms", self.model.device, runtime, spread)}
