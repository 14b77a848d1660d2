"""Returns that are followed, and what is told to the payment service.

The rows of a return remember which items were recorded, so that one that somebody deletes is not silently
written again, and whether more is to come. The outbox holds every event until the file has it, and its key
for ever: an event is written once while this file is kept. What is forgotten of an old return can be read
again in both systems; that the payment service was told stands nowhere else, since its file is rotated away.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ct_mao_sync.engine.rows import to_text
from ct_mao_sync.state.database import StateFile


@dataclass(frozen=True, slots=True)
class FollowedReturn:
    """One return of one parent order (`entity`). `version`: the newest that was seen. `items`: key -> units
    of every return item that was recorded."""

    entity: str
    version: int
    is_open: bool
    items: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One line that the file does not have yet."""

    key: str
    line: str


class Returns(StateFile):
    def followed_returns(self, entities: Iterable[str]) -> dict[str, FollowedReturn]:
        rows = self._rows_in("SELECT entity, version, is_open, items FROM returns WHERE entity IN", entities)
        return {
            row["entity"]: FollowedReturn(
                row["entity"], row["version"], bool(row["is_open"]), json.loads(row["items"])
            )
            for row in rows
        }

    def open_returns(self) -> list[str]:
        """Entities of every return of which more is to come."""
        return [row["entity"] for row in self._rows("SELECT entity FROM returns WHERE is_open = 1")]

    def watched_returns(self) -> dict[str, int]:
        """Entity -> newest version seen, of the open returns and of those that wait as dead letters."""
        rows = self._rows(
            "SELECT entity, version FROM returns WHERE is_open = 1 UNION "
            "SELECT r.entity, r.version FROM dead_letters d JOIN returns r ON r.entity = d.entity "
            "WHERE d.job = 'returns'"
        )
        return {row["entity"]: row["version"] for row in rows}

    def follow_returns(self, rows: Iterable[FollowedReturn], *, at: datetime) -> None:
        """A version never goes back."""
        moment = to_text(at)
        self._write_many(
            "INSERT INTO returns (entity, version, is_open, items, at) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (entity) DO UPDATE SET version = MAX(version, excluded.version), "
            "is_open = excluded.is_open, items = excluded.items, at = excluded.at",
            [
                (
                    row.entity,
                    row.version,
                    int(row.is_open),
                    json.dumps(dict(row.items), sort_keys=True),
                    moment,
                )
                for row in rows
            ],
        )

    def add_to_outbox(self, rows: Iterable[OutboxRow], *, at: datetime) -> None:
        """A key that is known already is left as it is."""
        moment = to_text(at)
        self._write_many(
            "INSERT OR IGNORE INTO outbox (key, line, at) VALUES (?, ?, ?)",
            [(row.key, row.line, moment) for row in rows],
        )

    def unwritten_outbox(self, limit: int) -> list[OutboxRow]:
        """What the file does not have yet, oldest first."""
        rows = self._rows("SELECT key, line FROM outbox WHERE line != '' ORDER BY id LIMIT ?", [limit])
        return [OutboxRow(row["key"], row["line"]) for row in rows]

    def outbox_written(self, keys: Iterable[str]) -> None:
        """The file has these; their keys stay."""
        self._write_many("UPDATE outbox SET line = '' WHERE key = ?", [(key,) for key in keys])
