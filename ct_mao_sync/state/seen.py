"""Ids that went by, kept out of memory: on disk, in a nameless file that is gone with its user."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable


class Seen:
    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("CREATE TABLE seen (entity TEXT PRIMARY KEY) WITHOUT ROWID")

    def first_time(self, entities: Iterable[str]) -> set[str]:
        """Those that were not seen before; from now on they are."""
        given = json.dumps(list(entities))
        new = "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT entity FROM seen)"
        found = {row[0] for row in self._db.execute(new, [given])}
        self._db.execute("INSERT OR IGNORE INTO seen SELECT value FROM json_each(?)", [given])
        return found

    def close(self) -> None:
        self._db.close()
