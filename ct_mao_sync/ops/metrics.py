"""`[metrics] textfile`: how each job is, as Prometheus text for node_exporter's textfile collector.

Everything comes from the state file, so each process writes the figures of all jobs, and counters survive the
process (Prometheus docs: exposition formats, metric naming). No label holds anything of a record.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ct_mao_sync.engine.values import OUTCOME_KINDS
from ct_mao_sync.ops.facts import JobFacts
from ct_mao_sync.ops.files import replace_file

_PREFIX = "ct_mao_sync"
_MODE = 0o644
"""node_exporter runs as another user."""


def write_metrics(
    path: Path, facts: Sequence[JobFacts], now: datetime, *, budget_used: int, budget_limit: int
) -> None:
    """Raises OSError."""
    replace_file(path, render_metrics(facts, now, budget_used, budget_limit), mode=_MODE)


def render_metrics(facts: Sequence[JobFacts], now: datetime, budget_used: int, budget_limit: int) -> str:
    out: list[str] = []

    def family(name: str, kind: str, text: str, rows: Sequence[tuple[str, float | None]]) -> None:
        shown = [(labels, value) for labels, value in rows if value is not None]
        if shown:
            out.append(f"# HELP {_PREFIX}_{name} {text}")
            out.append(f"# TYPE {_PREFIX}_{name} {kind}")
            out.extend(f"{_PREFIX}_{name}{labels} {_number(value)}" for labels, value in shown)

    runs = [(f, f.last_run) for f in facts if f.last_run is not None]
    family(
        "last_run_timestamp_seconds",
        "gauge",
        "When the last run of the job ended.",
        [(_labels(job=f.job), _unix(run.finished_at)) for f, run in runs],
    )
    family(
        "last_success_timestamp_seconds",
        "gauge",
        "When the last run that did not fail ended.",
        [(_labels(job=f.job), _unix(f.last_success.finished_at)) for f in facts if f.last_success],
    )
    family(
        "last_run_duration_seconds",
        "gauge",
        "How long the last run took.",
        [(_labels(job=f.job), f.duration_s) for f in facts],
    )
    family(
        "last_run_exit_code",
        "gauge",
        "Exit code of the last run (0 done, 3 records rejected).",
        [(_labels(job=f.job), run.exit_code) for f, run in runs],
    )
    family(
        "consecutive_failures",
        "gauge",
        "Runs that failed in a row.",
        [(_labels(job=f.job), f.failures) for f in facts],
    )
    family(
        "watermark_lag_seconds",
        "gauge",
        "How far the watermark of the job is behind.",
        [(_labels(job=f.job), f.lag_s) for f in facts],
    )
    family(
        "runs_total",
        "counter",
        "Runs that came to an end.",
        [(_labels(job=f.job), f.totals.get("runs", 0)) for f in facts],
    )
    family(
        "requests_total",
        "counter",
        "Requests sent to both systems.",
        [(_labels(job=f.job), f.totals.get("requests", 0)) for f in facts],
    )
    family(
        "records_read_total",
        "counter",
        "Records looked at: the sum of all outcomes.",
        [(_labels(job=f.job), sum(f.totals.get(kind, 0) for kind in OUTCOME_KINDS)) for f in facts],
    )
    family(
        "records_total",
        "counter",
        "Records by what became of them.",
        [(_labels(job=f.job, outcome=kind), f.totals.get(kind, 0)) for f in facts for kind in OUTCOME_KINDS],
    )
    family(
        "dead_letters",
        "gauge",
        "Records that wait as dead letters.",
        [
            (_labels(job=f.job, code=code), n)
            for f in facts
            for code, n in sorted(f.dead_letters.items() or [("none", 0)])
        ],
    )
    family(
        "request_budget_used",
        "gauge",
        "Requests taken out of this hour's manhattan.max_requests_per_hour.",
        [("", budget_used if budget_limit else None)],
    )
    family(
        "request_budget_limit",
        "gauge",
        "manhattan.max_requests_per_hour.",
        [("", budget_limit or None)],
    )
    family("textfile_timestamp_seconds", "gauge", "When this file was written.", [("", _unix(now))])
    return "\n".join(out) + "\n"


def _labels(**values: str) -> str:
    quoted = ",".join(f'{name}="{_escaped(value)}"' for name, value in values.items())
    return "{" + quoted + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _unix(moment: datetime | None) -> float | None:
    return None if moment is None else round(moment.timestamp(), 3)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
