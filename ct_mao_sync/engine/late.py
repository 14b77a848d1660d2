"""Records that are not to be looked at to the end before some moment. The others of their page go ahead, and
so do the pages after it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ct_mao_sync.engine.values import Desired


@dataclass(frozen=True, slots=True)
class LateRecord:
    """One record whose target has been read."""

    wanted: Desired
    target: Any
    base: Any
    due_s: float
    """Monotonic."""
    page: int
    """Number of the page that it came with."""
    tries: int = 0
    """How often it was planned in vain."""
    done: tuple[str, ...] = ()
    """Audit lines of what earlier tries have written."""


@dataclass(slots=True)
class Late:
    """Those of one run, each entity once."""

    _records: dict[str, LateRecord] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._records)

    def add(self, records: Iterable[LateRecord]) -> None:
        self._records.update((record.wanted.entity, record) for record in records)

    def forget(self, entities: Iterable[str]) -> None:
        """They have been read again: what was read before does not count any more."""
        if self._records:
            for entity in entities:
                self._records.pop(entity, None)

    @property
    def due_s(self) -> float:
        """When the first of them may be looked at; there must be one."""
        return min(record.due_s for record in self._records.values())

    @property
    def first_page(self) -> int | None:
        """The first page that still has one of them."""
        return min((record.page for record in self._records.values()), default=None)

    def take_due(self, now_s: float) -> Sequence[LateRecord]:
        due = [record for record in self._records.values() if record.due_s <= now_s]
        for record in due:
            del self._records[record.wanted.entity]
        return due
