"""Designing a proxy task: reference architectures are trained fully, candidates judge them too, and the cheapest whose
agreement is proved wins.

Looking often finds something by chance: the best of twenty random proxies agrees remarkably with ten trainings. Each look,
that is each candidate in each round, therefore gets the same small part of the error that is allowed in all (Bonferroni:
alpha / (candidates x rounds)), and a candidate passes where the lower end of its interval at that level reaches the threshold.
Whatever the threshold (0 or more), the chance that a design with nothing but proxies unrelated to the truth accepts one is at
most alpha. A flat proxy has tau 0 and never passes.

A design stops at the first round in which a candidate passes. Candidates whose upper end is under the threshold are out.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from evaluators.proxy_design.agreement import Agreement, agreement
from evaluators.proxy_design.noise import Noise, seed_noise
from evaluators.proxy_design.proxies import Proxy
from nas.errors import UserError

if TYPE_CHECKING:
    from nas.language.architecture import Architecture
    from nas.study.trial import Trial


class Judge(Protocol):
    """Whoever has architectures evaluated, durably."""

    def __call__(self, architectures: Sequence[Architecture], proxy: Proxy, name: str, repeat: int) -> Sequence[Trial]:
        """A finished trial for each architecture, in their order.

        Args:
            architectures: what is judged.
            proxy: how.
            name: of the task, the same each time for the same arguments; for directories.
            repeat: which seed, from 0.
        """


@dataclasses.dataclass(frozen=True)
class Rules:
    """When a proxy passes.

    Attributes:
        at_least: what the lower end of tau's interval must reach, 0 or more.
        alpha: the chance that is taken of accepting any proxy that does not.
        references: how many architectures are trained fully, by the end of each round: rising.
        repeats: how many of the first round's are trained again with another seed, which says how much of the spread is noise.
    """

    at_least: float = 0.3
    alpha: float = 0.05
    references: tuple[int, ...] = (12, 24)
    repeats: int = 3

    def __post_init__(self) -> None:
        rounds = self.references
        for name, holds, expected in (
            ("at_least", 0 <= self.at_least < 1, "from 0 to below 1"),
            ("alpha", 0 < self.alpha < 0.5, "above 0 and below 0.5"),
            (
                "references",
                bool(rounds) and rounds[0] >= 5 and list(rounds) == sorted(set(rounds)),
                "rising numbers, 5 or more",
            ),
            ("repeats", rounds and 0 <= self.repeats <= rounds[0], "0 to the references of the first round"),
        ):
            if not holds:
                value = getattr(self, name)
                raise UserError(f"{value!r} does not do", path=name, received=value, expected=expected)


@dataclasses.dataclass(frozen=True)
class Finding:
    """What is known of a candidate after a round.

    Attributes:
        proxy: the candidate.
        agreement: with full training, over all references so far, at the level that each look has.
        seconds: median of an evaluation.
        values: of each reference, as measured; NaN where it could not be judged.
        verdict: "passed"; "not shown": more references could show it; "out": they could not; "no cheaper": it agrees, and
            takes as long as full training.
    """

    proxy: Proxy
    agreement: Agreement
    seconds: float
    values: tuple[float, ...]
    verdict: str

    def to_json(self) -> dict[str, Any]:
        plain = {"name": self.proxy.name, "proxy": self.proxy.to_json(), "verdict": self.verdict, "seconds": self.seconds}
        plain |= {"agreement": dataclasses.asdict(self.agreement), "values": list(self.values)}
        return _finite(plain)


@dataclasses.dataclass(frozen=True)
class Design:
    """What a design found.

    Attributes:
        chosen: the cheapest candidate that passed; None: none did.
        findings: of all candidates, the latest of each.
        references: those that were trained fully, with `decisions`, `fingerprint` and `value`.
        lost: why references could not be trained, one text each.
        full_seconds: median of a full training.
        noise: of full training.
        rounds: how many there were.
        looks: candidates x rounds that were allowed for.
        rules: as given.
        full: what full training is.
    """

    chosen: Finding | None
    findings: tuple[Finding, ...]
    references: tuple[Mapping[str, Any], ...]
    lost: tuple[str, ...]
    full_seconds: float
    noise: Noise
    rounds: int
    looks: int
    rules: Rules
    full: Proxy

    @property
    def message(self) -> str:
        """What came of it, in a sentence or two."""
        level = f"{len(self.references)} references, error {self.rules.alpha:g} over {self.looks} looks"
        doubt = ""
        if self.noise.reliability < 0.8:
            doubt = (
                f" Only {self.noise.reliability:.0%} of the variance between references is theirs, the rest is the seed's: "
                "no proxy can agree well with such a truth. Train longer, or with more data."
            )
        if self.chosen is None:
            best = max(self.findings, key=lambda f: f.agreement.low)
            if best.verdict == "no cheaper":
                low = f"tau at least {best.agreement.low:.2f}"
                return f"No proxy passed: {best.proxy.name} agrees ({low}), but is no cheaper.{doubt}"
            return (
                f"No proxy passed: the best lower bound of tau is {best.agreement.low:.2f} ({best.proxy.name}), "
                f"{self.rules.at_least:g} is wanted ({level}). More references make intervals narrower.{doubt}"
            )
        found = self.chosen.agreement
        cheaper = self.full_seconds / self.chosen.seconds if self.chosen.seconds > 0 else math.inf
        return (
            f"{self.chosen.proxy.name}: tau {found.tau:.2f}, at least {found.low:.2f} ({level}), "
            f"{cheaper:.1f} times cheaper than full training.{doubt}"
        )

    def to_json(self) -> dict[str, Any]:
        plain = {
            "chosen": self.chosen.to_json() if self.chosen else None,
            "message": self.message,
            "findings": [finding.to_json() for finding in self.findings],
            "references": [dict(reference) for reference in self.references],
            "lost": list(self.lost),
            "full": {"proxy": self.full.to_json(), "seconds": self.full_seconds, "noise": dataclasses.asdict(self.noise)},
            "reliability": self.noise.reliability,
            "rounds": self.rounds,
            "looks": self.looks,
            "rules": dataclasses.asdict(self.rules),
        }
        return _finite(plain)


def design(
    architectures: Sequence[Architecture],
    full: Proxy,
    candidates: Sequence[Proxy],
    judge: Judge,
    rules: Rules = Rules(),
    on_round: Callable[[int, Sequence[Finding]], None] = lambda number, findings: None,
) -> Design:
    """Runs a design; see the module.

    Args:
        architectures: the references, the first of them for the first round (`choose_references` orders them so).
        full: the training that is the truth.
        candidates: what might stand in for it.
        judge: evaluates, and remembers what it has evaluated: called again with the same arguments, it answers at once.
        rules: when a proxy passes.
        on_round: called after each round with its number and the findings.

    Raises:
        UserError: no candidates, two of one name, too few architectures, or fewer than 5 that could be trained.
    """
    names = [candidate.name for candidate in candidates]
    if not names or len(set(names)) < len(names):
        raise UserError("none, or two of one name", path="candidates", received=names, expected="one or several")
    if len(architectures) < rules.references[-1]:
        problem = f"{len(architectures)} architectures for {rules.references[-1]} references"
        raise UserError(problem, path="references", received=len(architectures), hint="Ask for fewer")
    looks = len(candidates) * len(rules.references)
    trained = _Judged(judge, full, "full")
    judged = {candidate.name: _Judged(judge, candidate, f"candidate-{i + 1}") for i, candidate in enumerate(candidates)}
    findings: dict[str, Finding] = {}
    number = 0
    for number, count in enumerate(rules.references, 1):
        trained.judge(architectures[:count], rules.repeats)
        kept = [row for row, value in enumerate(trained.values) if math.isfinite(value)]
        if len(kept) < 5:
            raise UserError(
                f"{len(kept)} of {count} references could be trained",
                path="references",
                hint=f"First reason: {trained.reasons[0]}",
            )
        truth = [full.score(trained.values[row]) for row in kept]
        for candidate in candidates:
            if candidate.name in findings and findings[candidate.name].verdict == "out":
                continue
            found = judged[candidate.name]
            found.judge(architectures[:count])
            values = tuple(found.values[row] for row in kept)
            agreed = agreement([candidate.score(value) for value in values], truth, rules.alpha / looks)
            verdict = _verdict(agreed, rules.at_least, found.seconds < trained.seconds)
            findings[candidate.name] = Finding(candidate, agreed, found.seconds, values, verdict)
        on_round(number, list(findings.values()))
        if any(finding.verdict == "passed" for finding in findings.values()):
            break
    passed = [finding for finding in findings.values() if finding.verdict == "passed"]
    return Design(
        chosen=min(passed, key=lambda finding: finding.seconds, default=None),
        findings=tuple(findings.values()),
        references=tuple(
            {"decisions": architectures[i].decisions, "fingerprint": architectures[i].fingerprint, "value": trained.values[i]}
            for i in kept
        ),
        lost=tuple(trained.reasons),
        full_seconds=trained.seconds,
        noise=trained.noise,
        rounds=number,
        looks=looks,
        rules=rules,
        full=full,
    )


def _verdict(agreed: Agreement, at_least: float, is_cheaper: bool) -> str:
    if agreed.low >= at_least:
        return "passed" if is_cheaper else "no cheaper"
    return "out" if agreed.high < at_least else "not shown"


class _Judged:
    """The references as one proxy judges them, growing from round to round."""

    def __init__(self, judge: Judge, proxy: Proxy, name: str):
        self._judge, self._proxy, self._name = judge, proxy, name
        self._trials: list[Trial] = []
        self._again: list[Trial] = []

    def judge(self, architectures: Sequence[Architecture], repeats: int = 0) -> None:
        """Judges those that were not judged yet; in the first round some with a second seed."""
        new = architectures[len(self._trials) :]
        self._trials += self._judge(new, self._proxy, f"{self._name}-from-{len(self._trials) + 1}", 0)
        if repeats and not self._again:
            self._again = list(self._judge(architectures[:repeats], self._proxy, f"{self._name}-again", 1))

    @property
    def values(self) -> list[float]:
        """NaN where an architecture could not be judged."""
        return [self._value(trial) for trial in self._trials]

    @property
    def reasons(self) -> list[str]:
        lost = [trial for trial in self._trials if not math.isfinite(self._value(trial))]
        return [f"{trial.fingerprint[:8]}: {trial.state}, {(trial.reason.strip() or '-').splitlines()[-1]}" for trial in lost]

    @property
    def seconds(self) -> float:
        """Median of a trial, without what the worker took to start."""
        return statistics.median(sum(stage.seconds for stage in trial.stages) for trial in self._trials)

    @property
    def noise(self) -> Noise:
        pairs = zip(self._trials, self._again, strict=False)  # those judged again are the first ones
        return seed_noise(self.values, [(self._value(first), self._value(second)) for first, second in pairs])

    def _value(self, trial: Trial) -> float:
        return trial.value(self._proxy.metric) if trial.state == "completed" else math.nan


def _finite(value: Any) -> Any:
    """Plain JSON, with None for numbers that are not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
