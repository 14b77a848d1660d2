"""What a worker does with a group of records: plan, apply, and read again what somebody else was faster with.
Never touches the state."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ct_mao_sync.engine import correlation
from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.engine.gate import Gate
from ct_mao_sync.engine.intake import map_change, outcome_of
from ct_mao_sync.engine.job import Job
from ct_mao_sync.engine.page import Again, Group
from ct_mao_sync.engine.values import Change, Desired, Outcome, Plan, Skip
from ct_mao_sync.errors import (
    OutcomeUnknown,
    Problem,
    RecordRejected,
    Rejection,
    SyncError,
    VersionConflict,
)

CONFLICT_TRIES_MAX = 10
SERVER_ERROR_TRIES_MAX = 5
DIFFERENCE_LENGTH_MAX = 400
BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 5.0


@dataclass(frozen=True, slots=True)
class Worker:
    """The same for all threads."""

    job: Job
    clock: Clock
    gate: Gate
    rng: random.Random

    def work(self, group: Group) -> list[Outcome | Again]:
        """Plan and apply a group."""
        return [_after(group.done, result) for result in self._apply_group(group)]

    def _apply_group(self, group: Group) -> list[Outcome | Again]:
        targets, bases, tries = group.targets, group.bases, group.tries
        results: list[Outcome | Again] = []
        plans: list[Plan] = []
        by_entity: dict[str, Desired] = {}
        for wanted in group.wanted:
            planned = self.job.plan(wanted, targets.get(wanted.entity), bases.get(wanted.entity))
            attempted = tries > 0
            if isinstance(planned, Rejection):
                results.append(outcome_of(wanted, "rejected", rejection=planned, attempted=attempted))
            elif isinstance(planned, Skip):
                skipped = outcome_of(wanted, "skipped", reason=planned.reason, attempted=attempted)
                results.append(replace(skipped, digest="") if planned.outdated else skipped)
            elif not planned.writes:
                kind = "rejected" if planned.rejection else "pending" if planned.pending else "unchanged"
                results.append(
                    outcome_of(
                        wanted,
                        kind,
                        state=planned.state,
                        rejection=planned.rejection,
                        attempted=attempted,
                    )
                )
            elif self.gate.opens_for(planned):
                plans.append(planned)
                by_entity[wanted.entity] = wanted
            else:
                kind = "rejected" if planned.rejection else "written"
                results.append(outcome_of(wanted, kind, reason="dry run", rejection=planned.rejection))
        if plans:
            try:
                with correlation.collected() as requests:
                    applied = self.job.apply(plans)
                results.extend(
                    replace(
                        _with_difference(outcome, plans),
                        version=by_entity[outcome.entity].version,
                        digest=by_entity[outcome.entity].digest,
                        personal=by_entity[outcome.entity].personal,
                        correlation_ids=tuple(requests),
                        attempted=True,
                    )
                    for outcome in applied
                )
            except (VersionConflict, OutcomeUnknown) as error:
                results.extend(
                    _after(error.done, self._read_again(by_entity[p.entity], bases, tries + 1, error))
                    for p in plans
                )
            except RecordRejected as error:
                results.extend(
                    outcome_of(
                        by_entity[p.entity],
                        "rejected",
                        rejection=error.problem.with_context(difference=_difference(p)),
                        target_failure=True,
                        attempted=True,
                    )
                    for p in plans
                )
        return results

    def _read_again(
        self, wanted: Desired, bases: Mapping[str, Any], tries: int, error: SyncError
    ) -> Outcome | Again:
        status = error.problem.context.get("status", 0)
        server_error = isinstance(error, OutcomeUnknown) and isinstance(status, int) and status >= 500
        if tries >= (SERVER_ERROR_TRIES_MAX if server_error else CONFLICT_TRIES_MAX):
            return outcome_of(
                wanted,
                "rejected",
                rejection=_given_up(wanted, error, tries, self.job),
                target_failure=True,
                attempted=True,
            )
        pause_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** (tries - 1))
        self.clock.sleep(pause_s * self.rng.uniform(0.5, 1.0))
        changes = self.job.read_entities([wanted.entity])
        change = changes[0] if changes else Change(wanted.entity, wanted.label, wanted.version)
        mapped = map_change(self.job, change, bases.get(wanted.entity))
        if isinstance(mapped, Outcome):
            return replace(mapped, attempted=True)
        target = self.job.read_target_again(mapped, bases.get(wanted.entity))
        return Again(mapped, target, tries, error)


def _after(done: tuple[str, ...], result: Outcome | Again) -> Outcome | Again:
    """A result, with what earlier tries have written of it."""
    if not done:
        return result
    if isinstance(result, Again):
        return replace(result, done=(*done, *result.done))
    kind = "written" if result.kind == "unchanged" else result.kind
    return replace(result, kind=kind, writes=(*done, *result.writes))


def _with_difference(outcome: Outcome, plans: Sequence[Plan]) -> Outcome:
    """What was to be written, told with its refusal."""
    if outcome.rejection is None:
        return outcome
    plan = next((plan for plan in plans if plan.entity == outcome.entity), None)
    if plan is None:
        return outcome
    return replace(outcome, rejection=outcome.rejection.with_context(difference=_difference(plan)))


def _difference(plan: Plan) -> str:
    text = "; ".join(plan.summary)
    return text if len(text) <= DIFFERENCE_LENGTH_MAX else text[: DIFFERENCE_LENGTH_MAX - 1] + "…"


def _given_up(wanted: Desired, error: SyncError, tries: int, job: Job) -> Problem:
    if isinstance(error, VersionConflict):
        code, what = "conflict", f"somebody else was faster each of {tries} times"
    else:
        code, what = "target-failed", f"{tries} tries and no good answer"
    return Rejection(
        code=code,
        message=f"{wanted.label}: not written to {job.target}, {what}: {error.problem.message}",
        hint="it is tried again by the next runs; at once: "
        f"ct-mao-sync replay-errors --entity {wanted.entity}",
        context=error.problem.context,
    )
