"""The rows of the state file as values. Moments are aware UTC; they are stored as text of fixed width,
so that the order of the texts is the order of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

DeadLetterKind = Literal["transient", "permanent"]
DeadLetterState = Literal["open", "discarded"]


@lru_cache(maxsize=256)  # thousands of rows have the moment of one answer
def to_text(moment: datetime) -> str:
    """`2026-11-01T00:00:00.000000Z`. Raises ValueError for a moment without zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


@lru_cache(maxsize=256)
def from_text(text: str) -> datetime:
    return datetime.fromisoformat(text)


def to_text_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else to_text(moment)


def from_text_or_none(text: str | None) -> datetime | None:
    return None if text is None else from_text(text)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far one pass of a job is. `cursor` is the id of the last row as sent while a window
    (`since`, `until`) is being read, None between windows."""

    watermark: datetime | None = None
    since: datetime | None = None
    until: datetime | None = None
    cursor: str | None = None
    selection: str = ""
    """Digest of the filters that the cursor belongs to."""


@dataclass(frozen=True, slots=True)
class Processed:
    """The LAST state applied of one entity."""

    entity: str
    digest: str
    version: int
    run: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Sending:
    """One order that is about to be saved in MAO: `base` is the payload in its remembered form."""

    entity: str
    mao_order_id: str
    version: int
    base: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sent:
    """What MAO was sent of one order. `base` is what it is known to have; `candidates` went out without
    an answer so far, newest last. Versions are commercetools'."""

    entity: str
    mao_order_id: str
    version: int
    base: Mapping[str, str] | None
    candidates: tuple[Mapping[str, str], ...] = ()
    candidate_versions: tuple[int, ...] = ()
    cancelling: bool = False

    @property
    def was_acknowledged(self) -> bool:
        """MAO has had the order for certain, also where what it was sent is forgotten by now."""
        return self.base is not None or self.version > 0 or not self.candidates


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A change that was set aside, with everything needed to understand it and to try it again.
    `message` and `context` carry no secret and no personal data: who stores them has redacted them."""

    id: int
    job: str
    entity: str
    label: str
    code: str
    message: str
    field: str
    hint: str
    context: Mapping[str, str | int]
    kind: DeadLetterKind
    state: DeadLetterState
    version: int
    mapping_digest: str
    tries: int
    first_at: datetime
    last_at: datetime
    next_try_at: datetime | None
    run: str
    reason: str
    """Why it was discarded."""

    def covers(self, version: int, mapping_digest: str) -> bool:
        """Is this change already known to be dead, so that a window may pass over it? A discarded one
        holds until the source has a newer version, an open one as long as version and mapping are the
        same. Sources without versions (0) are looked at again unless discarded."""
        if self.state == "discarded":
            return version <= self.version
        return 0 < version <= self.version and mapping_digest == self.mapping_digest


@dataclass(frozen=True, slots=True)
class DeadLetterGroup:
    """The dead letters of one code."""

    code: str
    count: int
    first_at: datetime
    last_at: datetime
    next_try_at: datetime | None


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of one job; `finished_at` None = still running or killed."""

    id: str
    job: str
    started_at: datetime
    finished_at: datetime | None = None
    since: datetime | None = None
    until: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    exit_code: int | None = None
    requests: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that an operator is told of once: when it begins, and when it is over. `told_at` None =
    the alert command has not taken the message yet."""

    key: str
    since: datetime
    message: str
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One write or refusal, for `trace`. `run` and `at` are filled in when it is stored."""

    entity: str
    label: str
    action: str
    subject: str
    detail: str = ""
    run: str = ""
    at: datetime | None = None
    correlation_id: str = ""
    """`X-Correlation-ID` of the request, for the other system's support; several are parted by blanks."""
