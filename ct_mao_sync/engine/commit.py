"""Outcomes become state: keys, dead letters, events, job rows and the cursor of one commit are one
transaction, by the main thread only, every second or 200 outcomes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.engine.job import Job
from ct_mao_sync.engine.rows import Event, Processed
from ct_mao_sync.engine.values import Outcome
from ct_mao_sync.errors import Problem

log = logging.getLogger("ct_mao_sync.run")

COMMIT_OUTCOMES_MAX = 200
COMMIT_EVERY_S = 1.0
REQUESTS_SHOWN_MAX = 5
HELD_BACK_SHOWN_MAX = 5
"""Warnings of one limit in a run: it holds back thousands for one reason. -v has them all."""


@dataclass(slots=True)
class Committer:
    """Collects outcomes and writes them. With `dry_run` it writes nothing."""

    job: Job
    store: Any
    clock: Clock
    run: str
    mapping_digest: str
    redact: Callable[[str, Outcome], str]
    """Takes personal data and secrets out of a text that is about to be stored."""
    dry_run: bool = False
    _outcomes: list[Outcome] = field(default_factory=list)
    _held_back: Counter[str] = field(default_factory=Counter)
    """By the code of the limit."""
    _committed_at_s: float = 0.0

    def add(self, outcome: Outcome) -> None:
        if outcome.rejection is not None:
            outcome = replace(outcome, rejection=redact_problem(outcome.rejection, outcome, self.redact))
            self._log_rejection(outcome)
        if not self.dry_run:
            self._outcomes.append(outcome)

    def _log_rejection(self, outcome: Outcome) -> None:
        problem = outcome.rejection
        assert problem is not None
        level = logging.WARNING
        if problem.code.endswith("-limit"):
            self._held_back[problem.code] += 1
            if self._held_back[problem.code] > HELD_BACK_SHOWN_MAX:
                level = logging.INFO
        log.log(
            level,
            "%s: %s",
            problem.code,
            problem.message,
            extra={
                "job": self.job.name,
                "run": self.run,
                "entity": outcome.entity,
                "label": outcome.label,
                "code": problem.code,
                **{key: value for key, value in problem.context.items() if key == "correlation_id"},
            },
        )

    def commit_if_due(self) -> None:
        due = self.clock.monotonic() - self._committed_at_s >= COMMIT_EVERY_S
        if self._outcomes and (due or len(self._outcomes) >= COMMIT_OUTCOMES_MAX):
            self.commit()

    def commit(self, checkpoint: Callable[[], None] | None = None) -> None:
        """One transaction of all that is collected, and of `checkpoint` when the page is complete."""
        self._committed_at_s = self.clock.monotonic()
        outcomes, self._outcomes = self._outcomes, []
        if self.dry_run or not (outcomes or checkpoint):
            return
        now = self.clock.now()
        with self.store.atomic():
            self.job.record(self.store, outcomes, now)
            self._record_keys(outcomes)
            self._record_dead_letters(outcomes)
            self._record_events(outcomes)
            if checkpoint:
                checkpoint()

    def _record_keys(self, outcomes: list[Outcome]) -> None:
        done = [o for o in outcomes if o.kind in ("written", "unchanged", "skipped") and o.digest]
        if done and self.job.skips_by_digest:
            now = self.clock.now()
            self.store.record_processed(
                self.job.name,
                [Processed(o.entity, o.digest, o.version, self.run, now) for o in done],
            )

    def _record_dead_letters(self, outcomes: list[Outcome]) -> None:
        closed = {
            o.entity: o.version
            for o in outcomes
            if o.kind in ("written", "unchanged", "pending")
            or (o.kind == "skipped" and not o.reason.startswith("waiting as dead letter"))
        }
        if closed:
            self.store.close_dead_letters(self.job.name, closed, run=self.run, at=self.clock.now())
        for outcome in outcomes:
            if outcome.kind == "rejected" and outcome.rejection is not None and outcome.entity:
                self.store.put_dead_letter(
                    job=self.job.name,
                    entity=outcome.entity,
                    label=outcome.label,
                    problem=outcome.rejection,
                    version=outcome.version,
                    mapping_digest=self.mapping_digest,
                    at=self.clock.now(),
                    run=self.run,
                )

    def _record_events(self, outcomes: list[Outcome]) -> None:
        rows = [
            Event(outcome.entity, outcome.label, *text.partition(" ")[::2], correlation_id=request)
            for outcome in outcomes
            for text, request in zip(outcome.writes, _requests(outcome), strict=True)
        ]
        rows += [
            Event(
                o.entity,
                o.label,
                "refuse",
                o.label,
                f"{o.rejection.code}: {o.rejection.message}",
                correlation_id=str(o.rejection.context.get("correlation_id", "")),
            )
            for o in outcomes
            if o.kind == "rejected" and o.rejection is not None and o.entity
        ]
        if rows:
            self.store.add_events(self.run, rows, at=self.clock.now())


def redact_problem(problem: Problem, outcome: Outcome, redact: Callable[[str, Outcome], str]) -> Problem:
    """Without personal data and secrets, as it may be stored and shown."""
    return replace(
        problem,
        message=redact(problem.message, outcome),
        hint=redact(problem.hint, outcome),
        context={
            key: redact(value, outcome) if isinstance(value, str) else value
            for key, value in problem.context.items()
        },
    )


def _requests(outcome: Outcome) -> list[str]:
    """The correlation id of each write; where some were sent more than once, all of them for each."""
    if len(outcome.correlation_ids) == len(outcome.writes):
        return list(outcome.correlation_ids)
    return [" ".join(outcome.correlation_ids[-REQUESTS_SHOWN_MAX:])] * len(outcome.writes)
