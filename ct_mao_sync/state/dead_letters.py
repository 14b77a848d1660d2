"""The queue of changes that were set aside: one entry per (job, entity), with a number of its own."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from ct_mao_sync.engine.rows import (
    DeadLetter,
    DeadLetterGroup,
    DeadLetterKind,
    from_text,
    from_text_or_none,
    to_text,
    to_text_or_none,
)
from ct_mao_sync.errors import Problem
from ct_mao_sync.state.database import StateFile
from ct_mao_sync.state.retry_schedule import MAPPING_CODES, plan_retry

_INSERT_EVENT = (
    "INSERT INTO events (run, at, entity, label, action, subject, detail) VALUES (?, ?, ?, ?, ?, ?, ?)"
)


class DeadLetters(StateFile):
    def put_dead_letter(
        self,
        *,
        job: str,
        entity: str,
        label: str,
        problem: Problem,
        version: int,
        mapping_digest: str,
        at: datetime,
        run: str,
        kind: DeadLetterKind | None = None,
    ) -> DeadLetter:
        """Sets a change aside, or counts one more try of one that already is.

        Tries start anew when the source has a newer version. A discarded entry re-opens only then, else
        it is returned as it is. `kind` overrides what the code says (see `retry_schedule`)."""
        with self.atomic():
            known = self._dead_letter_of(job, entity)
            newer = known is not None and version > known.version
            if known is not None and known.state == "discarded" and not newer:
                return known
            tries = 1 if known is None or newer else known.tries + 1
            planned, next_try_at = plan_retry(problem.code, tries, at, kind)
            self._write(
                """
                INSERT INTO dead_letters (job, entity, label, code, message, field, hint, context, kind,
                    state, version, mapping_digest, tries, first_at, last_at, next_try_at, run)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (job, entity) DO UPDATE SET
                    label = excluded.label, code = excluded.code, message = excluded.message,
                    field = excluded.field, hint = excluded.hint, context = excluded.context,
                    kind = excluded.kind, state = 'open', version = max(version, excluded.version),
                    mapping_digest = excluded.mapping_digest, tries = excluded.tries,
                    last_at = excluded.last_at, next_try_at = excluded.next_try_at, run = excluded.run,
                    reason = ''
                """,
                [
                    job,
                    entity,
                    label,
                    problem.code,
                    problem.message,
                    problem.field,
                    problem.hint,
                    json.dumps(dict(problem.context), separators=(",", ":")),
                    planned,
                    version,
                    mapping_digest,
                    tries,
                    to_text(at),
                    to_text(at),
                    to_text_or_none(next_try_at),
                    run,
                ],
            )
            stored = self._dead_letter_of(job, entity)
        if stored is None:
            raise RuntimeError(f"dead letter of {job} {entity} is not there after it was written")
        return stored

    def close_dead_letters(self, job: str, versions: Mapping[str, int], *, run: str, at: datetime) -> int:
        """Takes the entries of these entities off the queue, discarded ones too, because the entity has
        succeeded or needs nothing any more, in this version of it (0 = it has none, or is gone): a late read
        of an older one settles nothing. Each leaves an event. Returns how many there were."""
        with self.atomic():
            found = [
                _dead_letter(row)
                for row in self._rows_in(
                    "SELECT * FROM dead_letters WHERE job = ? AND entity IN", versions, [job]
                )
                if not 0 < versions[row["entity"]] < row["version"]
            ]
            self._write_many("DELETE FROM dead_letters WHERE id = ?", [(letter.id,) for letter in found])
            self._write_many(
                _INSERT_EVENT,
                [
                    (
                        run,
                        to_text(at),
                        letter.entity,
                        letter.label,
                        "close",
                        f"error {letter.id}",
                        letter.code,
                    )
                    for letter in found
                ],
            )
        return len(found)

    def dead_letters(
        self,
        job: str | None = None,
        code: str | None = None,
        entity: str | None = None,
        include_discarded: bool = False,
        *,
        after: int = 0,
        count: int | None = None,
    ) -> list[DeadLetter]:
        """The queue, oldest number first: at most `count` of those with a number above `after`. `entity` is
        an entity id or a label (order number)."""
        where, values = _where(job, code, entity, include_discarded)
        sql = f"SELECT * FROM dead_letters WHERE {where} AND id > ? ORDER BY id LIMIT ?"
        return [
            _dead_letter(row) for row in self._rows(sql, [*values, after, -1 if count is None else count])
        ]

    def dead_letter_pages(self, page_size: int = 500, **selection: Any) -> Iterator[list[DeadLetter]]:
        """The same, a page at a time."""
        after = 0
        while page := self.dead_letters(**selection, after=after, count=page_size):
            yield page
            after = page[-1].id

    def dead_letter_groups(
        self,
        job: str | None = None,
        code: str | None = None,
        entity: str | None = None,
        include_discarded: bool = False,
    ) -> list[DeadLetterGroup]:
        """The queue by code, the largest group first."""
        where, values = _where(job, code, entity, include_discarded)
        rows = self._rows(
            "SELECT code, count(*) AS n, min(first_at) AS first_at, max(last_at) AS last_at, "
            f"min(next_try_at) AS next_try_at FROM dead_letters WHERE {where} "
            "GROUP BY code ORDER BY n DESC, code",
            values,
        )
        return [
            DeadLetterGroup(
                row["code"],
                row["n"],
                from_text(row["first_at"]),
                from_text(row["last_at"]),
                from_text_or_none(row["next_try_at"]),
            )
            for row in rows
        ]

    def oldest_dead_letters(self, count: int) -> list[DeadLetter]:
        """Those that have waited longest."""
        sql = "SELECT * FROM dead_letters WHERE state = 'open' ORDER BY first_at, id LIMIT ?"
        return [_dead_letter(row) for row in self._rows(sql, [count])]

    def dead_letter(self, id: int) -> DeadLetter | None:
        """By its number, discarded or not."""
        rows = self._rows("SELECT * FROM dead_letters WHERE id = ?", [id])
        return _dead_letter(rows[0]) if rows else None

    def due_dead_letters(self, job: str, now: datetime, mapping_digest: str) -> list[DeadLetter]:
        """Open entries to try again now: transient ones whose time has come, and those rejected for a
        mapping reason under another mapping than the present one."""
        codes = sorted(MAPPING_CODES)
        sql = f"""
            SELECT * FROM dead_letters WHERE job = ? AND state = 'open' AND (
                (kind = 'transient' AND next_try_at <= ?)
                OR (mapping_digest <> ? AND code IN ({",".join("?" * len(codes))}))
            ) ORDER BY id
            """
        rows = self._rows(sql, [job, to_text(now), mapping_digest, *codes])
        return [_dead_letter(row) for row in rows]

    def discard(self, id: int, reason: str, *, at: datetime) -> DeadLetter | None:
        """Sets an entry aside for good, until the source has a newer version. None when there is none."""
        with self.atomic():
            letter = self.dead_letter(id)
            if letter is None or letter.state == "discarded":
                return letter
            self._write(
                "UPDATE dead_letters SET state = 'discarded', kind = 'permanent', next_try_at = NULL, "
                "reason = ? WHERE id = ?",
                [reason, id],
            )
            self._write(
                _INSERT_EVENT,
                ["", to_text(at), letter.entity, letter.label, "discard", f"error {id}", reason],
            )
            return self.dead_letter(id)

    def waiting(self, job: str, entities: Iterable[str]) -> dict[str, DeadLetter]:
        """The entries, open or discarded, of these entities; `DeadLetter.covers` says whether a change
        is already known to be dead."""
        rows = self._rows_in("SELECT * FROM dead_letters WHERE job = ? AND entity IN", entities, [job])
        return {row["entity"]: _dead_letter(row) for row in rows}

    def count_dead_letters(self) -> dict[tuple[str, str], int]:
        """(job, code) -> open entries."""
        rows = self._rows(
            "SELECT job, code, count(*) AS n FROM dead_letters WHERE state = 'open' "
            "GROUP BY job, code ORDER BY job, code"
        )
        return {(row["job"], row["code"]): row["n"] for row in rows}

    def _dead_letter_of(self, job: str, entity: str) -> DeadLetter | None:
        rows = self._rows("SELECT * FROM dead_letters WHERE job = ? AND entity = ?", [job, entity])
        return _dead_letter(rows[0]) if rows else None


def _where(
    job: str | None, code: str | None, entity: str | None, include_discarded: bool
) -> tuple[str, list[str]]:
    conditions, values = ["1 = 1"], []
    for condition, value in (("job = ?", job), ("code = ?", code)):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    if entity is not None:
        conditions.append("(entity = ? OR label = ?)")
        values += [entity, entity]
    if not include_discarded:
        conditions.append("state = 'open'")
    return " AND ".join(conditions), values


def _dead_letter(row: sqlite3.Row) -> DeadLetter:
    return DeadLetter(
        id=row["id"],
        job=row["job"],
        entity=row["entity"],
        label=row["label"],
        code=row["code"],
        message=row["message"],
        field=row["field"],
        hint=row["hint"],
        context=json.loads(row["context"]),
        kind=row["kind"],
        state=row["state"],
        version=row["version"],
        mapping_digest=row["mapping_digest"],
        tries=row["tries"],
        first_at=from_text(row["first_at"]),
        last_at=from_text(row["last_at"]),
        next_try_at=from_text_or_none(row["next_try_at"]),
        run=row["run"],
        reason=row["reason"],
    )
