"""How each job is, read from the state file. Alerts, metrics, health and overview all look at these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ct_mao_sync.engine.rows import Run
from ct_mao_sync.errors import EXIT_BUG, EXIT_CONFIG, EXIT_RETRIABLE, EXIT_STOPPED
from ct_mao_sync.state.store import Store

FAILURES = frozenset({EXIT_BUG, EXIT_CONFIG, EXIT_RETRIABLE, EXIT_STOPPED})
NEEDS_A_PERSON = frozenset({EXIT_BUG, EXIT_CONFIG, EXIT_STOPPED})
RUNS_LOOKED_AT = 50


@dataclass(frozen=True, slots=True)
class JobFacts:
    """One job at one moment. `lag_s`: how far its oldest watermark is behind, None before the first one;
    the clock of the source is taken for ours (doctor measures how far they are apart)."""

    job: str
    last_run: Run | None
    """The last one that came to an end."""
    last_success: Run | None
    failures: int
    """Runs that failed in a row, the last one included; at most RUNS_LOOKED_AT."""
    watermark: datetime | None
    lag_s: float | None
    dead_letters: Mapping[str, int]
    """Code -> open entries."""
    totals: Mapping[str, int]
    """Outcome -> records since the state file was made; also `requests` and `runs`."""

    @property
    def duration_s(self) -> float | None:
        """Of the last run."""
        if self.last_run is None or self.last_run.finished_at is None:
            return None
        return (self.last_run.finished_at - self.last_run.started_at).total_seconds()


def has_failed(run: Run) -> bool:
    """A job whose run only met a limit (5, and nothing that stopped it) has done all the rest."""
    return run.exit_code in FAILURES and not is_held_back(run)


def is_held_back(run: Run) -> bool:
    """A blast-radius limit holds writes back until a person allows them; nothing else was wrong."""
    return run.exit_code == EXIT_STOPPED and not run.message


def read_facts(store: Store, jobs: Iterable[str], now: datetime) -> list[JobFacts]:
    checkpoints = store.checkpoints()
    letters, totals = store.count_dead_letters(), store.totals()
    found = []
    for job in jobs:
        runs = [run for run in store.last_runs(job, RUNS_LOOKED_AT) if run.finished_at is not None]
        failures = 0
        for run in runs:
            if not has_failed(run):
                break
            failures += 1
        windows = [name for name in store.present_passes(job) if name.startswith("window:")]
        marks = [c.watermark for name in windows if (c := checkpoints.get((job, name))) and c.watermark]
        watermark = min(marks) if marks and len(marks) == len(windows) else None
        found.append(
            JobFacts(
                job=job,
                last_run=runs[0] if runs else None,
                last_success=next((run for run in runs if not has_failed(run)), None),
                failures=failures,
                watermark=watermark,
                lag_s=max(0.0, (now - watermark).total_seconds()) if watermark else None,
                dead_letters={code: n for (of, code), n in letters.items() if of == job},
                totals={name: n for (of, name), n in totals.items() if of == job},
            )
        )
    return found
