"""How the whole is, from the state file alone: for a person who has a minute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ct_mao_sync.engine.rows import Checkpoint, Run
from ct_mao_sync.errors import EXIT_OK, EXIT_REJECTED, EXIT_SIGINT, EXIT_SIGTERM
from ct_mao_sync.ops.facts import JobFacts, has_failed, is_held_back, read_facts
from ct_mao_sync.state.store import Store

INTERRUPTED = frozenset({EXIT_SIGINT, EXIT_SIGTERM})


@dataclass(frozen=True, slots=True)
class JobOverview:
    """One job. `said` is how it is, in a few words; `is_well` whether nobody has to look."""

    facts: JobFacts
    said: str
    is_well: bool
    every: timedelta | None
    """Its rhythm; None = switched off."""
    next_at: datetime | None
    """When it should run next, as the loop says or by its rhythm; None = nobody knows."""
    is_running: bool
    circuit: str
    """As the loop says: open, closed; "" where no loop tells."""
    unfinished: Run | None
    """A run that began last and has no end: alive, or killed."""
    passes: Mapping[str, Checkpoint]

    @property
    def job(self) -> str:
        return self.facts.job


@dataclass(frozen=True, slots=True)
class Overview:
    at: datetime
    jobs: Sequence[JobOverview]
    requests_this_hour: int
    """MAO requests, taken in blocks; counted only where there is a limit."""
    requests_limit: int
    """0 = none of ours."""
    loop: str
    """What the loop says of itself: running, stopping, stopped, silent; "" where there is no health file."""

    @property
    def is_well(self) -> bool:
        return all(job.is_well for job in self.jobs)


def read_overview(
    store: Store,
    rhythms: Mapping[str, timedelta | None],
    running: Mapping[str, bool],
    now: datetime,
    *,
    health: Mapping[str, Any] | None = None,
    requests_limit: int = 0,
    health_fresh_s: float = 300.0,
) -> Overview:
    """`rhythms`: job -> its rhythm; `running`: whether its lock is held; `health`: what the loop wrote."""
    checkpoints = store.checkpoints()
    loop = _loop_state(health, now, health_fresh_s)
    told = health.get("jobs", {}) if health and loop == "running" else {}
    jobs = []
    for facts in read_facts(store, rhythms, now):
        last = store.last_runs(facts.job, 1)
        unfinished = last[0] if last and last[0].finished_at is None else None
        is_running = running.get(facts.job, False)
        every = rhythms[facts.job]
        of_loop = told.get(facts.job) or {}
        circuit = str(of_loop.get("circuit") or "")
        said, is_well = _said(facts, every, unfinished, is_running, circuit)
        jobs.append(
            JobOverview(
                facts=facts,
                said=said,
                is_well=is_well,
                every=every,
                next_at=_next_at(facts, every, of_loop),
                is_running=is_running,
                circuit=circuit,
                unfinished=unfinished,
                passes={name: row for (job, name), row in checkpoints.items() if job == facts.job},
            )
        )
    return Overview(now, jobs, store.budget_used(now), requests_limit, loop)


def _said(
    facts: JobFacts, every: timedelta | None, unfinished: Run | None, is_running: bool, circuit: str
) -> tuple[str, bool]:
    last = facts.last_run
    if is_running:
        return "running", True
    if unfinished is not None:
        return "its last run was cut off; the next one goes on from there", True
    if last is None:
        return ("switched off" if every is None else "has never run"), every is None
    if is_held_back(last):
        return "a limit holds writes back until a person allows them", False
    if has_failed(last):
        times = f", {facts.failures} times in a row" if facts.failures > 1 else ""
        circuit_open = ", circuit open" if circuit == "open" else ""
        return f"failing{times}{circuit_open}", False
    if last.exit_code == EXIT_REJECTED:
        return "ok, its last run set records aside", True
    if last.exit_code in INTERRUPTED:
        return "ok, its last run was interrupted", True
    return "ok" if last.exit_code == EXIT_OK else f"exit code {last.exit_code}", True


def _next_at(facts: JobFacts, every: timedelta | None, told: Mapping[str, Any]) -> datetime | None:
    text = told.get("next_run_at")
    if isinstance(text, str):
        return datetime.fromisoformat(text)
    if every is None or facts.last_run is None:
        return None
    return facts.last_run.started_at + every


def _loop_state(health: Mapping[str, Any] | None, now: datetime, fresh_s: float) -> str:
    if health is None:
        return ""
    state = str(health.get("state", ""))
    try:
        age_s = (now - datetime.fromisoformat(str(health.get("at")))).total_seconds()
    except ValueError:
        return "silent"
    return "silent" if state == "running" and age_s > fresh_s else state
