"""The smallest job there can be: values of an in-memory shop end up on an in-memory shelf.

Shop and shelf misbehave as a test tells them to; `ToyJob` itself is plain.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.engine.job import OneByOne, Pass
from ct_mao_sync.engine.values import Change, Desired, Outcome, Page, Plan, Skip
from ct_mao_sync.errors import (
    OutcomeUnknown,
    Problem,
    RecordRejected,
    Rejection,
    Retriable,
    VersionConflict,
)

START = datetime.fromisoformat("2026-11-01T00:00:00Z")
MALFORMED = "?"
"""A value that the shop sends and nobody can read."""
NOTHING = "nothing"
"""A value that takes what is on the shelf away; `guard` counts these."""
DROPS_MAX = 2


@dataclass(frozen=True)
class Row:
    value: str
    version: int
    changed_at: datetime


@dataclass
class Shop:
    """The source: rows by id, in pages, with a clock of its own."""

    clock: Clock
    page_size: int = 3
    rows: dict[str, Row] = field(default_factory=dict)
    pages_read: int = 0
    repeats: bool = False
    """Each page holds its first row twice."""
    tells_time: bool = True
    skew_s: float = 0.0
    on_page: Callable[[int], None] = lambda number: None

    def now(self) -> datetime:
        return self.clock.now() + timedelta(seconds=self.skew_s)

    def put(self, entity: str, value: str) -> None:
        version = self.rows[entity].version + 1 if entity in self.rows else 1
        self.rows[entity] = Row(value, version, self.now())

    def change(self, entity: str) -> Change:
        row = self.rows.get(entity)
        if row is None:
            return Change(entity, entity, 0)
        if row.value == MALFORMED:
            invalid = Rejection("source-invalid", f"{entity} cannot be read")
            return Change(entity, entity, row.version, rejection=invalid, cursor=entity)
        return Change(entity, entity, row.version, row.value, cursor=entity)

    def page(self, since: datetime, until: datetime | None, cursor: str | None) -> Page:
        self.pages_read += 1
        self.on_page(self.pages_read)
        found = sorted(
            entity
            for entity, row in self.rows.items()
            if row.changed_at >= since and not (until and row.changed_at >= until) and entity > (cursor or "")
        )
        sent = found[: self.page_size]
        last = sent[-1] if len(sent) == self.page_size else None
        changes = [self.change(entity) for entity in sent + (sent[:1] if self.repeats else [])]
        return Page(changes, last, self.now() if self.tells_time else None, 0.0)


@dataclass
class Shelf:
    """The target: a value and a version by id. `faults` are what its next writes suffer, by id."""

    values: dict[str, tuple[str, int]] = field(default_factory=dict)
    effects: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often (id, value) was put on the shelf."""
    attempts: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[str]] = field(default_factory=dict)
    always: dict[str, str] = field(default_factory=dict)
    reads: int = 0
    probes: int = 0
    is_well: bool = True
    on_write: Callable[[str], None] = lambda moment: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, entity: str, value: str, version: int) -> None:
        """Raises what the fault says; "…-after" means that the effect took place all the same."""
        self.on_write("before")
        with self.lock:
            self.attempts[entity] += 1
            waiting = self.faults.get(entity)
            fault = waiting.pop(0) if waiting else self.always.get(entity, "")
            present = self.values.get(entity, ("", 0))
            if fault == "refused":
                raise RecordRejected(Problem("target-refused", f"the shelf refuses {entity}"))
            if fault == "down":
                raise Retriable(Problem("unreachable", "nobody answers"))
            if fault == "moved":
                self.values[entity] = (present[0], present[1] + 1)
            if fault == "500":
                raise _unknown(500)
            if self.values.get(entity, ("", 0))[1] != version:
                raise VersionConflict(Problem("conflict", f"{entity} was moved"))
            if fault != "lost-before":
                self.values[entity] = (value, version + 1)
                self.effects[entity, value] += 1
        self.on_write("after")
        if fault in ("lost-before", "lost-after"):
            raise _unknown(0)


def _unknown(status: int) -> OutcomeUnknown:
    return OutcomeUnknown(Problem("no-answer", "no answer came", context={"status": status}))


@dataclass(frozen=True)
class Put:
    """The one kind of write."""

    subject: str
    body: str
    version: int
    action = "put"


@dataclass
class ToyJob(OneByOne):
    """See engine.job.Job for what each method is asked."""

    shop: Shop
    shelf: Shelf
    known: Mapping[str, Any] = field(default_factory=dict)
    """Values that begin with "new-" are mapped only when they are in here."""
    name = "toy"
    skips_by_digest = True
    target = "the shelf"

    def passes(self, now: datetime) -> Sequence[Pass]:
        return (Pass("window:toy", overlap_s=120, settle_s=5, start_at=START),)

    def read_page(self, scan: Pass, since: datetime, until: datetime | None, cursor: str | None) -> Page:
        return self.shop.page(since, until, cursor)

    def read_entities(self, entities: Sequence[str]) -> list[Change]:
        return [self.shop.change(entity) for entity in entities]

    def read_given(self, labels: Sequence[str]) -> tuple[list[Change], list[tuple[str, Rejection]]]:
        missing = [label for label in labels if label not in self.shop.rows]
        found = [self.shop.change(label) for label in labels if label in self.shop.rows]
        return found, [(label, Rejection("order-not-found", f"there is no {label}")) for label in missing]

    def load_bases(self, store: Any, entities: Sequence[str]) -> Mapping[str, Any]:
        return {}

    def map(self, change: Change, base: Any) -> Desired | Rejection | Skip:
        value: str = change.record
        if value.startswith("new-") and value not in self.known:
            return Rejection("sku-unmapped", f"{change.label} has the unknown value {value}")
        if value == "not ours":
            return Skip("not ours")
        return Desired(change.entity, change.label, change.version, value, value)

    def read_targets(self, wanted: Sequence[Desired], bases: Mapping[str, Any]) -> Mapping[str, Any]:
        self.shelf.reads += 1
        return {each.entity: self.shelf.values.get(each.entity) for each in wanted}

    def read_target_again(self, wanted: Desired, base: Any) -> Any:
        return self.shelf.values.get(wanted.entity)

    def complete_targets(
        self, store: Any, wanted: Sequence[Desired], targets: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        return targets

    def guard(
        self, wanted: Sequence[tuple[Desired, Any]], totals: dict[str, int], allow: frozenset[str]
    ) -> Mapping[str, Rejection]:
        drops = [desired for desired, target in wanted if desired.record == NOTHING and target]
        totals["drops"] = totals.get("drops", 0) + len(drops)
        if totals["drops"] <= DROPS_MAX or "drop" in allow:
            return {}
        return {drop.entity: Rejection("drop-limit", f"{drop.label} held back") for drop in drops}

    def plan(self, wanted: Desired, target: Any, base: Any) -> Plan | Rejection | Skip:
        value, version = target or ("", 0)
        writes = () if value == wanted.record else (Put(wanted.entity, wanted.record, version),)
        return Plan(wanted.entity, wanted.label, writes, summary=[f"put {each.body}" for each in writes])

    def intend(self, store: Any, wanted: Sequence[tuple[Desired, Any]], now: datetime) -> None:
        return None

    def apply(self, plans: Sequence[Plan]) -> list[Outcome]:
        for plan in plans:
            for write in plan.writes:
                self.shelf.write(write.subject, write.body, write.version)
        return [Outcome(plan.entity, plan.label, "written") for plan in plans]

    def record(self, store: Any, outcomes: Sequence[Outcome], now: datetime) -> None:
        return None

    def page_done(self, store: Any, scan: Pass, *, last: bool, now: datetime) -> None:
        return None

    def pending(self, store: Any) -> Sequence[str]:
        return ()

    def probe(self) -> None:
        self.shelf.probes += 1
        if not self.shelf.is_well:
            raise Retriable(Problem("unreachable", "nobody answers"))
