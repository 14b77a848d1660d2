"""What a job declares. A fifth job is one new file in `jobs/` that satisfies `Job`; the engine knows
nothing else of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from ct_mao_sync.engine.values import (
    Change,
    Desired,
    Difference,
    Listed,
    Nudges,
    Outcome,
    Page,
    Plan,
    Settled,
    Skip,
)
from ct_mao_sync.errors import Rejection

NUDGED_TOGETHER = 100


@dataclass(frozen=True, slots=True)
class Pass:
    """One way a job finds changes, such as `window:orders`, and the rules of its window."""

    name: str
    overlap_s: float
    settle_s: float
    start_at: datetime | None = None
    """Where the very first window begins; None = the user must say `--since`."""
    selection: str = ""
    """Digest of the filters of this pass: a stored cursor of another selection is not resumed."""
    sweeps: bool = False
    """Looks at everything, whatever changed. When the requests of the hour run short it is left where it is,
    and that is no failure; resumed and come to its end, it is over."""
    pages_overlap: bool = True
    """Whether the first records of a page may be written while the last ones of the page before are not
    answered yet. Those that have a record in common never are."""


class Job(Protocol):
    """One direction of one thing.

    `map`, `plan`, `guard` and `groups` are pure. The hooks that get the store run in the main thread:
    `load_bases` and `pending` read; `intend` and `record` run inside a transaction of the engine. All else
    may run in a worker and never touches the store.
    """

    @property
    def name(self) -> str: ...
    @property
    def skips_by_digest(self) -> bool: ...
    @property
    def reads_far(self) -> bool:
        """Whether a window's page is read while the targets of the one before are: for sources that take
        longer than the workers, and whose pages are small."""

    @property
    def target(self) -> str:
        """What a person calls the system that is written to."""

    def passes(self, now: datetime) -> Sequence[Pass]: ...

    def read_page(self, scan: Pass, since: datetime, until: datetime | None, cursor: str | None) -> Page: ...

    def read_entities(self, entities: Sequence[str]) -> list[Change]:
        """Afresh, by immutable id; a record that is gone comes back with `record=None`."""

    def read_given(self, labels: Sequence[str]) -> tuple[list[Change], list[tuple[str, Rejection]]]:
        """By what a person typed (an order number or an id), and what was not found."""

    def read_nudged(self, nudges: Nudges) -> Iterator[tuple[list[Change], list[tuple[str, Rejection]]]]:
        """What these are about, page by page, as `read_given` gives it."""

    def load_bases(self, store: Any, entities: Sequence[str]) -> Mapping[str, Any]:
        """What the state remembers of these entities, for `map` and `plan`."""

    def map(self, change: Change, base: Any) -> Desired | Rejection | Skip: ...

    def read_targets(self, wanted: Sequence[Desired], bases: Mapping[str, Any]) -> Mapping[str, Any]:
        """All targets of a page in as few requests as the API allows."""

    def read_target_again(self, wanted: Desired, base: Any) -> Any:
        """One target, afresh, and strongly consistent where the API can."""

    def due(self, wanted: Sequence[Desired], targets: Mapping[str, Any]) -> Mapping[str, float]:
        """Entities of those records for which `complete_targets` must not be asked at once, and from when on
        (monotonic); the others go ahead."""

    def complete_targets(
        self, store: Any, wanted: Sequence[Desired], targets: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Main thread, after `read_targets` and before `guard`: what must be read last, or needs the state
        to be read at all. Most jobs give the targets back as they are."""

    def guard(
        self, wanted: Sequence[tuple[Desired, Any]], totals: dict[str, int], allow: frozenset[str]
    ) -> Mapping[str, Rejection]:
        """Writes to hold back because they could do harm on a large scale; `totals` counts this run."""

    def groups(self, wanted: Sequence[tuple[Desired, Any]]) -> Sequence[Sequence[Desired]]:
        """Which of these records are planned and applied together, each in one group; in this order."""

    def plan(self, wanted: Desired, target: Any, base: Any) -> Plan | Rejection | Skip: ...

    def intend(self, store: Any, wanted: Sequence[tuple[Desired, Any]], now: datetime) -> None:
        """Before the first write of a page: remember what is about to be sent."""

    def apply(self, plans: Sequence[Plan]) -> list[Outcome]:
        """One outcome for each plan. Raises VersionConflict or OutcomeUnknown when the group must be read
        and planned again, RecordRejected when the target refused, Retriable or RunStopped when the
        system is in trouble."""

    def record(self, store: Any, outcomes: Sequence[Outcome], now: datetime) -> None: ...

    def page_done(self, store: Any, scan: Pass, *, last: bool, now: datetime) -> None:
        """A page of this pass is complete, in the transaction that holds its cursor."""

    def pending(self, store: Any) -> Sequence[str]:
        """Entities whose last write is not settled yet; they are looked at first in every run."""

    def settled_meanwhile(self) -> Sequence[Outcome]:
        """Main thread, often, while records are applied: pending writes that are known to be done by now.
        Never waits."""

    def settle(self, store: Any, *, last: bool) -> Settled:
        """Main thread: what became of pending writes. Asked for before anything is read, after each page, and
        with `last` when all is applied, until it names neither entities nor a wait."""

    def probe(self) -> None:
        """One cheap read of the target; raises when the target as a whole is in trouble."""


class _ReadsGiven(Protocol):
    def read_given(self, labels: Sequence[str]) -> tuple[list[Change], list[tuple[str, Rejection]]]: ...


class OneByOne:
    """For jobs that write each record alone, and whose writes are done when they are answered."""

    reads_far = False

    def groups(self, wanted: Sequence[tuple[Desired, Any]]) -> Sequence[Sequence[Desired]]:
        return [(desired,) for desired, _ in wanted]

    def due(self, wanted: Sequence[Desired], targets: Mapping[str, Any]) -> Mapping[str, float]:
        return {}

    def settled_meanwhile(self) -> Sequence[Outcome]:
        return ()

    def settle(self, store: Any, *, last: bool) -> Settled:
        return Settled()

    def read_nudged(
        self: _ReadsGiven, nudges: Nudges
    ) -> Iterator[tuple[list[Change], list[tuple[str, Rejection]]]]:
        for start in range(0, len(nudges.labels), NUDGED_TOGETHER):
            yield self.read_given(nudges.labels[start : start + NUDGED_TOGETHER])


@runtime_checkable
class Explains(Protocol):
    """A job that can tell field by field what a plan would change."""

    def differences(self, wanted: Desired, target: Any, plan: Plan) -> Sequence[Difference]:
        """Pure; personal values masked."""


@runtime_checkable
class Remembers(Protocol):
    """A job whose records stay at the source for good, so that one it knows and cannot find is missing."""

    def known_entities(self, store: Any, after: str, count: int) -> Sequence[str]:
        """The next `count` entities that were applied once, in the order of their ids."""


@runtime_checkable
class ListsTarget(Protocol):
    """A job that can list what the target has, so that what the source does not know is found."""

    def read_target_list(self) -> Iterator[Sequence[Listed]]:
        """Page by page; nothing where the source is asked for all that the target has anyway."""
