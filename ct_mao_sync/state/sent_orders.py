"""What MAO was sent of each order: what it is known to have, and what went out without an answer so far."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime

from ct_mao_sync.engine.rows import Sending, Sent, to_text
from ct_mao_sync.state.database import StateFile

CANDIDATES_MAX = 5


class SentOrders(StateFile):
    def sent(self, entities: Iterable[str]) -> dict[str, Sent]:
        rows = self._rows_in("SELECT * FROM sent WHERE entity IN", entities)
        return {row["entity"]: _sent(row) for row in rows}

    def mark_sending(self, rows: Iterable[Sending], *, at: datetime) -> None:
        """Before a save goes out: it becomes one more candidate for what MAO may have. What is
        acknowledged stays."""
        rows = list(rows)
        known = self.sent([row.entity for row in rows])
        moment = to_text(at)
        values = []
        for row in rows:
            candidate = {"version": row.version, "base": dict(row.base)}
            before = _raw_candidates(known.get(row.entity))
            candidates = [*(c for c in before if c != candidate), candidate][-CANDIDATES_MAX:]
            values.append((row.entity, row.mao_order_id, _compact(candidates), moment))
        self._write_many(
            """
            INSERT INTO sent (entity, mao_order_id, version, base, sending, at)
            VALUES (?, ?, 0, NULL, ?, ?)
            ON CONFLICT (entity) DO UPDATE SET
                mao_order_id = excluded.mao_order_id, sending = excluded.sending, at = excluded.at
            """,
            values,
        )

    def acknowledge(self, entities: Iterable[str], *, at: datetime) -> None:
        """MAO has the last thing that was sent: it becomes the base."""
        moment = to_text(at)
        values = []
        for row in self.sent(entities).values():
            candidates = _raw_candidates(row)
            if candidates:
                newest = candidates[-1]
                values.append((newest["version"], _compact(newest["base"]), moment, row.entity))
        self._write_many(
            "UPDATE sent SET version = ?, base = ?, sending = NULL, at = ? WHERE entity = ?", values
        )

    def forget_sending(self, entities: Iterable[str]) -> None:
        """The last thing that was to be sent never went out."""
        values, gone = [], []
        for row in self.sent(entities).values():
            candidates = _raw_candidates(row)[:-1]
            if candidates or row.base is not None:
                values.append((_compact(candidates) if candidates else None, row.entity))
            elif row.candidates:
                gone.append((row.entity,))
        self._write_many("UPDATE sent SET sending = ? WHERE entity = ?", values)
        self._write_many("DELETE FROM sent WHERE entity = ?", gone)

    def set_cancelling(self, entities: Iterable[str], cancelling: bool) -> None:
        """MAO decides about a late cancellation by and by; asked again at the start of each run."""
        flag = int(cancelling)
        self._write_many(
            "UPDATE sent SET cancelling = ? WHERE entity = ? AND cancelling <> ?",
            [(flag, entity, flag) for entity in entities],
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
    candidates = json.loads(row["sending"]) if row["sending"] else []
    return Sent(
        entity=row["entity"],
        mao_order_id=row["mao_order_id"],
        version=row["version"],
        base=json.loads(row["base"]) if row["base"] else None,
        candidates=tuple(candidate["base"] for candidate in candidates),
        candidate_versions=tuple(candidate["version"] for candidate in candidates),
        cancelling=bool(row["cancelling"]),
    )


def _compact(value: list[dict[str, object]] | Mapping[str, str] | object) -> str:
    return json.dumps(value, separators=(",", ":"))
