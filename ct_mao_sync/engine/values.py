"""The values that pass between a job and the engine. See README, "How it works", for the words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from ct_mao_sync.errors import Problem, Rejection

OutcomeKind = Literal["written", "unchanged", "rejected", "pending", "skipped"]
OUTCOME_KINDS: tuple[OutcomeKind, ...] = ("written", "unchanged", "rejected", "pending", "skipped")


@dataclass(frozen=True, slots=True)
class Change:
    """One source record that changed. `record` is the job's own parsed form, None when it could not be
    parsed (then `rejection` says why) or is gone at the source (then `rejection` is None too)."""

    entity: str
    """The immutable id of the source record; key of `processed`, `sent` and dead letters."""
    label: str
    """What a person calls it (order number); never personal data."""
    version: int
    """The source's version of the record, 0 where it has none."""
    record: Any = None
    rejection: Rejection | None = None
    cursor: str | None = None
    """Where a scan can go on after this change; None where that is only known after its page."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of changes as the source sent it."""

    changes: Sequence[Change]
    cursor: str | None
    """Id of the last row AS SENT; None when this was the last page."""
    server_now: datetime | None
    """The source's own clock (its `Date` header), aware UTC; None when it sent none."""
    elapsed_s: float
    """How long the request took, so that the watermark can be taken from its beginning."""
    read_count: int = 0
    """Rows the source sent, before several rows of one entity were joined."""


@dataclass(frozen=True, slots=True)
class Nudges:
    """Records that a file of messages names, or a person: to be looked at whatever the windows say."""

    labels: Sequence[str] = ()
    """As `read_given` takes them."""
    faults: Sequence[Rejection] = ()
    """One for each message that cannot be used."""
    content: Any = None
    """What the messages themselves say, in the job's own form."""


@dataclass(frozen=True, slots=True)
class Desired:
    """What the target should be for one change; the digest is the idempotency key."""

    entity: str
    label: str
    version: int
    digest: str
    record: Any
    """The job's own form."""
    personal: Mapping[str, str] = field(default_factory=dict)
    """Personal values of the record: value -> mask such as "[name]"."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Nothing is to be done for this change, and that is right. `reason` is shown by trace."""

    reason: str
    missing: Literal["", "source", "target"] = ""
    """One side does not have the record at all; shown by reconcile."""
    outdated: bool = False
    """The target has a newer state of the record: this one is not the last one applied."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that a plan would change: what the target has and what it should have. Personal values are
    masked already."""

    field: str
    present: str
    wanted: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A record that the target has, named as a change of it would be."""

    entity: str
    label: str
    said: str
    """What it means that the source does not know it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The writes that would bring the target in line; empty when it already is."""

    entity: str
    label: str
    writes: Sequence[Any] = ()
    """The job's own write values, each with `subject` and `action` for the audit line and `body`, what
    would be sent. The action "create" means that the target does not have the record yet."""
    summary: Sequence[str] = ()
    """One line a write for `--dry-run`, without personal values."""
    personal: Mapping[str, str] = field(default_factory=dict)
    """Personal values that the writes carry: value -> mask such as "[name]"."""
    pending: bool = False
    """Nothing to write now: the target is still deciding about an earlier write."""
    state: Any = None
    """What the job's `record` hook is to store when there is nothing to write."""
    rejection: Rejection | None = None
    """A part that must not be applied, while the rest goes through: the record's outcome is rejected with it,
    and carries the writes that were made."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of writes that the target took in and decided about later."""

    outcomes: Sequence[Outcome] = ()
    """Of writes that were pending, and are not any more."""
    again: Sequence[str] = ()
    """Entities to be read and planned again now, each named once: what they need was not known while they
    were pending."""
    wait_s: float | None = None
    """Worth asking again after so long; None = nothing is left to wait for, or it has been long enough."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change."""

    entity: str
    label: str
    kind: OutcomeKind
    version: int = 0
    digest: str = ""
    reason: str = ""
    """Why nothing was done (skipped), or what was written (written)."""
    rejection: Problem | None = None
    target_failure: bool = False
    """True when the target refused or failed: such rejections count towards "20 in a row"."""
    attempted: bool = False
    """True when a write went out, or may have gone out, in this run."""
    state: Any = None
    """What the job's `record` hook stores in the transaction of this outcome."""
    writes: Sequence[str] = ()
    """Audit lines of the writes that were made, `action subject`."""
    correlation_ids: Sequence[str] = ()
    """Of the write requests that went out for it, in order."""
    personal: Mapping[str, str] = field(default_factory=dict)
    """Personal values of the record, for redaction; never stored."""
