"""Everything that must survive the process, by names of this domain. The only way to the state file.

    with Store.open(path) as store:
        with store.atomic():            # one commit: keys, dead letters, events and cursor together
            store.record_processed("orders", rows)
            store.save_checkpoint("orders", "window:orders", checkpoint)

A store is used by the thread that opened it. A method called outside `atomic()` is a commit of its own.
Losing the file costs time and history, never correctness.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from ct_mao_sync.engine.rows import (
    Checkpoint,
    DeadLetter,
    Event,
    Processed,
    Run,
    Sending,
    Sent,
    from_text_or_none,
    to_text,
    to_text_or_none,
)
from ct_mao_sync.state.dead_letters import DeadLetters
from ct_mao_sync.state.history import History
from ct_mao_sync.state.imports import EntryMark, Imports, PendingImport, Sweep
from ct_mao_sync.state.in_flight import InFlight
from ct_mao_sync.state.incidents import Incidents
from ct_mao_sync.state.order_status import FollowedOrder, OrderStatus
from ct_mao_sync.state.returns import FollowedReturn, OutboxRow, Returns
from ct_mao_sync.state.sent_orders import SentOrders
from ct_mao_sync.state.statistics import Statistics
from ct_mao_sync.state.upkeep import Upkeep

__all__ = [
    "Checkpoint",
    "DeadLetter",
    "EntryMark",
    "Event",
    "FollowedOrder",
    "FollowedReturn",
    "OutboxRow",
    "PendingImport",
    "Processed",
    "Run",
    "Sending",
    "Sent",
    "Store",
    "Sweep",
]


class Store(
    DeadLetters,
    History,
    SentOrders,
    OrderStatus,
    InFlight,
    Imports,
    Incidents,
    Returns,
    Statistics,
    Upkeep,
):
    def salt(self) -> bytes:
        """Of keyed hashes; 32 random bytes, made with the file."""
        return bytes.fromhex(self._rows("SELECT value FROM meta WHERE key = 'salt'")[0]["value"])

    # --- how far a pass is ---------------------------------------------------------------------

    def checkpoint(self, job: str, pass_name: str) -> Checkpoint | None:
        rows = self._rows("SELECT * FROM checkpoints WHERE job = ? AND pass = ?", [job, pass_name])
        return _checkpoint(rows[0]) if rows else None

    def checkpoints(self) -> dict[tuple[str, str], Checkpoint]:
        """(job, pass) -> checkpoint, of all jobs."""
        rows = self._rows("SELECT * FROM checkpoints ORDER BY job, pass")
        return {(row["job"], row["pass"]): _checkpoint(row) for row in rows}

    def save_checkpoint(self, job: str, pass_name: str, checkpoint: Checkpoint) -> None:
        self._write(
            "INSERT OR REPLACE INTO checkpoints (job, pass, watermark, since, until, cursor, selection) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                job,
                pass_name,
                to_text_or_none(checkpoint.watermark),
                to_text_or_none(checkpoint.since),
                to_text_or_none(checkpoint.until),
                checkpoint.cursor,
                checkpoint.selection,
            ],
        )

    # --- the last state applied ----------------------------------------------------------------

    def digests(self, job: str, entities: Iterable[str]) -> dict[str, str]:
        """Entity -> digest of the last state applied; entities never applied are left out."""
        rows = self._rows_in(
            "SELECT entity, digest FROM processed WHERE job = ? AND entity IN", entities, [job]
        )
        return {row["entity"]: row["digest"] for row in rows}

    def record_processed(self, job: str, rows: Iterable[Processed]) -> None:
        self._write_many(
            "INSERT OR REPLACE INTO processed (job, entity, digest, version, run, at) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [(job, row.entity, row.digest, row.version, row.run, to_text(row.at)) for row in rows],
        )

    def forget_processed(self, job: str, entities: Iterable[str]) -> None:
        """The next window looks at these again, whatever was applied last."""
        self._write_many(
            "DELETE FROM processed WHERE job = ? AND entity = ?", [(job, entity) for entity in entities]
        )


def _checkpoint(row: sqlite3.Row) -> Checkpoint:
    return Checkpoint(
        watermark=from_text_or_none(row["watermark"]),
        since=from_text_or_none(row["since"]),
        until=from_text_or_none(row["until"]),
        cursor=row["cursor"],
        selection=row["selection"],
    )
