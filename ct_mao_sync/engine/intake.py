"""From the changes of a page to what is wanted of the target, and the reading of the targets."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from ct_mao_sync.engine.job import Job
from ct_mao_sync.engine.page import Origin, Prepared
from ct_mao_sync.engine.values import Change, Desired, Outcome, Skip
from ct_mao_sync.errors import Rejection


@dataclass(slots=True)
class Intake:
    """Of one run."""

    job: Job
    store: Any
    mapping_digest: str
    limit: int | None = None
    _handled: dict[str, int] = field(default_factory=dict)
    """Entities that this run retried, with the version they had."""
    _actionable: int = 0
    _pages: int = 0

    def prepare(
        self,
        changes: Sequence[Change],
        origin: Origin,
        cursor: str | None,
        beside: Set[str] = frozenset(),
    ) -> Prepared:
        """In the main thread: what the state knows of the changes of a page. `beside`: entities of the page
        that is being applied; which state of those will be the last one nobody knows yet."""
        newest: dict[str, Change] = {}
        for change in changes:
            known = newest.get(change.entity)
            if known is None or change.version >= known.version:
                newest.pop(change.entity, None)  # to its own place: the cursor of a cut goes past all before
                newest[change.entity] = change
        entities = list(newest)
        self._pages += 1
        by_digest = origin == "window" and self.job.skips_by_digest
        settled = [entity for entity in entities if entity not in beside]
        return Prepared(
            origin,
            list(newest.values()),
            digests=self.store.digests(self.job.name, settled) if by_digest else {},
            waiting=self.store.waiting(self.job.name, entities) if origin == "window" else {},
            bases=self.job.load_bases(self.store, entities),
            cursor=cursor,
            entities={change.entity for change in newest.values() if change.rejection is None},
            number=self._pages,
            read_beside=beside,
        )

    def read_targets(self, page: Prepared) -> Prepared:
        """Map the changes, leave out what needs no look at the target, and read the targets of the rest.
        May run in a reading thread, so that the workers are not kept waiting meanwhile."""
        self._map_page(page)
        if page.wanted:
            page.targets = self.job.read_targets(page.wanted, page.bases)
            page.due = self.job.due(page.wanted, page.targets)
        return page

    def _map_page(self, page: Prepared) -> None:
        last: str | None = None
        for change in page.changes:
            if page.origin != "window":
                self._handled[change.entity] = change.version
            elif change.version and self._handled.get(change.entity) == change.version:
                last = change.cursor  # this run has dealt with it already, as a retry
                continue
            dead = page.waiting.get(change.entity)
            if dead and dead.covers(change.version, self.mapping_digest):
                page.outcomes.append(skipped(change, f"waiting as dead letter {dead.id}"))
                last = change.cursor
                continue
            mapped = map_change(self.job, change, page.bases.get(change.entity))
            if isinstance(mapped, Outcome):
                page.outcomes.append(mapped)
            elif page.digests.get(change.entity) == mapped.digest:
                page.outcomes.append(outcome_of(mapped, "unchanged"))
            elif self.limit is not None and self._actionable >= self.limit:
                page.cut = True
                break
            else:
                self._actionable += 1
                page.wanted.append(mapped)
            last = change.cursor
        page.changes = ()  # the source's documents are large
        if page.cut:
            page.cursor = last


def map_change(job: Job, change: Change, base: Any) -> Desired | Outcome:
    """What the target should be, or what became of the change without a look at it."""
    if change.rejection is not None:
        return Outcome(change.entity, change.label, "rejected", change.version, rejection=change.rejection)
    if change.record is None:
        return skipped(change, "gone at the source")
    mapped = job.map(change, base)
    if isinstance(mapped, Rejection):
        return Outcome(change.entity, change.label, "rejected", change.version, rejection=mapped)
    if isinstance(mapped, Skip):
        return skipped(change, mapped.reason)
    return mapped


def outcome_of(wanted: Desired, kind: Any, **more: Any) -> Outcome:
    return Outcome(
        wanted.entity, wanted.label, kind, wanted.version, wanted.digest, personal=wanted.personal, **more
    )


def skipped(change: Change, reason: str) -> Outcome:
    return Outcome(change.entity, change.label, "skipped", change.version, reason=reason)
