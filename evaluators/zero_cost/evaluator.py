"""Scores of untrained networks: a second or two instead of a training."""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from evaluators import device
from evaluators.zero_cost.batch import Batch, check_fits, data_batch, random_batch
from evaluators.zero_cost.network import unchanged
from evaluators.zero_cost.saliency import grad_norm, snip, synflow
from evaluators.zero_cost.separation import jacob_cov, naswot
from evaluators.zero_cost.untrained import Untrained
from evaluators.zero_cost.zen import zen
from nas.errors import DataError, Infeasible, UserError
from nas.language.backend import import_keras
from nas.study.interfaces import Evaluator, Fidelity
from nas.study.trial import Measurement

if TYPE_CHECKING:
    from nas.language.architecture import Architecture
    from trainer.data import Dataset

SCORES: dict[str, Callable[[Untrained], float]] = {
    "grad_norm": grad_norm,
    "snip": snip,
    "synflow": synflow,
    "naswot": naswot,
    "jacob_cov": jacob_cov,
    "zen": zen,
}
"""name -> the function of an untrained network. A new one is a function and a line here."""

COUNTED = {"params": "parameters", "flops": "FLOPs"}
"""Names that are arithmetic, with their units."""


class ZeroCost(Evaluator):
    """Zero-cost proxies: what an untrained network says. Of each, more is believed to be better.

    Metrics: those of `names`, and `zero_cost_seconds`, what all of them took with building the network.

    Args:
        names: some of grad_norm, snip, synflow, naswot, jacob_cov, zen; also params and flops, which are no measurement at all
            and what the others have to beat.
        data: a `trainer.Dataset`, or what `trainer.load_data` takes; None: a random batch.
        batch_size: examples looked at.
        seed: of the initial weights and what else is drawn; None: the trial's. With one seed for all architectures their scores
            differ by architecture only. The examples are the same for every architecture in any case.

    Raises:
        UserError: an unknown name, no name, a batch of one.
    """

    name = "zero_cost"
    isolated = True  # builds networks: imports TensorFlow, or whichever backend Keras uses
    seconds = 1.5

    def __init__(
        self,
        names: Sequence[str] = tuple(SCORES),
        data: Dataset | str | os.PathLike[str] | None = None,
        *,
        batch_size: int = 32,
        seed: int | None = 0,
    ):
        names = (names,) if isinstance(names, str) else tuple(names)
        known = (*SCORES, *COUNTED)
        for name in names:
            if name not in known:
                problem = f"no zero-cost proxy {name!r}"
                raise UserError(problem, path="ZeroCost(names)", received=name, expected=f"some of {', '.join(known)}")
        if not names or len(set(names)) < len(names):
            raise UserError(
                "none, or one twice", path="ZeroCost(names)", received=names, expected=f"some of {', '.join(known)}"
            )
        if not isinstance(batch_size, int) or batch_size < 2:
            raise UserError(f"{batch_size!r}", path="ZeroCost(batch_size)", received=batch_size, expected="2 or more")
        self.names, self.batch_size, self.seed = names, batch_size, seed
        self.metrics = (*names, "zero_cost_seconds")
        self.data: str | None = None
        self._given: Batch | None = None
        if isinstance(data, str | os.PathLike):
            self.data = os.fspath(data)
        elif data is not None:
            self.data = data.name
            self._given = data_batch(data, batch_size, seed or 0)  # all that a worker process has to be sent

    @property
    def constant(self) -> bool:  # type: ignore[override]
        """Whether scores are the same in every trial of an architecture."""
        return self.seed is not None

    def describe(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in ("name", "data", "batch_size", "seed")} | {"names": list(self.names)}

    def evaluate(self, architecture: Architecture, fidelity: Fidelity = Fidelity(), *, seed: int = 0) -> dict[str, Measurement]:
        """The scores. They do not depend on the fidelity.

        Raises:
            Infeasible: a score is not defined for the network, or not finite.
            DataError: no such data, or data that do not fit the network.
        """
        started = time.monotonic()
        found = {
            name: Measurement(float(getattr(architecture.cost(), name)), COUNTED[name])
            for name in self.names
            if name in COUNTED
        }
        scores = [name for name in self.names if name in SCORES]
        if scores:
            found |= self._scored(architecture, scores, seed if self.seed is None else self.seed)
        took = time.monotonic() - started
        found["zero_cost_seconds"] = Measurement(took, "s", device.cpu_name(), f"{len(scores)} scores")
        return {metric: found[metric] for metric in self.metrics}

    def _scored(self, architecture: Architecture, scores: Sequence[str], seed: int) -> dict[str, Measurement]:
        keras = import_keras()
        measured = functools.partial(Measurement, device=device.training_device(), runtime=self._conditions())
        try:
            model = architecture.build(seed=seed)
            untrained = Untrained(model, self._batch(model), seed)
            found = {}
            for name in scores:
                with unchanged(model):
                    value = SCORES[name](untrained)
                if not math.isfinite(value):
                    raise Infeasible(f"{name} is {value}")
                found[name] = measured(value)
            return found
        finally:
            keras.backend.clear_session(free_memory=False)

    def _batch(self, model: Any) -> Batch:
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise DataError(
                f"the network has {len(model.inputs)} inputs and {len(model.outputs)} outputs",
                path="ZeroCost",
                received=model.name,
                expected="one of each",
            )
        shapes = tuple(model.inputs[0].shape[1:]), tuple(model.outputs[0].shape[1:])
        if self.data is None:
            return random_batch(*shapes, self.batch_size, self.seed or 0)
        check_fits(self._examples, *shapes)
        return self._examples

    @functools.cached_property
    def _examples(self) -> Batch:
        """Those of the data set, loaded once in each process."""
        from trainer.data import load_data

        if self._given is not None:
            return self._given
        assert self.data is not None
        return data_batch(load_data(self.data), self.batch_size, self.seed or 0)

    def _conditions(self) -> str:
        """`Keras 3.15.1 (tensorflow), 32 random examples`."""
        import keras

        examples = "random examples" if self.data is None else f"examples of {self.data}"
        return f"Keras {keras.__version__} ({keras.backend.backend()}), {self.batch_size} {examples}"
