"""A proxy as plain data: what is done instead of full training. It is what a design chooses among, and what `nas search
--proxy` reads."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from nas.errors import UserError
from nas.study.interfaces import Evaluator
from nas.study.objective import Objective, maximize, minimize

TRAINING = frozenset({"epochs", "data_share", "resolution", "batch_size", "learning_rate", "loss", "schedule"})
ZERO_COST = frozenset({"names", "batch_size"})


@dataclasses.dataclass(frozen=True)
class Proxy:
    """One way of judging an architecture without training it fully.

    Attributes:
        kind: "training" (`evaluators.ProxyTraining`) or "zero_cost" (`evaluators.ZeroCost`).
        settings: its arguments beside the data.
        metric, goal: what to search by.
    """

    kind: Literal["training", "zero_cost"]
    settings: Mapping[str, Any]
    metric: str
    goal: Literal["minimize", "maximize"]

    @property
    def name(self) -> str:
        """`2 epochs, 50% of the data, resolution 0.5`, or the name of a score."""
        if self.kind == "zero_cost":
            return self.metric
        epochs = self.settings["epochs"]
        parts = [f"{epochs} epoch{'s' if epochs > 1 else ''}"]
        if self.settings.get("data_share", 1.0) < 1:
            parts.append(f"{self.settings['data_share']:.0%} of the data")
        if self.settings.get("resolution", 1.0) < 1:
            parts.append(f"resolution {self.settings['resolution']:g}")
        return ", ".join(parts)

    def evaluator(self, data: Any) -> Evaluator:
        """The evaluator, on a data set or what `trainer.load_data` takes."""
        from evaluators.proxy import ProxyTraining
        from evaluators.zero_cost import ZeroCost

        if self.kind == "training":
            return ProxyTraining(data, **self.settings)
        return ZeroCost(data=data, seed=None, **self.settings)

    def objective(self) -> Objective:
        """What a search by this proxy minimizes or maximizes."""
        return minimize(self.metric) if self.goal == "minimize" else maximize(self.metric)

    def score(self, value: float) -> float:
        """A value so that larger is better."""
        return -value if self.goal == "minimize" else value

    def to_json(self) -> dict[str, Any]:
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_json(cls, data: Any, path: str = "proxy") -> Proxy:
        """The inverse of `to_json`; raises UserError for anything else."""
        fields = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(data, dict) or set(data) != set(fields):
            raise UserError("no proxy", path=path, received=data, expected=f"an object with {', '.join(fields)}")
        known = {"training": TRAINING, "zero_cost": ZERO_COST}.get(data["kind"])
        if known is None or data["goal"] not in ("minimize", "maximize") or not isinstance(data["metric"], str):
            raise UserError("no such kind, goal or metric", path=path, received=data, expected="what `nas proxy design` writes")
        if not isinstance(data["settings"], dict) or set(data["settings"]) - known:
            expected = f"some of {', '.join(sorted(known))}"
            raise UserError("unknown settings", path=f"{path}.settings", received=data["settings"], expected=expected)
        return cls(**data)


def read_proxy(file: str | os.PathLike[str]) -> Proxy:
    """The proxy that a design chose.

    Raises:
        UserError: no such file, not one that `nas proxy design` wrote, or one that says no proxy passed.
    """
    try:
        found = json.loads(Path(file).read_text(encoding="utf-8"))
        chosen = found["chosen"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        expected = "the proxy.json of `nas proxy design`"
        raise UserError(f"cannot be read ({error!r})", path=str(file), received=str(file), expected=expected) from None
    if chosen is None:
        raise UserError("no proxy passed", path=str(file), hint="Design again with more references or other candidates")
    return Proxy.from_json(chosen["proxy"], f"{file}: chosen.proxy")


def usual_candidates(
    full: Proxy, resolutions: Sequence[float] = (), scores: Sequence[str] = ("flops", "naswot", "synflow")
) -> list[Proxy]:
    """Cheaper versions of a full training: an eighth, a quarter and half of its epochs, of its data, and smaller images.

    Args:
        full: the full training.
        resolutions: factors on the image size that the space's networks take.
        scores: zero-cost proxies. Each candidate is one more look, which the others pay for with wider intervals.
    """
    epochs = full.settings["epochs"]
    eighth, quarter, half = (max(1, round(epochs / share)) for share in (8, 4, 2))
    cheaper = [{"epochs": n} for n in (eighth, quarter, half)] + [{"epochs": quarter, "data_share": 0.5}]
    cheaper += [{"epochs": n, "resolution": r} for r in resolutions for n in (quarter, half)]
    found = [dataclasses.replace(full, settings={**full.settings, **change}) for change in cheaper if change["epochs"] < epochs]
    found += [Proxy("zero_cost", {"names": [name]}, name, "maximize") for name in scores]
    return list({proxy.name: proxy for proxy in found}.values())
