"""Imports that are not settled yet, what is known of each entry, and the full sweeps."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ct_mao_sync.engine.rows import from_text, from_text_or_none, to_text, to_text_or_none
from ct_mao_sync.state.database import StateFile


@dataclass(frozen=True, slots=True)
class PendingImport:
    """One resource that the Import API has accepted. `entity` is `<sku>|<channel key>`."""

    entity: str
    key: str
    """The entry's key, under which the operation is found again (resourceKey)."""
    quantity: int
    container: str
    operation_id: str
    """"" when no answer came: whether it was accepted is not known."""
    at: datetime


@dataclass(frozen=True, slots=True)
class EntryMark:
    """What this tool last knew of one entry."""

    entity: str
    quantity: int
    version: int | None = None
    """The entry's version after our own last write; None = not known (an import does not always tell)."""
    figure_at: datetime | None = None
    """Moment of the newest figure that it was brought in line with, on MAO's clock."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One pass over the whole assortment. `positive_count`: entries that were to show more than 0."""

    started_at: datetime
    finished_at: datetime | None
    entry_count: int
    positive_count: int


_IMPORTS = "SELECT entry, key, quantity, container, operation, at FROM imports"


class Imports(StateFile):
    # --- imports ---------------------------------------------------------------------------------

    def add_imports(self, rows: Iterable[PendingImport]) -> None:
        """From now on these entries are not written until they are settled."""
        self._write_many(
            "INSERT OR REPLACE INTO imports (entry, key, quantity, container, operation, at) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (
                (row.entity, row.key, row.quantity, row.container, row.operation_id, to_text(row.at))
                for row in rows
            ),
        )

    def open_imports(self) -> list[PendingImport]:
        """Every import that is not settled, oldest first."""
        return [_import(row) for row in self._rows(f"{_IMPORTS} ORDER BY at, entry")]

    def importing(self, entities: Iterable[str]) -> dict[str, PendingImport]:
        """Of these entities the ones that are being imported."""
        rows = self._rows_in(f"{_IMPORTS} WHERE entry IN", entities)
        return {row["entry"]: _import(row) for row in rows}

    def settle_imports(self, entities: Iterable[str]) -> None:
        """They were imported, refused or given up: their entries may be written again."""
        self._write_in("DELETE FROM imports WHERE entry IN", entities)

    # --- entries ---------------------------------------------------------------------------------

    def entry_marks(self, entities: Iterable[str]) -> dict[str, EntryMark]:
        rows = self._rows_in("SELECT * FROM entries WHERE entry IN", entities)
        return {
            row["entry"]: EntryMark(
                row["entry"], row["quantity"], row["version"], from_text_or_none(row["figure_at"])
            )
            for row in rows
        }

    def mark_entries(self, rows: Iterable[EntryMark]) -> None:
        """These entries were written. A figure's moment never goes back; a version does become unknown."""
        self._write_many(
            "INSERT INTO entries (entry, quantity, version, figure_at) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (entry) DO UPDATE SET quantity = excluded.quantity, version = excluded.version, "
            "figure_at = NULLIF(MAX(COALESCE(figure_at, ''), COALESCE(excluded.figure_at, '')), '')",
            [(row.entity, row.quantity, row.version, to_text_or_none(row.figure_at)) for row in rows],
        )

    def mark_figures(self, rows: Iterable[EntryMark]) -> None:
        """These entries were right already: only the figure's moment is newer; the version that is known
        stays."""
        self._write_many(
            "INSERT INTO entries (entry, quantity, version, figure_at) VALUES (?, ?, NULL, ?) "
            "ON CONFLICT (entry) DO UPDATE SET quantity = excluded.quantity, "
            "figure_at = NULLIF(MAX(COALESCE(figure_at, ''), COALESCE(excluded.figure_at, '')), '')",
            [(row.entity, row.quantity, to_text_or_none(row.figure_at)) for row in rows],
        )

    def forget_entries(self, entities: Iterable[str]) -> None:
        self._write_many("DELETE FROM entries WHERE entry = ?", [(entity,) for entity in entities])

    # --- sweeps ----------------------------------------------------------------------------------

    def begin_sweep(self, at: datetime) -> None:
        """A new sweep; one that was never finished is forgotten."""
        with self.atomic():
            self._write("DELETE FROM sweeps WHERE finished_at IS NULL")
            self._write("INSERT INTO sweeps (started_at) VALUES (?)", [to_text(at)])

    def count_sweep(self, *, entry_count: int, positive_count: int) -> None:
        """One more slice of the open sweep is done; belongs into the commit that holds its cursor."""
        self._write(
            "UPDATE sweeps SET entry_count = entry_count + ?, positive_count = positive_count + ? "
            "WHERE finished_at IS NULL",
            [entry_count, positive_count],
        )

    def finish_sweep(self, at: datetime) -> None:
        with self.atomic():
            done = self._write("UPDATE sweeps SET finished_at = ? WHERE finished_at IS NULL", [to_text(at)])
            if done:
                self._write("DELETE FROM sweeps WHERE id < (SELECT MAX(id) FROM sweeps)")

    def open_sweep(self) -> Sweep | None:
        """The sweep that is under way."""
        return self._sweep("finished_at IS NULL")

    def last_sweep(self) -> Sweep | None:
        """The last one that was finished."""
        return self._sweep("finished_at IS NOT NULL")

    def _sweep(self, condition: str) -> Sweep | None:
        rows = self._rows(f"SELECT * FROM sweeps WHERE {condition} ORDER BY id DESC LIMIT 1")
        if not rows:
            return None
        row = rows[0]
        return Sweep(
            from_text(row["started_at"]),
            from_text_or_none(row["finished_at"]),
            row["entry_count"],
            row["positive_count"],
        )


def _import(row: sqlite3.Row) -> PendingImport:
    entity, key, quantity, container, operation_id, at = row
    return PendingImport(entity, key, quantity, container, operation_id, from_text(at))
