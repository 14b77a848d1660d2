"""What a run tells when it is over, and while it goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ct_mao_sync.engine.values import OUTCOME_KINDS, Outcome, Plan
from ct_mao_sync.errors import EXIT_OK, EXIT_REJECTED, Problem, worst_exit_code


@dataclass(slots=True)
class RunReport:
    """The numbers add up: read = written + unchanged + rejected + pending + skipped."""

    job: str
    run: str
    started_at: datetime
    dry_run: bool = False
    since: datetime | None = None
    until: datetime | None = None
    watermark: datetime | None = None
    passes: Sequence[str] = ()
    """The ways in which the job finds changes now; empty in a run of given records."""
    counts: Counter[str] = field(default_factory=Counter)
    skip_reasons: Counter[str] = field(default_factory=Counter)
    rejected: list[tuple[str, str, Problem]] = field(default_factory=list)
    """(entity, label, problem) of this run, at most REJECTED_SHOWN_MAX."""
    plans: Sequence[Plan] = ()
    """With `--dry-run`: what would have been written."""
    problem: Problem | None = None
    """Why the run ended early, None when it did not."""
    ended_early_code: int = EXIT_OK
    limit_reached: bool = False
    postponed: list[str] = field(default_factory=list)
    """Passes that were left where they are because the requests of the hour ran short."""
    held_back: int = 0
    """Writes that a blast-radius limit holds back."""
    elapsed_s: float = 0.0
    waited_s: float = 0.0
    """Of these, with nothing to do but wait for what the target took in and decides later (imports)."""
    requests: int = 0
    _waiting: set[str] = field(default_factory=set)

    @property
    def dead_letters(self) -> int:
        """Records that this run set aside, each once; a number that does not exist cannot wait."""
        return len(self._waiting)

    @property
    def read(self) -> int:
        return sum(self.counts[kind] for kind in OUTCOME_KINDS)

    @property
    def exit_code(self) -> int:
        codes = [self.ended_early_code]
        if self.counts["rejected"]:
            codes.append(EXIT_REJECTED)
        return worst_exit_code(codes)

    def add(self, outcome: Outcome) -> None:
        self.counts[outcome.kind] += 1
        if outcome.kind != "skipped":
            self._waiting.discard(outcome.entity)
        if outcome.kind == "skipped":
            # The number of the dead letter is for `trace`; here they are one kind.
            waits = outcome.reason.startswith("waiting as dead letter")
            self.skip_reasons["waiting in the queue of dead letters" if waits else outcome.reason] += 1
        elif outcome.kind == "rejected" and outcome.rejection:
            if outcome.entity:
                self._waiting.add(outcome.entity)
            if len(self.rejected) < REJECTED_SHOWN_MAX:
                self.rejected.append((outcome.entity, outcome.label, outcome.rejection))

    def as_dict(self) -> dict[str, object]:
        return {
            "job": self.job,
            "run": self.run,
            "dry_run": self.dry_run,
            "since": _iso(self.since),
            "until": _iso(self.until),
            "watermark": _iso(self.watermark),
            "read": self.read,
            **{kind: self.counts[kind] for kind in OUTCOME_KINDS},
            "skipped_because": dict(self.skip_reasons),
            "rejections": [
                {"entity": entity, "label": label, **problem.as_dict()}
                for entity, label, problem in self.rejected
            ],
            "plans": [
                {"entity": plan.entity, "label": plan.label, "writes": list(plan.summary)}
                for plan in self.plans
            ],
            "problem": self.problem.as_dict() if self.problem else None,
            "limit_reached": self.limit_reached,
            "postponed": self.postponed,
            "requests": self.requests,
            "elapsed_s": round(self.elapsed_s, 3),
            "waited_s": round(self.waited_s, 3),
            "exit_code": self.exit_code,
        }


REJECTED_SHOWN_MAX = 1000

Progress = Callable[[RunReport], None]


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
