"""A page of one run, from reading to its last record, and what workers get of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Literal

from ct_mao_sync.engine.values import Change, Desired, Outcome
from ct_mao_sync.errors import SyncError

Origin = Literal["window", "sweep", "given", "retry"]


@dataclass(slots=True)
class Prepared:
    """One page between reading and applying."""

    origin: Origin = "window"
    changes: Sequence[Change] = ()
    """One for each entity, the newest."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Of the states applied last."""
    waiting: Mapping[str, Any] = field(default_factory=dict)
    """Their dead letters."""
    wanted: list[Desired] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    """Of changes that need no target."""
    bases: Mapping[str, Any] = field(default_factory=dict)
    targets: Mapping[str, Any] = field(default_factory=dict)
    cursor: str | None = None
    """Where to go on after this page; the id of the last change that is in it."""
    cut: bool = False
    """`--limit` was reached in the middle of the page."""
    due: Mapping[str, float] = field(default_factory=dict)
    """Entities that have to wait, and until when (monotonic)."""
    entities: set[str] = field(default_factory=set)
    """Of its changes that could be read, and of late records that are applied with it."""
    number: int = 0
    """Counts the pages of a run."""
    read_beside: Set[str] = frozenset()
    """Entities of the page that was applied while the targets of this one were read."""
    may_overlap: bool = True
    """See Pass.pages_overlap."""
    begun: bool = False
    failed: SyncError | None = None
    """Of its beginning beside the page before, whose records are finished first."""
    fresh: deque[Group] = field(default_factory=deque)
    """Groups whose writes are not written down yet."""
    queue: deque[Group] = field(default_factory=deque)
    """Groups for the next idle worker."""
    under_way: int = 0
    """Groups that a worker has."""


@dataclass(frozen=True, slots=True)
class Group:
    """What one worker plans and applies together."""

    wanted: Sequence[Desired]
    targets: Mapping[str, Any]
    bases: Mapping[str, Any]
    tries: int
    done: tuple[str, ...] = ()
    """Audit lines of what earlier tries have written."""


@dataclass(frozen=True, slots=True)
class Again:
    """Somebody else was faster, or no answer came: to be read and planned again."""

    wanted: Desired
    target: Any
    tries: int
    error: SyncError
    done: tuple[str, ...] = ()
