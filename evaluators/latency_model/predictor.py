"""A latency model: learned from architectures that were measured on one device, it predicts all others of the space.

    model = LatencyModel.fit(architectures, latencies_ms, device="AMD EPYC 9R14, 2 cores")
    model.predict([space.sample(seed=1)])      # milliseconds, with how far each may be off
    model.save("device.json"); LatencyModel.load("device.json", space)

It shows its own error. Each measurement is also predicted from all the others, which costs nothing extra (leave-one-out,
Rasmussen & Williams 2006, eq. 5.10-5.12); the errors found so, as multiples of what the process expects of them, set the width
of every later prediction. That is a jackknife conformal interval, scaled by the expected deviation (Lei et al. 2018,
"Distribution-Free Predictive Inference for Regression", section 5.2): right where the process is too sure of itself as well.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluators.latency_model import process
from evaluators.latency_model.features import Catalogue
from evaluators.latency_model.kernel import Kernel
from evaluators.latency_model.operations import OperationFacts
from evaluators.latency_model.process import NUMBERS, Numbers, Process
from evaluators.latency_model.views import Frame
from nas.errors import DataError, DecisionError

if TYPE_CHECKING:
    from nas.language.architecture import Architecture
    from nas.language.space import SearchSpace

FORMAT = "espalier-latency-1"
HINT = "nas latency calibrate SPACE --out FILE makes one"
FEWEST = 5
DEVIATION = 0.6827  # of a normal distribution's values are within one standard deviation


@dataclasses.dataclass(frozen=True)
class Prediction:
    """Latencies of some architectures.

    Attributes:
        latency_ms: (n,).
        deviation_ms: (n,) standard deviation of a measurement from it.
        low_ms, high_ms: (n,) ends of the 90% interval for a measurement.
    """

    latency_ms: np.ndarray
    deviation_ms: np.ndarray
    low_ms: np.ndarray
    high_ms: np.ndarray


@dataclasses.dataclass(frozen=True)
class ModelError:
    """How far predictions are off.

    Attributes:
        n: architectures they were made for.
        median, mean: relative error.
        spearman: rank correlation of predicted and measured.
    """

    n: int
    median: float
    mean: float
    spearman: float

    def __str__(self) -> str:
        return f"median error {self.median:.1%}, mean {self.mean:.1%}, Spearman {self.spearman:.3f} (n = {self.n})"


def error_of(predicted_ms: np.ndarray, measured_ms: np.ndarray) -> ModelError:
    """Of n predictions, (n,) and (n,)."""
    from scipy.stats import spearmanr

    off = np.abs(predicted_ms / measured_ms - 1)
    correlation = float(spearmanr(predicted_ms, measured_ms)[0])
    return ModelError(len(off), float(np.median(off)), float(off.mean()), correlation)


class LatencyModel:
    """Predicts latency in milliseconds on one device. Made by `fit` or `load`.

    Attributes:
        measured, values_ms: the architectures it learned from, and their latencies.
        space_name, space_digest: of their space.
        device, runtime: what measured them.
        error: each measured architecture being predicted from all others.
    """

    def __init__(
        self,
        architectures: Sequence[Architecture],
        latencies_ms: Sequence[float],
        *,
        device: str = "",
        runtime: str = "",
        prior: tuple[Numbers, np.ndarray] | None = None,
        catalogue: Catalogue | None = None,
    ):
        values = _checked(architectures, latencies_ms)
        self.measured, self.values_ms = tuple(architectures), values
        self.space_name, self.space_digest = architectures[0].space.name, architectures[0].space.whole.digest
        self.device, self.runtime = device, runtime
        self._catalogue = catalogue or Catalogue()
        described = self._catalogue.describe_all(architectures)
        self._frame = Frame(self._catalogue, described)
        views = self._frame.views(described)
        self._kernel = Kernel(self._catalogue.operations, views.executed(1.0))
        self._known = views
        self._scale = float(values.mean())
        targets = values / self._scale
        if prior is None:
            self._process = process.fit(self._kernel, views, targets)
        else:
            numbers, doubt = prior
            self._process = Process(self._kernel, numbers, views, targets, doubt)
        misses = np.abs(self._process.left_out - targets)
        self._ratios = np.sort(misses / self._process.left_out_deviation)
        left_out = np.maximum(self._process.left_out, self._least()) * self._scale
        self.error = error_of(left_out, values)

    @classmethod
    def fit(
        cls,
        architectures: Sequence[Architecture],
        latencies_ms: Sequence[float],
        *,
        device: str = "",
        runtime: str = "",
        catalogue: Catalogue | None = None,
    ) -> LatencyModel:
        """Learns from n measured architectures of one space.

        Args:
            architectures: at least 5, of one space of networks.
            latencies_ms: of each, above 0.
            device: what measured them.
            runtime: with which runtime and settings.
            catalogue: shared by models that see the same architectures, say of several devices: each is described once.

        Raises:
            DataError: too few, not as many numbers as architectures, or a number that is no latency.
            SpaceError: the space has no graphs, or an operation has no cost rule.
        """
        return cls(architectures, latencies_ms, device=device, runtime=runtime, catalogue=catalogue)

    def predict(self, architectures: Sequence[Architecture]) -> Prediction:
        """Of architectures of the same space, or of another one whose operations are alike."""
        described = self._catalogue.describe_all(architectures)
        self._kernel.cover(self._catalogue.operations)
        mean, deviation = self._process.predict(self._frame.views(described))
        latency = np.maximum(mean, self._least()) * self._scale
        deviation = deviation * self._scale
        half = self.ratio(0.9) * deviation
        return Prediction(latency, self.ratio(DEVIATION) * deviation, np.maximum(latency - half, 0.0), latency + half)

    def operation_times_ms(self, operations: Sequence[OperationFacts]) -> np.ndarray:
        """(n,) milliseconds that each operation adds by itself, from 0; see table.py."""
        numbers = [self._catalogue.number(facts) for facts in operations]
        return self._operation_times()[numbers] * self._scale

    def additive_ms(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """(n,) sums of the same over the operations of each network."""
        described = self._catalogue.describe_all(architectures)
        return self._frame.views(described).counts @ self._operation_times() * self._scale

    def _operation_times(self) -> np.ndarray:
        """Of all operations so far, as shares; scaled so that half of the measured networks' sums are too large."""
        self._kernel.cover(self._catalogue.operations)
        times = self._additive.operation_times(len(self._catalogue.operations))
        sums = self._known.counts @ times[: self._known.counts.shape[1]]
        return times * float(np.median(self.values_ms / self._scale / sums))

    @functools.cached_property
    def _additive(self) -> Process:
        """The same data as a sum over operations alone."""
        return process.additive(self._kernel, self._known, self.values_ms / self._scale, self._process.doubt)

    def ratio(self, share: float) -> float:
        """How many of its own deviations this share of all measurements is within; rounded up, as conformal intervals are."""
        n = len(self._ratios)
        return float(self._ratios[min(n, math.ceil((n + 1) * share)) - 1])

    def _least(self) -> float:
        """No network is taken to be faster than half the fastest one measured."""
        return float(self.values_ms.min()) / self._scale / 2

    # -- files -----------------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON: what was measured, and the prior's numbers. The rest follows."""
        numbers = self._process.numbers
        columns = self.values_ms.tolist(), self._process.doubt.tolist()
        return {
            "format": FORMAT,
            "space": self.space_name,
            "space_digest": self.space_digest,
            "device": self.device,
            "runtime": self.runtime,
            "unit": "ms",
            "error": dataclasses.asdict(self.error),
            "prior": dict(zip(NUMBERS, numbers.values.tolist(), strict=True)) | {"executed": numbers.executed},
            "measured": [
                {"decisions": architecture.decisions, "latency_ms": value, "doubt": doubt}
                for architecture, value, doubt in zip(self.measured, *columns, strict=True)
            ],
        }

    def save(self, path: str | Path) -> None:
        """Writes a JSON file; a file of that name is replaced as a whole."""
        path = Path(path)
        beside = path.with_name(path.name + ".part")
        beside.write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")
        beside.replace(path)

    @classmethod
    def load(cls, path: str | Path, space: SearchSpace) -> LatencyModel:
        """The model in a file, for the space that was measured.

        Raises:
            DataError: no such file, not a latency model, or one of another space.
        """
        return cls.from_json(read_json(path), space, str(path))

    @classmethod
    def from_json(cls, data: Mapping[str, Any], space: SearchSpace, path: str = "latency model") -> LatencyModel:
        """The same, of what `to_json` gave."""
        if not isinstance(data, Mapping) or data.get("format") != FORMAT:
            raise DataError(
                "not a latency model", path=path, expected=f"format {FORMAT!r}", hint="nas latency calibrate makes one"
            )
        try:
            if data["space_digest"] != space.whole.digest:
                raise DataError(
                    f"measured on {data['space']!r}, or on an earlier version of it",
                    path=path,
                    received=data["space"],
                    expected=space.name,
                    hint="Calibrate again",
                )
            architectures = [space.whole.architecture(row["decisions"]) for row in data["measured"]]
            prior = {name: float(value) for name, value in data["prior"].items()}
            numbers = Numbers(np.array([prior[name] for name in NUMBERS]), prior["executed"])
            values, doubts = ([float(row[key]) for row in data["measured"]] for key in ("latency_ms", "doubt"))
        except (KeyError, TypeError, ValueError, DecisionError) as error:
            raise DataError(f"damaged: {type(error).__name__} {error}", path=path, hint="Calibrate again") from None
        device, runtime = str(data.get("device", "")), str(data.get("runtime", ""))
        return cls(architectures, values, device=device, runtime=runtime, prior=(numbers, np.array(doubts)))


def read_json(path: str | Path) -> Any:
    """Raises `DataError` where there is no such file or it holds no JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        problem = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise DataError(problem, path=str(path), hint=HINT) from None


def _checked(architectures: Sequence[Architecture], latencies_ms: Sequence[float]) -> np.ndarray:
    values = np.asarray(latencies_ms, dtype=float)
    if values.shape != (len(architectures),):
        raise DataError(
            f"{len(architectures)} architectures and latencies of shape {values.shape}", path="latencies_ms", expected="as many"
        )
    if len(values) < FEWEST:
        raise DataError(f"{len(values)} measurements", path="latencies_ms", received=len(values), expected=f"at least {FEWEST}")
    wrong = ~(np.isfinite(values) & (values > 0))
    if wrong.any():
        raise DataError(
            f"{values[wrong][0]} is no latency",
            path="latencies_ms",
            received=float(values[wrong][0]),
            expected="numbers above 0",
        )
    digests = {architecture.space.whole.digest for architecture in architectures}
    if len(digests) > 1:
        raise DataError(f"architectures of {len(digests)} spaces", path="architectures", expected="of one space")
    return values
