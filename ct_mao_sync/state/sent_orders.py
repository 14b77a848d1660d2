"""What MAO was sent of each order: what it is known to have, and what went out without an answer so far."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ct_mao_sync.engine.rows import Sending, Sent, to_text
from ct_mao_sync.state.database import StateFile

CANDIDATES_MAX = 5


class SentOrders(StateFile):
    def sent(self, entities: Iterable[str]) -> dict[str, Sent]:
        rows = self._rows_in("SELECT * FROM sent WHERE entity IN", entities)
        return {row["entity"]: _sent(row) for row in rows}

    def sent_as(self, mao_order_ids: Iterable[str]) -> list[str]:
        """Entities (commercetools order ids) that were sent under these MAO OrderIds."""
        rows = self._rows_in("SELECT entity FROM sent WHERE mao_order_id IN", mao_order_ids)
        return [row["entity"] for row in rows]

    def sent_since(self, moment: datetime, entities: Iterable[str]) -> set[str]:
        """Of these the ones that were saved then or later, or may have been; not those that MAO refused."""
        since = to_text(moment)
        rows = self._rows_in(
            "SELECT entity FROM sent WHERE (at >= ? OR (sending IS NOT NULL AND sending_at >= ?)) "
            "AND entity IN",
            entities,
            [since, since],
        )
        return {row["entity"] for row in rows}

    def sent_after(self, entity: str, count: int) -> list[str]:
        """The next `count` entities that were ever sent, in the order of their ids."""
        rows = self._rows("SELECT entity FROM sent WHERE entity > ? ORDER BY entity LIMIT ?", [entity, count])
        return [row["entity"] for row in rows]

    def mark_sending(self, rows: Iterable[Sending], *, at: datetime) -> set[str]:
        """Before a save goes out: it becomes one more candidate for what MAO may have. What is
        acknowledged stays. Returns the entities whose candidate is new."""
        rows = list(rows)
        known = self.sent([row.entity for row in rows])
        moment = to_text(at)
        values = []
        new = set()
        for row in rows:
            candidate = {"version": row.version, "base": dict(row.base)}
            before = _raw_candidates(known.get(row.entity))
            if candidate not in before:
                new.add(row.entity)
            candidates = [*(c for c in before if c != candidate), candidate][-CANDIDATES_MAX:]
            values.append(
                (
                    row.entity,
                    row.mao_order_id,
                    _packed(candidates),
                    row.version,
                    len(candidates),
                    moment,
                    moment,
                )
            )
        self._write_many(
            """
            INSERT INTO sent
                (entity, mao_order_id, version, base, sending, sending_version, sending_count, at, sending_at)
            VALUES (?, ?, 0, NULL, ?, ?, ?, ?, ?)
            ON CONFLICT (entity) DO UPDATE SET
                mao_order_id = excluded.mao_order_id, sending = excluded.sending,
                sending_version = excluded.sending_version, sending_count = excluded.sending_count,
                sending_at = excluded.sending_at
            """,
            values,
        )
        return new

    def adopt(self, rows: Iterable[Sending], *, at: datetime) -> None:
        """MAO has this, although we do not know that we ever sent it (the state was lost)."""
        moment = to_text(at)
        self._write_many(
            """
            INSERT INTO sent (entity, mao_order_id, version, base, sending, at) VALUES (?, ?, ?, ?, NULL, ?)
            ON CONFLICT (entity) DO UPDATE SET
                mao_order_id = excluded.mao_order_id, version = excluded.version, base = excluded.base,
                sending = NULL, sending_count = 0, at = excluded.at
            """,
            [
                (
                    row.entity,
                    row.mao_order_id,
                    row.version,
                    _packed([{"version": row.version, "base": dict(row.base)}]),
                    moment,
                )
                for row in rows
            ],
        )

    def acknowledge(self, entities: Iterable[str], *, at: datetime) -> None:
        """MAO has the last thing that was sent: it becomes the base."""
        moment, wanted = to_text(at), list(entities)
        crowded = [
            row["entity"]
            for row in self._rows_in("SELECT entity FROM sent WHERE sending_count > 1 AND entity IN", wanted)
        ]
        # A base has the form of a list of candidates, of which the last one counts.
        self._write_many(
            "UPDATE sent SET sending = ?, sending_count = 1 WHERE entity = ?",
            [(_packed(_raw_candidates(row)[-1:]), row.entity) for row in self.sent(crowded).values()],
        )
        self._write_many(
            "UPDATE sent SET version = sending_version, base = sending, sending = NULL, sending_count = 0, "
            "at = ? WHERE entity = ? AND sending_count = 1",
            [(moment, entity) for entity in wanted],
        )

    def forget_sending(self, entities: Iterable[str]) -> None:
        """The last thing that was to be sent never went out."""
        values, gone = [], []
        for row in self.sent(entities).values():
            candidates = _raw_candidates(row)[:-1]
            if candidates or row.version or row.base is not None:
                version = row.candidate_versions[-2] if candidates else None
                values.append(
                    (_packed(candidates) if candidates else None, version, len(candidates), row.entity)
                )
            elif row.candidates:
                gone.append((row.entity,))
        self._write_many(
            "UPDATE sent SET sending = ?, sending_version = ?, sending_count = ? WHERE entity = ?", values
        )
        self._write_many("DELETE FROM sent WHERE entity = ?", gone)

    def start_cancelling(self, orders: Mapping[str, str], *, at: datetime) -> None:
        """MAO decides about a late cancellation by and by; asked again at the start of each run.
        `orders`: entity -> MAO OrderId."""
        self._write_many(
            """
            INSERT INTO sent (entity, mao_order_id, version, cancelling, at) VALUES (?, ?, 0, 1, ?)
            ON CONFLICT (entity) DO UPDATE SET cancelling = 1
            """,
            [(entity, order_id, to_text(at)) for entity, order_id in orders.items()],
        )

    def stop_cancelling(self, entities: Iterable[str]) -> None:
        self._write_many(
            "UPDATE sent SET cancelling = 0 WHERE entity = ? AND cancelling = 1",
            [(entity,) for entity in entities],
        )

    def cancelling(self) -> list[str]:
        return [row["entity"] for row in self._rows("SELECT entity FROM sent WHERE cancelling = 1")]


def _raw_candidates(row: Sent | None) -> list[dict[str, object]]:
    if row is None:
        return []
    return [
        {"version": version, "base": dict(base)}
        for version, base in zip(row.candidate_versions, row.candidates, strict=True)
    ]


def _sent(row: sqlite3.Row) -> Sent:
    candidates = _unpacked(row["sending"]) if row["sending"] else []
    return Sent(
        entity=row["entity"],
        mao_order_id=row["mao_order_id"],
        version=row["version"],
        base=_unpacked(row["base"])[-1]["base"] if row["base"] else None,
        candidates=tuple(candidate["base"] for candidate in candidates),
        candidate_versions=tuple(candidate["version"] for candidate in candidates),
        cancelling=bool(row["cancelling"]),
    )


def _packed(value: object) -> bytes:
    """A base repeats its long paths: compressed it is a fifth of its size."""
    return zlib.compress(json.dumps(value, separators=(",", ":")).encode("ascii"), 3)


def _unpacked(packed: bytes) -> Any:
    return json.loads(zlib.decompress(packed))
