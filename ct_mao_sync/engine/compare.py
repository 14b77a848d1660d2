"""Both sides of a job compared through its own plan, without writing anything: for reconcile and trace.

    =  the same      -  missing in the source      +  missing in the target      *  different      !  error

What the job leaves alone on purpose (an order before the cut-over) has no symbol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ct_mao_sync.engine.commit import redact_problem
from ct_mao_sync.engine.job import Explains, Job, Pass
from ct_mao_sync.engine.values import Change, Desired, Difference, Outcome, Plan, Skip
from ct_mao_sync.errors import ConfigError, Problem, Rejection

Symbol = Literal["=", "-", "+", "*", "!", ""]
SYMBOLS: tuple[Symbol, ...] = ("=", "-", "+", "*", "!")
Redact = Callable[[str, Outcome], str]


@dataclass(frozen=True, slots=True)
class Finding:
    """What the comparison of one record says. No personal data."""

    entity: str
    label: str
    symbol: Symbol
    reason: str = ""
    """Why there is nothing to do although the sides may differ, or what is waited for."""
    writes: Sequence[str] = ()
    """One line for each write that would bring the target in line."""
    differences: Sequence[Difference] = ()
    problem: Problem | None = None

    @property
    def is_agreed(self) -> bool:
        return self.symbol in ("=", "")


def compare(job: Job, store: Any, changes: Sequence[Change], redact: Redact) -> list[Finding]:
    """The findings of one page, in the order of its changes. Main thread; reads both systems and writes to
    neither. `store` may be written to (what a job keeps of its reading): give it a copy of the state."""
    newest: dict[str, Change] = {}
    for change in changes:
        known = newest.get(change.entity)
        if known is None or change.version >= known.version:
            newest[change.entity] = change
    found: dict[str, Finding] = {}
    wanted: list[Desired] = []
    bases = job.load_bases(store, list(newest))
    for change in newest.values():
        mapped = _map(job, change, bases.get(change.entity))
        if isinstance(mapped, Desired):
            wanted.append(mapped)
        else:
            found[change.entity] = _finding(change, mapped, redact)
    if wanted:
        targets = job.complete_targets(store, wanted, job.read_targets(wanted, bases))
        for desired in wanted:
            target = targets.get(desired.entity)
            planned = job.plan(desired, target, bases.get(desired.entity))
            found[desired.entity] = _finding(desired, planned, redact, job, target)
    return [found[entity] for entity in newest]


def _map(job: Job, change: Change, base: Any) -> Desired | Rejection | Skip:
    if change.rejection is not None:
        return change.rejection
    if change.record is None:
        return Skip("gone at the source", missing="source")
    return job.map(change, base)


def _finding(
    of: Change | Desired,
    planned: Plan | Rejection | Skip,
    redact: Redact,
    job: Job | None = None,
    target: Any = None,
) -> Finding:
    if isinstance(planned, Rejection):
        personal = of.personal if isinstance(of, Desired) else {}
        problem = redact_problem(planned, Outcome(of.entity, of.label, "rejected", personal=personal), redact)
        return Finding(of.entity, of.label, "!", problem=problem)
    if isinstance(planned, Skip):
        symbol: Symbol = {"source": "-", "target": "+"}.get(planned.missing, "")  # type: ignore[assignment]
        return Finding(of.entity, of.label, symbol, planned.reason)
    if not planned.writes:
        if planned.rejection is not None:
            return _finding(of, planned.rejection, redact)
        if planned.pending:
            return Finding(of.entity, of.label, "*", f"{_decides(job)} an earlier write")
        return Finding(of.entity, of.label, "=")
    creates = any(write.action == "create" for write in planned.writes)
    differences: Sequence[Difference] = ()
    if isinstance(job, Explains) and isinstance(of, Desired) and not creates:
        differences = job.differences(of, target, planned)
    return Finding(
        of.entity,
        of.label,
        "+" if creates else "*",
        writes=tuple(planned.summary),
        differences=differences,
    )


def _decides(job: Job | None) -> str:
    return f"{job.target if job else 'the target'} has not decided yet about"


def scan(
    job: Job, *, now: datetime, since: datetime | None, until: datetime | None, everything: bool
) -> Iterator[Sequence[Change]]:
    """The source's changes, a page at a time. No watermark is looked at or moved.

    everything  all changes since the job's cut-over; where it has none, its sweep

    Raises ConfigError when nothing says where to begin."""
    passes = list(job.passes(now))
    windows = [each for each in passes if not each.name.startswith("sweep")]
    if everything:
        # Windows that have a beginning see everything from there; a sweep may see only what is open.
        since_cut_over = [each for each in windows if each.start_at is None or each.start_at < now]
        windows = since_cut_over or [each for each in passes if each not in windows]
    for each in windows:
        begin = since or each.start_at
        if begin is None:
            raise _no_beginning(job, each)
        cursor: str | None = None
        while True:
            page = job.read_page(each, begin, until, cursor)
            yield page.changes
            cursor = page.cursor
            if cursor is None:
                break


def _no_beginning(job: Job, each: Pass) -> ConfigError:
    return ConfigError(
        [
            Problem(
                "first-run",
                f"{job.name}: nothing says where {each.name} begins",
                hint=f"say it: ct-mao-sync reconcile {job.name} --since 2026-11-01T00:00:00Z",
            )
        ]
    )
