"""Runs, events and the request budget: what happened, kept for a while."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from ct_mao_sync.engine.rows import Event, Run, from_text, from_text_or_none, to_text, to_text_or_none
from ct_mao_sync.state.database import StateFile


class History(StateFile):
    def start_run(
        self,
        run_id: str,
        job: str,
        at: datetime,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> None:
        self._write(
            "INSERT INTO runs (id, job, started_at, since, until) VALUES (?, ?, ?, ?, ?)",
            [run_id, job, to_text(at), to_text_or_none(since), to_text_or_none(until)],
        )

    def finish_run(
        self,
        run_id: str,
        at: datetime,
        counts: Mapping[str, int],
        exit_code: int,
        requests: int,
        message: str = "",
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        passes: Sequence[str] = (),
    ) -> None:
        """`since` and `until`, when known by now, replace what `start_run` was told. `passes`: those that
        the job has now; a watermark of any other pass tells nothing of its lag."""
        with self.atomic():
            self._write(
                "UPDATE runs SET finished_at = ?, counts = ?, exit_code = ?, requests = ?, message = ?, "
                "since = coalesce(?, since), until = coalesce(?, until), passes = ? WHERE id = ?",
                [
                    to_text(at),
                    json.dumps(dict(counts), separators=(",", ":")),
                    exit_code,
                    requests,
                    message,
                    to_text_or_none(since),
                    to_text_or_none(until),
                    " ".join(passes),
                    run_id,
                ],
            )
            self._write_many(
                "INSERT INTO totals (job, name, n) SELECT job, ?, ? FROM runs WHERE id = ? "
                "ON CONFLICT (job, name) DO UPDATE SET n = n + excluded.n",
                [(name, n, run_id) for name, n in {**counts, "requests": requests, "runs": 1}.items()],
            )

    def totals(self) -> dict[tuple[str, str], int]:
        """(job, outcome) -> records since the file was made; also the names `requests` and `runs`."""
        return {(row["job"], row["name"]): row["n"] for row in self._rows("SELECT * FROM totals")}

    def present_passes(self, job: str) -> tuple[str, ...]:
        """The passes of the job as its last run had them; empty before its first."""
        rows = self._rows(
            "SELECT passes FROM runs WHERE job = ? AND passes <> '' "
            "ORDER BY started_at DESC, rowid DESC LIMIT 1",
            [job],
        )
        return tuple(rows[0]["passes"].split(" ")) if rows else ()

    def last_runs(self, job: str | None = None, n: int = 10) -> list[Run]:
        """Newest first; of all jobs when none is named."""
        rows = self._rows(
            "SELECT * FROM runs WHERE ? IS NULL OR job = ? ORDER BY started_at DESC, rowid DESC LIMIT ?",
            [job, job, n],
        )
        return [_run(row) for row in rows]

    def unfinished_run(self, job: str, *, other_than: str = "") -> Run | None:
        """The last run of the job if it did not end cleanly (killed, power cut). `other_than` = the run
        that asks, when it has been started already."""
        rows = self._rows(
            "SELECT * FROM runs WHERE job = ? AND id <> ? ORDER BY started_at DESC, rowid DESC LIMIT 1",
            [job, other_than],
        )
        run = _run(rows[0]) if rows else None
        return run if run is not None and run.finished_at is None else None

    def add_events(self, run: str, rows: Iterable[Event], *, at: datetime) -> None:
        """`at` is used for events that have no moment of their own."""
        self._write_many(
            "INSERT INTO events (run, at, entity, label, action, subject, detail, correlation_id) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    run,
                    to_text(row.at or at),
                    row.entity,
                    row.label,
                    row.action,
                    row.subject,
                    row.detail,
                    row.correlation_id,
                )
                for row in rows
            ],
        )

    def events(self, *names: str, n: int = 1000) -> list[Event]:
        """What was done with entities given by id or label (order number); oldest first, the last `n`."""
        marks = ",".join("?" * len(names))
        rows = self._rows(
            f"SELECT * FROM (SELECT * FROM events WHERE entity IN ({marks}) OR label IN ({marks}) "
            "ORDER BY id DESC LIMIT ?) ORDER BY id",
            [*names, *names, n],
        )
        return [_event(row) for row in rows]

    def take_budget(self, hour: datetime, n: int, limit: int = 0) -> int:
        """Takes up to `n` requests out of the hour that the moment lies in and returns how many were
        granted; several processes never get more than `limit` together. 0 = no limit."""
        key = _hour(hour)
        with self.atomic():
            used = self.budget_used(hour)
            granted = n if limit <= 0 else max(0, min(n, limit - used))
            if granted:
                self._write(
                    "INSERT INTO budget VALUES (?, ?) ON CONFLICT (hour) DO UPDATE SET used = used + ?",
                    [key, granted, granted],
                )
        return granted

    def give_back_budget(self, hour: datetime, n: int) -> None:
        """Requests that were taken and never sent."""
        self._write("UPDATE budget SET used = max(0, used - ?) WHERE hour = ?", [n, _hour(hour)])

    def budget_used(self, hour: datetime) -> int:
        rows = self._rows("SELECT used FROM budget WHERE hour = ?", [_hour(hour)])
        return int(rows[0]["used"]) if rows else 0


def _hour(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone")
    return to_text(moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0))


def _event(row: sqlite3.Row) -> Event:
    return Event(
        entity=row["entity"],
        label=row["label"],
        action=row["action"],
        subject=row["subject"],
        detail=row["detail"],
        run=row["run"],
        at=from_text(row["at"]),
        correlation_id=row["correlation_id"],
    )


def _run(row: sqlite3.Row) -> Run:
    return Run(
        id=row["id"],
        job=row["job"],
        started_at=from_text(row["started_at"]),
        finished_at=from_text_or_none(row["finished_at"]),
        since=from_text_or_none(row["since"]),
        until=from_text_or_none(row["until"]),
        counts=json.loads(row["counts"]),
        exit_code=row["exit_code"],
        requests=row["requests"],
        message=row["message"],
    )
