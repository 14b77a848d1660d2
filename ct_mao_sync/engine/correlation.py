"""Which write requests went out for a record: the HTTP layer notes each, the engine collects them for the
events. A worker applies one group at a time, so each thread has notes of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_notes = threading.local()


def note(correlation_id: str) -> None:
    """A write is about to be sent under this id. Costs nothing where nobody collects."""
    collecting: list[str] | None = getattr(_notes, "ids", None)
    if collecting is not None:
        collecting.append(correlation_id)


@contextmanager
def collected() -> Iterator[list[str]]:
    """The ids of the writes that this thread sends in the block."""
    before = getattr(_notes, "ids", None)
    ids: list[str] = []
    _notes.ids = ids
    try:
        yield ids
    finally:
        _notes.ids = before
