"""Trials whose value depends on the epochs: what a study would tell a controller of several fidelities."""

import dataclasses

from controller_fakes import loss

import nas
from nas.study.fidelity import Fidelity
from nas.study.interfaces import Proposal
from nas.study.trial import Measurement, Trial


def set_up(controller, space, constraints=(), objectives=None):
    controller.setup(space, objectives or [nas.minimize("loss")], constraints)
    return controller


def value(architecture, epochs):
    """Falls with the epochs, by the more the better the architecture is."""
    return 10 + loss(architecture) / (1 + loss(architecture)) + 10 / epochs


def judged(proposal, number=1, state="completed", shift=0.0):
    """The trial of a proposal."""
    epochs = proposal.fidelity.epochs
    found = {} if state == "failed" else {"loss": Measurement(value(proposal.architecture, epochs) + shift)}
    if state == "infeasible":
        found = {"latency_ms": Measurement(9.0)}
    return Trial(number, proposal.decisions, proposal.fingerprint, state, found, fidelity=proposal.fidelity)


def play(controller, n, batch=1, state=lambda number: "completed"):
    """Asks and tells until `n` proposals were made or none is left; the proposals."""
    asked = []
    while len(asked) < n:
        new = list(controller.ask(min(batch, n - len(asked))))
        if not new:
            break
        controller.tell([judged(p, len(asked) + i, state(len(asked) + i)) for i, p in enumerate(new, start=1)])
        asked += new
    return asked


def epochs_of(proposals):
    return [p.fidelity.epochs for p in proposals]


def key(proposal):
    return proposal.fingerprint, proposal.fidelity.epochs


def at(epochs, horizon):
    return Fidelity(epochs=epochs, horizon=horizon)


def as_trial_of(architecture, epochs, horizon, number=1, **changes):
    return dataclasses.replace(judged(Proposal(architecture, at(epochs, horizon)), number), **changes)
