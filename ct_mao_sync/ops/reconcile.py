"""Both sides of a job compared through the job's own plan: over a range, everything, a sample, or records
that a person names. Changes nothing; what is to be fixed goes through a run of the job.

Memory is bounded by a page, and by the ids of what differs.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from ct_mao_sync.engine.compare import Finding, compare, scan
from ct_mao_sync.engine.job import Job, ListsTarget, Remembers
from ct_mao_sync.engine.run import RunOptions
from ct_mao_sync.engine.values import Change
from ct_mao_sync.ops.reading import Reading
from ct_mao_sync.state.seen import Seen

PAGE = 100


@dataclass(frozen=True, slots=True)
class Selection:
    """What is compared. `given` beats all else; `sample` takes so many of the range by chance."""

    since: datetime | None = None
    until: datetime | None = None
    everything: bool = False
    sample: int | None = None
    seed: int = 0
    """Of the sample: the same seed takes the same records."""
    given: tuple[str, ...] = ()
    """Order numbers or ids, or SKUs."""


@dataclass(slots=True)
class Reconciliation:
    """One job. `findings` is used up once; the counts are complete when it is."""

    reading: Reading
    job_name: str
    selection: Selection
    allow: frozenset[str] = frozenset()
    stopping: Callable[[], bool] = lambda: False
    counts: Counter[str] = field(default_factory=Counter)
    """By symbol; "" = left alone."""
    left_alone: Counter[str] = field(default_factory=Counter)
    """By reason."""
    population: int = 0
    """Records in the range, of which the sample was taken."""
    to_fix: list[str] = field(default_factory=list)
    """Entities with something to write."""
    target: str = ""
    _seen: Seen = field(default_factory=Seen)

    @property
    def agrees(self) -> bool:
        return not any(self.counts[symbol] for symbol in "-+*!")

    @property
    def agreed(self) -> int:
        return self.counts["="] + self.counts[""]

    @property
    def compared(self) -> int:
        return sum(self.counts.values())

    def findings(self) -> Iterator[Finding]:
        """In the order of the source. Raises what a run would raise when a system is in trouble."""
        options = RunOptions(full=self.selection.everything, allow=self.allow, dry_run=True)
        job = self.reading.build_job(self.job_name, options)
        self.target = job.target
        try:
            for page in self._pages(job):
                for finding in page:
                    self._count(finding)
                    yield finding
                if self.stopping():
                    return
        finally:
            self._seen.close()

    def _count(self, finding: Finding) -> None:
        self.counts[finding.symbol] += 1
        if finding.symbol == "":
            self.left_alone[finding.reason] += 1
        if finding.writes:
            self.to_fix.append(finding.entity)

    def _pages(self, job: Job) -> Iterator[Sequence[Finding]]:
        selection = self.selection
        if selection.given:
            yield from self._given(job)
        elif selection.sample is not None:
            yield from self._by_entity(job, self._sample(job, selection.sample))
        else:
            for changes in self._scan(job):
                yield self._compare(job, changes)
            if selection.everything and isinstance(job, Remembers):
                yield from self._by_entity(job, self._unseen(job, job))
            if selection.everything and isinstance(job, ListsTarget):
                yield from self._unknown_to_source(job)

    def _given(self, job: Job) -> Iterator[Sequence[Finding]]:
        for labels in _pages_of(self.selection.given):
            changes, missing = job.read_given(labels)
            yield [Finding(label, label, "-", problem=problem) for label, problem in missing]
            yield self._compare(job, changes)

    def _scan(self, job: Job) -> Iterator[Sequence[Change]]:
        """Each record once, in whichever pass it comes first."""
        selection = self.selection
        for changes in scan(
            job,
            now=self.reading.clock.now(),
            since=selection.since,
            until=selection.until,
            everything=selection.everything,
        ):
            new = self._seen.first_time(change.entity for change in changes)
            yield [change for change in changes if change.entity in new]

    def _sample(self, job: Job, size: int) -> Iterator[str]:
        """Those with the smallest keyed digests: by chance, whatever the order of the source, and the same
        for the same seed."""
        kept: list[tuple[int, str]] = []  # the largest digest first
        key = str(self.selection.seed).encode()
        for changes in self._scan(job):
            for change in changes:
                self.population += 1
                digest = hashlib.blake2b(change.entity.encode(), key=key, digest_size=8).digest()
                entry = (-int.from_bytes(digest), change.entity)
                if len(kept) < size:
                    heapq.heappush(kept, entry)
                elif entry > kept[0]:
                    heapq.heapreplace(kept, entry)
            if self.stopping():
                return
        yield from sorted(entity for _, entity in kept)

    def _unseen(self, job: Job, memory: Remembers) -> Iterator[str]:
        """What was applied once and the source no longer tells of."""
        after = ""
        while known := memory.known_entities(self.reading.store, after, PAGE):
            new = self._seen.first_time(known)
            yield from (entity for entity in known if entity in new)
            after = known[-1]

    def _unknown_to_source(self, job: ListsTarget) -> Iterator[Sequence[Finding]]:
        """What the target has and the source did not tell of."""
        for page in job.read_target_list():
            new = self._seen.first_time(each.entity for each in page)
            yield [Finding(each.entity, each.label, "-", each.said) for each in page if each.entity in new]

    def _by_entity(self, job: Job, entities: Iterator[str]) -> Iterator[Sequence[Finding]]:
        for some in _pages_of(entities):
            yield self._compare(job, job.read_entities(some))

    def _compare(self, job: Job, changes: Sequence[Change]) -> Sequence[Finding]:
        return compare(job, self.reading.store, changes, self.reading.redact)


def _pages_of(names: Iterable[str]) -> Iterator[list[str]]:
    left = iter(names)
    while page := list(islice(left, PAGE)):
        yield page
