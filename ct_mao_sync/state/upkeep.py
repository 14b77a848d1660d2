"""The care of the state file: what it may forget, copies, its size.

What is kept how long: history (runs, events, hours of the budget) HISTORY_DAYS; keys, counted lines
in flight, discarded dead letters, finished returns and what MAO was last sent of an order KEPT_DAYS after its
last change. For ever: which MAO order an order is and whether it is finished, the key of each event of the
outbox, dead letters that wait, totals. Forgetting the others costs one more comparison if such an order ever
changes again, never correctness.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ct_mao_sync.engine.rows import to_text
from ct_mao_sync.state.database import StateFile, create_private

KEPT_DAYS = 400
HISTORY_DAYS = 30
ROWS_MAX = 5000
"""Of each kind and call: a prune is part of a run and must not hold it up."""

_OLD = {
    "processed": (
        "DELETE FROM processed WHERE (job, entity) IN "
        "(SELECT job, entity FROM processed WHERE at < ? LIMIT ?)"
    ),
    "sent": (
        # Never the row: it says that the order is in MAO, and as what.
        "UPDATE sent SET base = NULL WHERE entity IN (SELECT entity FROM sent "
        "WHERE at < ? AND base IS NOT NULL AND sending IS NULL AND cancelling = 0 LIMIT ?)"
    ),
    "in_flight": (
        "DELETE FROM in_flight WHERE (order_id, line_id) IN "
        "(SELECT order_id, line_id FROM in_flight WHERE created_at < ? AND uncounted = 0 LIMIT ?)"
    ),
    "dead_letters": (
        "DELETE FROM dead_letters WHERE id IN "
        "(SELECT id FROM dead_letters WHERE state = 'discarded' AND last_at < ? LIMIT ?)"
    ),
    "returns": (
        # Seen again it is compared as after the state was lost; the outbox keeps the keys of its events.
        "DELETE FROM returns WHERE entity IN (SELECT entity FROM returns AS r WHERE is_open = 0 AND at < ? "
        "AND NOT EXISTS (SELECT 1 FROM dead_letters AS d WHERE d.job = 'returns' AND d.entity = r.entity) "
        "LIMIT ?)"
    ),
}
_HISTORY = {
    "runs": (
        # Never the last one of a job.
        "DELETE FROM runs WHERE rowid IN (SELECT rowid FROM runs AS r WHERE started_at < ? AND EXISTS "
        "(SELECT 1 FROM runs AS later WHERE later.job = r.job AND later.started_at > r.started_at) LIMIT ?)"
    ),
    "events": "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < ? LIMIT ?)",
    "budget": "DELETE FROM budget WHERE hour IN (SELECT hour FROM budget WHERE hour < ? LIMIT ?)",
}


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Sizes in bytes; `free_bytes` inside the file, which new rows use before it grows."""

    schema: int
    size_bytes: int
    free_bytes: int
    rows: Mapping[str, int]
    """Table -> rows."""


class Upkeep(StateFile):
    def prune(
        self,
        now: datetime,
        *,
        kept_days: int = KEPT_DAYS,
        history_days: int = HISTORY_DAYS,
        rows_max: int = ROWS_MAX,
    ) -> dict[str, int]:
        """Forgets what nobody asks for any more; table -> rows that went. Bounded by `rows_max` of each."""
        gone: dict[str, int] = {}
        for statements, days in ((_OLD, kept_days), (_HISTORY, history_days)):
            oldest = to_text(now - timedelta(days=days))
            with self.atomic():
                for table, sql in statements.items():
                    gone[table] = self._write(sql, [oldest, rows_max])
        return gone

    def facts(self) -> FileFacts:
        """Counts every row: not for each run."""
        names = [
            row["name"]
            for row in self._rows(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' "
                "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
            )
        ]
        page_bytes, pages, free = (
            self._rows(f"PRAGMA {name}")[0][0] for name in ("page_size", "page_count", "freelist_count")
        )
        schema = self._rows("SELECT value FROM meta WHERE key = 'schema'")
        return FileFacts(
            schema=int(schema[0]["value"]) if schema else 0,
            size_bytes=page_bytes * pages,
            free_bytes=page_bytes * free,
            rows={name: self._rows(f'SELECT count(*) AS n FROM "{name}"')[0]["n"] for name in names},
        )

    def backup(self, target: Path) -> None:
        """A whole and consistent copy, while runs go on; mode 0600. `target` must not exist. Raises OSError
        and RunStopped."""
        create_private(target)
        try:
            self._write("VACUUM INTO ?", [str(target)])
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def compact(self) -> None:
        """Gives free space back to the disk; needs as much again while it works, and no other user."""
        self._write("VACUUM")
        self._rows("PRAGMA wal_checkpoint(TRUNCATE)")
