"""Where a job was: from its record to how far it is and what the proposer knows, as if nothing had come between.

The record holds asks and tells in their order. A snapshot of the proposer saves most of them; the rest are done again, and each
ask must give what it gave.
"""

from __future__ import annotations

from collections.abc import Sequence

from nas.errors import StudyError
from trainer.vertex.job_ledger import JobLedger, NasTrial
from trainer.vertex.job_spec import NasJobSpec
from trainer.vertex.progress import Progress
from trainer.vertex.proposer import Proposer

EVENTS_BETWEEN_SNAPSHOTS = 50  # at least, and a tenth of all, so that the cost of writing them grows as their number does


def replay(job: NasJobSpec, ledger: JobLedger, proposer: Proposer, earlier: Sequence[NasTrial]) -> Progress:
    """How far the job is; the proposer, new, then knows what it knew.

    Args:
        job: as it is now; its counts may be others than when it was begun.
        ledger: its record.
        proposer: takes part.
        earlier: trials of another job, which it was told first.

    Raises:
        StudyError: the proposer proposes something else than before.
    """
    whole = Progress(job)
    for line in ledger.lines:
        whole.take_in(line)
    snapshot = ledger.recall() or {"events": 0}
    known = int(snapshot["events"]) if int(snapshot["events"]) <= whole.events else 0  # more: a line was removed by hand
    if known:
        proposer.restore(snapshot["state"])
    else:
        for trial in earlier:
            if trial.stage == "search" and trial.is_finished:
                proposer.tell(trial)
    progress = Progress(job)
    for line in ledger.lines:
        event = progress.take_in(line)
        if progress.events <= known:
            continue
        if event == "told":
            proposer.tell(line)
        elif event == "asked":
            _ask_again(proposer, line, ledger)
    return progress


def _ask_again(proposer: Proposer, line: NasTrial, ledger: JobLedger) -> None:
    params = proposer.ask()
    if params is None or dict(params) != dict(line.params):
        raise StudyError(
            f"the proposer does not propose what it proposed before, at trial {line.id}",
            path=str(ledger.directory),
            received=params,
            expected=f"{dict(line.params)}",
            hint="Continue with the same algorithm and seed, or choose another directory",
        )


class Snapshots:
    """Writes down what the proposer knows, now and then."""

    def __init__(self, ledger: JobLedger, proposer: Proposer, events: int):
        self._ledger, self._proposer, self._last = ledger, proposer, events

    def after(self, events: int) -> None:
        """To be called after each tell, with how many asks and tells there were."""
        if events - self._last >= max(EVENTS_BETWEEN_SNAPSHOTS, events // 10):
            self._ledger.remember({"events": events, "state": self._proposer.state()})
            self._last = events
