"""`schedule.health_file`: how the loop is, as JSON, for a liveness probe and for `overview`.

A probe looks whether the file is there and `at` is younger than a few minutes: the loop writes it at every
beginning and end of a run, and every HEARTBEAT_S.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ct_mao_sync.ops.facts import JobFacts
from ct_mao_sync.ops.files import replace_file
from ct_mao_sync.ops.loop import Turn

HEARTBEAT_S = 30.0
_MODE = 0o644


def write_health(path: Path, document: Mapping[str, Any]) -> None:
    """Raises OSError."""
    replace_file(path, json.dumps(document, indent=1) + "\n", mode=_MODE)


def render_health(
    turns: Sequence[Turn],
    facts: Mapping[str, JobFacts],
    *,
    state: str,
    pid: int,
    started_at: datetime,
    now: datetime,
) -> dict[str, Any]:
    """`state`: running, stopping or stopped."""
    return {
        "version": 1,
        "state": state,
        "pid": pid,
        "started_at": _iso(started_at),
        "at": _iso(now),
        "jobs": {turn.job: _job(turn, facts.get(turn.job), now) for turn in turns},
    }


def read_health(path: Path) -> dict[str, Any] | None:
    """What the loop wrote last; None when there is nothing that can be read."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and document.get("version") == 1 else None


def _job(turn: Turn, facts: JobFacts | None, now: datetime) -> dict[str, Any]:
    watermark = facts.watermark if facts else None
    return {
        "state": "running" if turn.is_running else "waiting",
        "circuit": turn.circuit,
        "failures": turn.failures,
        "every_s": turn.every_s,
        "last_run": turn.run,
        "last_started_at": _iso(turn.started_at),
        "last_finished_at": _iso(turn.finished_at),
        "last_exit_code": turn.exit_code,
        "last_problem": turn.problem.code if turn.problem else "",
        "next_run_at": _iso(turn.next_at),
        "watermark": _iso(watermark),
        "lag_s": round((now - watermark).total_seconds()) if watermark else None,
        "dead_letters": sum(facts.dead_letters.values()) if facts else None,
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z") if moment else None
