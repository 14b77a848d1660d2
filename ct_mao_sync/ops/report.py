"""What happened in the last days, from the history in the state file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from ct_mao_sync.engine.rows import DeadLetter
from ct_mao_sync.state.statistics import OUTCOMES
from ct_mao_sync.state.store import Store

OLDEST_SHOWN_MAX = 10
CODES_SHOWN_MAX = 8

Series = Sequence[float]
"""One value for each day of the report."""


@dataclass(slots=True)
class JobReport:
    job: str
    runs: int = 0
    failed: int = 0
    requests: int = 0
    busy_s: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    """By outcome."""
    writes: Counter[str] = field(default_factory=Counter)
    """By action: create, update, cancel, lower, raise …"""
    written_by_day: list[float] = field(default_factory=list)
    requests_by_day: list[float] = field(default_factory=list)
    lag_max_by_day: list[float | None] = field(default_factory=list)
    """Seconds; None on days without a good run."""

    @property
    def lag_max_s(self) -> float | None:
        return max((lag for lag in self.lag_max_by_day if lag is not None), default=None)


@dataclass(frozen=True, slots=True)
class Report:
    """Days are UTC. No personal data: counts, codes and order numbers."""

    at: datetime
    days: Sequence[date]
    remembered_since: datetime | None
    """The history begins here; it may be later than the first day."""
    jobs: Sequence[JobReport]
    refused_by_day: Mapping[str, Sequence[float]]
    """Code -> records refused, by day; the codes with most first, the rest as "others"."""
    refused: Mapping[str, int]
    """Code -> records refused, each once a day."""
    waiting: Mapping[str, int]
    """Code -> open dead letters now."""
    oldest: Sequence[DeadLetter]
    closed: int
    """Dead letters that left the queue by a success."""

    @property
    def requests(self) -> int:
        return sum(job.requests for job in self.jobs)

    def headline(self) -> list[tuple[str, int]]:
        """The few numbers that a person asks for first."""
        by_name = {job.job: job for job in self.jobs}

        def written(job: str) -> int:
            return by_name[job].counts["written"] if job in by_name else 0

        orders = by_name.get("orders")
        created = orders.writes["create"] if orders else 0
        return [
            ("orders exported", created),
            ("later changes of orders", max(0, written("orders") - created)),
            ("stock updates", written("inventory")),
            ("status updates", written("status")),
            ("return updates", written("returns")),
            ("records set aside", sum(self.refused.values())),
            ("waiting now", sum(self.waiting.values())),
        ]


def read_report(store: Store, jobs: Sequence[str], days: int, now: datetime) -> Report:
    """`days` whole days, today the last of them."""
    first = (now - timedelta(days=days - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    dates = [(first + timedelta(days=number)).date() for number in range(days)]
    place = {day: number for number, day in enumerate(dates)}
    found = {
        job: JobReport(
            job,
            written_by_day=[0.0] * days,
            requests_by_day=[0.0] * days,
            lag_max_by_day=[None] * days,
        )
        for job in jobs
    }
    for row in store.days_of_jobs(first):
        job = found.get(row.job)
        number = place.get(row.day)
        if job is None or number is None:
            continue
        job.runs += row.runs
        job.failed += row.failed
        job.requests += row.requests
        job.busy_s += row.busy_s
        job.counts.update({name: row.counts[name] for name in OUTCOMES})
        job.written_by_day[number] += row.counts["written"]
        job.requests_by_day[number] += row.requests
        job.lag_max_by_day[number] = row.lag_max_s
    for _, name, action, count in store.writes_by_day(first):
        if name in found:
            found[name].writes[action] += count
    refused: Counter[str] = Counter()
    by_day: dict[str, list[float]] = {}
    for day, code, _, records in store.refusals_by_day(first):
        if day in place:
            refused[code] += records
            by_day.setdefault(code, [0.0] * days)[place[day]] += records
    waiting: Counter[str] = Counter()
    for (_, code), count in store.count_dead_letters().items():
        waiting[code] += count
    return Report(
        at=now,
        days=dates,
        remembered_since=store.history_since(),
        jobs=[job for job in found.values() if job.runs],
        refused_by_day=_most(by_day, refused, days),
        refused=dict(refused.most_common()),
        waiting=dict(waiting.most_common()),
        oldest=store.oldest_dead_letters(OLDEST_SHOWN_MAX),
        closed=store.closed_dead_letters(first),
    )


def _most(by_day: Mapping[str, list[float]], total: Counter[str], days: int) -> dict[str, list[float]]:
    """More colours than these cannot be told apart."""
    codes = [code for code, _ in total.most_common()]
    shown = {code: by_day[code] for code in codes[:CODES_SHOWN_MAX]}
    rest = codes[CODES_SHOWN_MAX:]
    if rest:
        shown["others"] = [sum(by_day[code][number] for code in rest) for number in range(days)]
    return shown
