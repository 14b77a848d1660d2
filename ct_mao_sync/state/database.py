"""The state file itself: opening it safely, transactions, and SQLite's faults in the words of this tool.

Opened by one thread. Several processes may have it open at once (one per job): each write transaction
takes the write lock at its beginning, so that none fails half-way because another one wrote in between.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from sqlite_utils import Database

from ct_mao_sync.errors import Problem, RunStopped
from ct_mao_sync.state.schema import migrations

SQLITE_OLDEST = (3, 27)
"""VACUUM INTO. RHEL 9 has 3.34: nothing newer is used (no RETURNING, no DROP COLUMN, no STRICT)."""
BUSY_TIMEOUT_S = 10.0
# SQLite takes far more; this keeps statements short and is under every build's limit.
VARIABLES_MAX = 500
# A full check of a larger file takes longer than a run may take to start; `check` does it on demand.
_QUICK_CHECK_BYTES_MAX = 4 * 1024 * 1024

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_UNWRITABLE = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_PROTOCOL,
}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}


def unwritable(path: Path, reason: str, hint: str = "") -> RunStopped:
    return RunStopped(
        Problem(
            "state-unwritable",
            f"the state file {path} cannot be written: {reason}",
            field="state.path",
            hint=hint
            or f"check free space and permissions: df -h {path.parent}; ls -ld {path.parent} {path}",
            context={"path": str(path)},
        )
    )


def damaged(path: Path, reason: str) -> RunStopped:
    return RunStopped(
        Problem(
            "state-damaged",
            f"the state file {path} is damaged: {reason}",
            field="state.path",
            hint=f"move it away and run again: mv {path} {path}.damaged; rm -f {path}-wal {path}-shm "
            "(nothing is lost but time and history: orders are read again from orders.start_at)",
            context={"path": str(path)},
        )
    )


def _translated(path: Path, error: sqlite3.Error) -> RunStopped | None:
    """What SQLite says, sorted; None when it is a fault of this program."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    primary = code & 0xFF
    if primary in _BUSY:
        return RunStopped(
            Problem(
                "state-busy",
                f"the state file {path} has been locked by another process for {BUSY_TIMEOUT_S:.0f} s",
                field="state.path",
                hint=f"see who has it open: fuser {path}",
                context={"path": str(path)},
            )
        )
    if primary in _DAMAGED:
        return damaged(path, str(error))
    if primary in _UNWRITABLE:
        return unwritable(path, str(error))
    return None


class StateFile:
    """An open state file. `Store` adds the names of the domain."""

    def __init__(self, path: Path, db: Database) -> None:
        self.path = path
        self._db = db

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens the file, creating it (mode 0600) when there is none, and brings its schema up to date.

        Raises RunStopped: `state-unwritable`, `state-damaged`, `state-newer`, `state-busy`."""
        path = path.expanduser().absolute()
        if sqlite3.sqlite_version_info < SQLITE_OLDEST:
            raise unwritable(
                path,
                f"SQLite {sqlite3.sqlite_version} of this Python is too old",
                "3.27 or newer is needed; see what another Python brings: "
                'python3 -c "import sqlite3; print(sqlite3.sqlite_version)"',
            )
        create_private(path)
        with _openers_one_by_one(path.parent), _speaking_of(path):
            conn = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            try:
                state = cls(path, Database(conn))
                state._prepare()
            except BaseException:
                conn.close()
                raise
        return state

    @classmethod
    def open_reading(cls, path: Path) -> Self:
        """Only to look: the file is not created, changed or brought up to date.

        Raises RunStopped: `state-unwritable` where there is none, `state-damaged`, `state-newer`."""
        path = path.expanduser().absolute()
        if not path.is_file():
            raise unwritable(path, "it is not there yet", "the first run makes it")
        with _speaking_of(path):
            for mode in ("mode=ro", "immutable=1"):
                conn = sqlite3.connect(
                    f"file:{quote(str(path))}?{mode}", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None
                )
                try:
                    state = cls(path, Database(conn))
                    state._examine()
                    return state
                except sqlite3.OperationalError:
                    conn.close()
                    # In a folder that cannot be written to, SQLite cannot share the file; there nobody
                    # writes it either.
                    if mode == "immutable=1" or os.access(path.parent, os.W_OK):
                        raise
                except BaseException:
                    conn.close()
                    raise
        raise AssertionError("unreachable")

    @classmethod
    def open_copy(cls, path: Path) -> Self:
        """For a dry run: what is in the file, if there is one; nothing that is written is kept."""
        path = path.expanduser().absolute()
        # A nameless file of SQLite's own, gone with the connection: a large state does not fill the memory.
        copy = sqlite3.connect("", isolation_level=None)
        if path.exists():
            with cls.open_reading(path) as original:
                original._db.conn.backup(copy)
        state = cls(path, Database(copy))
        applied, pending = len(migrations.applied(state._db)), len(migrations.pending(state._db))
        if pending:
            state._migrate(applied + pending)
        return state

    def _examine(self) -> int:
        """Raises for a file that is not to be used; the number of migrations it has had."""
        known = {row[0] for row in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if known and "_sqlite_migrations" not in known:
            raise damaged(self.path, "it belongs to another program")
        applied = {migration.name for migration in migrations.applied(self._db)}
        newer = self._schema_newer(applied)
        if newer:
            raise RunStopped(
                Problem(
                    "state-newer",
                    f"the state file {self.path} was written by a newer version of this program ({newer})",
                    field="state.path",
                    hint=f"install that version again, or take the copy it made: ls {self.path}.backup-*",
                    context={"path": str(self.path)},
                )
            )
        if self.path.stat().st_size <= _QUICK_CHECK_BYTES_MAX:
            faults = self.check()
            if faults:
                raise damaged(self.path, faults[0])
        return len(applied)

    def _prepare(self) -> None:
        applied = self._examine()
        if self._db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        pending = len(migrations.pending(self._db))
        if pending:
            if applied:
                self._copy_aside(applied)
            self._migrate(applied + pending)

    def _schema_newer(self, applied: set[str]) -> str:
        known = {migration.name for migration in migrations._migrations}
        return ", ".join(sorted(applied - known))

    def _copy_aside(self, schema: int) -> None:
        """`<file>.backup-<schema>`: a whole and consistent copy, readable by this user only."""
        copy = self.path.with_name(f"{self.path.name}.backup-{schema}")
        number = 1
        while copy.exists():
            number += 1
            copy = self.path.with_name(f"{self.path.name}.backup-{schema}.{number}")
        # VACUUM INTO takes an empty file, and would create one with the mode of the umask.
        create_private(copy)
        self._db.execute("VACUUM INTO ?", [str(copy)])

    def _migrate(self, schema: int) -> None:
        with self._db.atomic():
            self._db.execute("PRAGMA user_version = 0")  # the write lock, before anything is read
            migrations.apply(self._db)
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('schema', ?)", [str(schema)])

    def migrations_pending(self) -> int:
        """How many migrations opening it for a run would apply."""
        with _speaking_of(self.path):
            return len(migrations.pending(self._db))

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._db.conn.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def atomic(self) -> Iterator[None]:
        """All or nothing; may be nested (savepoints). The outermost one takes the write lock at once."""
        outermost = not self._db.conn.in_transaction
        with _speaking_of(self.path), self._db.atomic():
            if outermost:
                # A statement that may write takes the lock even where it changes nothing; a transaction
                # that only began by reading could not wait for another writer any more.
                self._db.execute("DELETE FROM meta WHERE key = ''")
            yield

    def check(self) -> list[str]:
        """What SQLite finds wrong with the file, at most 10 lines; empty = sound. Reads all of it."""
        with _speaking_of(self.path):
            found = [str(row[0]) for row in self._db.execute("PRAGMA quick_check(10)")]
        return [] if found == ["ok"] else found

    # --- for the parts of Store ----------------------------------------------------------------

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with _speaking_of(self.path):
            cursor = self._db.conn.cursor()
            cursor.row_factory = sqlite3.Row
            return cursor.execute(sql, values).fetchall()

    def _rows_in(self, sql: str, entities: Iterable[str], before: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """`sql` ends in `IN`; the entities are asked for in chunks."""
        found: list[sqlite3.Row] = []
        for whole, chunk in _in_chunks(sql, entities):
            found += self._rows(whole, [*before, *chunk])
        return found

    def _write_in(self, sql: str, entities: Iterable[str]) -> None:
        """The same for a statement that changes them, in one transaction."""
        chunks = list(_in_chunks(sql, entities))
        if chunks:
            with self._writing():
                for whole, chunk in chunks:
                    self._db.conn.execute(whole, chunk)

    def _write(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Rows changed. On its own it is a transaction of its own."""
        with _speaking_of(self.path):
            return self._db.conn.execute(sql, values).rowcount

    def _write_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        many = list(rows)
        if many:
            with self._writing():
                self._db.conn.executemany(sql, many)

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        """A transaction, unless the caller has one: there a savepoint would double the statements, and save
        nothing, since what fails takes all of it back."""
        return _speaking_of(self.path) if self._db.conn.in_transaction else self.atomic()


def _in_chunks(sql: str, entities: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Statements, each with the entities that stand behind its `IN`."""
    wanted = list(dict.fromkeys(entities))
    for start in range(0, len(wanted), VARIABLES_MAX):
        chunk = wanted[start : start + VARIABLES_MAX]
        yield f"{sql} ({','.join('?' * len(chunk))})", chunk


@contextlib.contextmanager
def _speaking_of(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        stopped = _translated(path, error)
        if stopped is None:
            raise
        raise stopped from error


@contextlib.contextmanager
def _openers_one_by_one(folder: Path) -> Iterator[None]:
    """Two processes that open a new file at the same moment would both want to create its tables. The
    kernel's lock on the folder keeps them apart; a file system without such locks is let through."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def create_private(path: Path) -> None:
    """An empty file of mode 0600 where there is none (SQLite gives its companions the same mode), and a
    reason in plain words where there cannot be one."""
    try:
        # Never opened when it exists: closing it again would drop the locks that SQLite holds on it.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        if not path.is_file():
            raise unwritable(path, "it is not a file") from None
        if not os.access(path, os.R_OK | os.W_OK):
            raise unwritable(path, "no permission to read and write it") from None
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            with contextlib.suppress(OSError):
                path.chmod(0o600)
    except FileNotFoundError:
        hint = f"correct state.path, or make the folder: mkdir -p {path.parent}"
        raise unwritable(path, f"there is no folder {path.parent}", hint) from None
    except OSError as error:
        raise unwritable(path, error.strerror or type(error).__name__) from None
    else:
        with contextlib.suppress(OSError):
            os.fchmod(handle, 0o600)
        os.close(handle)
