"""Runs, events and dead letters added up by SQLite, for the report: bounded however long the history is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from ct_mao_sync.engine.rows import to_text
from ct_mao_sync.state.database import StateFile

OUTCOMES = ("written", "unchanged", "rejected", "pending", "skipped")


@dataclass(frozen=True, slots=True)
class DayOfJob:
    """The runs of one job that began on one day (UTC)."""

    day: date
    job: str
    runs: int
    failed: int
    """Runs that ended with 1, 2, 4 or 5 and a message."""
    requests: int
    busy_s: float
    lag_max_s: float | None
    """The oldest watermark that a run left behind, at the run's end."""
    counts: dict[str, int]
    """By outcome."""


class Statistics(StateFile):
    def days_of_jobs(self, since: datetime) -> list[DayOfJob]:
        sums = ", ".join(f"sum(coalesce(json_extract(counts, '$.{name}'), 0)) AS {name}" for name in OUTCOMES)
        rows = self._rows(
            f"""
            SELECT substr(started_at, 1, 10) AS day, job, count(*) AS runs, sum(requests) AS requests, {sums},
                sum(exit_code IN (1, 2, 4, 5) AND message <> '') AS failed,
                sum(coalesce(julianday(finished_at) - julianday(started_at), 0)) * 86400 AS busy_s,
                max(CASE WHEN until IS NOT NULL AND exit_code IN (0, 3)
                    THEN (julianday(finished_at) - julianday(until)) * 86400 END) AS lag_max_s
            FROM runs WHERE started_at >= ? GROUP BY day, job ORDER BY day, job
            """,
            [to_text(since)],
        )
        return [
            DayOfJob(
                day=date.fromisoformat(row["day"]),
                job=row["job"],
                runs=row["runs"],
                failed=row["failed"] or 0,
                requests=row["requests"] or 0,
                busy_s=row["busy_s"] or 0.0,
                lag_max_s=None if row["lag_max_s"] is None else max(0.0, row["lag_max_s"]),
                counts={name: row[name] or 0 for name in OUTCOMES},
            )
            for row in rows
        ]

    def refusals_by_day(self, since: datetime) -> list[tuple[date, str, int, int]]:
        """(day, code, times, records): a record that is refused again and again is one record of its day."""
        rows = self._rows(
            """
            SELECT substr(at, 1, 10) AS day, substr(detail, 1, instr(detail, ':') - 1) AS code,
                count(*) AS times, count(DISTINCT entity) AS records
            FROM events WHERE at >= ? AND action = 'refuse' GROUP BY day, code ORDER BY day, code
            """,
            [to_text(since)],
        )
        return [(date.fromisoformat(row["day"]), row["code"], row["times"], row["records"]) for row in rows]

    def writes_by_day(self, since: datetime) -> list[tuple[date, str, str, int]]:
        """(day, job, action, how many) of what was written."""
        rows = self._rows(
            """
            SELECT substr(events.at, 1, 10) AS day, runs.job AS job, events.action AS action, count(*) AS n
            FROM events JOIN runs ON runs.id = events.run
            WHERE events.at >= ? AND events.action NOT IN ('refuse', 'close', 'discard')
            GROUP BY day, job, action ORDER BY day, job, action
            """,
            [to_text(since)],
        )
        return [(date.fromisoformat(row["day"]), row["job"], row["action"], row["n"]) for row in rows]

    def closed_dead_letters(self, since: datetime) -> int:
        """How many left the queue by a success."""
        sql = "SELECT count(*) AS n FROM events WHERE at >= ? AND action = 'close'"
        return int(self._rows(sql, [to_text(since)])[0]["n"])

    def history_since(self) -> datetime | None:
        """When the first run that is remembered began; None when there is none."""
        rows = self._rows("SELECT min(started_at) AS at FROM runs")
        return datetime.fromisoformat(rows[0]["at"]) if rows[0]["at"] else None
