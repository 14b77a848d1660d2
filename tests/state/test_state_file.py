"""The state file: made privately, opened safely, and every fault of it told in plain words."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from ct_mao_sync.errors import RunStopped
from ct_mao_sync.state import database
from ct_mao_sync.state.schema import migrations
from ct_mao_sync.state.store import Checkpoint, Processed, Store

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SCHEMA = len(migrations._migrations)


@contextlib.contextmanager
def stopped(code: str) -> Iterator[list[RunStopped]]:
    found: list[RunStopped] = []
    with pytest.raises(RunStopped) as caught:
        yield found
    found.append(caught.value)
    assert caught.value.problem.code == code
    assert caught.value.problem.hint


def applied_by(count: int) -> list[Processed]:
    return [Processed(f"order-{number}", "d" * 64, 1, "run", NOW) for number in range(count)]


# --- opening ---------------------------------------------------------------------------------------


def test_the_file_and_its_companions_are_readable_by_this_user_only(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        with Store.open(tmp_path / "state.db") as store:
            store.save_checkpoint("orders", "window:orders", Checkpoint(watermark=NOW))
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    finally:
        os.umask(mask)

    assert modes == {"state.db": 0o600, "state.db-wal": 0o600, "state.db-shm": 0o600}


def test_an_existing_file_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    Store.open(tmp_path / "state.db").close()
    (tmp_path / "state.db").chmod(0o644)

    Store.open(tmp_path / "state.db").close()

    assert stat.S_IMODE((tmp_path / "state.db").stat().st_mode) == 0o600


def test_what_was_stored_is_there_after_opening_again(tmp_path: Path) -> None:
    with Store.open(tmp_path / "state.db") as store:
        salt = store.salt()
        store.save_checkpoint("orders", "window:orders", Checkpoint(watermark=NOW))

    with Store.open(tmp_path / "state.db") as store:
        assert store.checkpoint("orders", "window:orders") == Checkpoint(watermark=NOW)
        assert store.salt() == salt
        assert len(salt) == 32
        assert store.check() == []


def test_two_files_have_two_salts(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a") as one, Store.open(tmp_path / "b") as other:
        assert one.salt() != other.salt()


def test_the_file_survives_the_process_at_little_cost(tmp_path: Path) -> None:
    """WAL lets jobs run side by side; NORMAL is enough, as a lost commit is only done again."""
    with Store.open(tmp_path / "state.db") as store:
        assert store._rows("PRAGMA journal_mode")[0][0] == "wal"
        assert store._rows("PRAGMA synchronous")[0][0] == 1
        assert store._rows("PRAGMA busy_timeout")[0][0] == 10_000


def test_an_empty_file_is_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "state.db").touch()

    with Store.open(tmp_path / "state.db") as store:
        assert store.checkpoint("orders", "window:orders") is None


def test_deleting_only_the_file_after_a_crash_gives_a_clean_new_one(tmp_path: Path) -> None:
    """Its write-ahead log stays behind and belongs to a file that is gone."""
    path = tmp_path / "state.db"
    code = (
        "import os, signal; from datetime import *; from pathlib import Path; "
        "from ct_mao_sync.state.store import *; "
        f"s = Store.open(Path({str(path)!r})); "
        "s.save_checkpoint('orders', 'w', Checkpoint(watermark=datetime.now(UTC))); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert (tmp_path / "state.db-wal").stat().st_size > 0
    path.unlink()

    with Store.open(path) as store:
        assert store.checkpoint("orders", "w") is None
        assert store.check() == []


# --- faults ----------------------------------------------------------------------------------------


def test_a_missing_folder_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    with stopped("state-unwritable") as found:
        Store.open(tmp_path / "none" / "state.db")

    assert str(tmp_path / "none") in found[0].problem.message
    assert not (tmp_path / "none").exists()


def test_a_path_below_a_file_is_unwritable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with stopped("state-unwritable"):
        Store.open(tmp_path / "file" / "state.db")


def test_a_folder_in_place_of_the_file_is_unwritable(tmp_path: Path) -> None:
    with stopped("state-unwritable"):
        Store.open(tmp_path)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody can write, such as /proc")
def test_a_folder_that_nobody_may_write_is_unwritable() -> None:
    with stopped("state-unwritable") as found:
        Store.open(Path("/proc/state.db"))

    assert "/proc/state.db" in found[0].problem.message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_unwritable(tmp_path: Path) -> None:
    Store.open(tmp_path / "state.db").close()
    tmp_path.chmod(0o500)
    try:
        with stopped("state-unwritable"), Store.open(tmp_path / "state.db") as store:
            store.record_processed("orders", applied_by(1))
    finally:
        tmp_path.chmod(0o700)


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path: Path) -> None:
    with Store.open(tmp_path / "state.db") as store:
        store.record_processed("orders", applied_by(1))
        pages = store._rows("PRAGMA page_count")[0][0]
        store._rows(f"PRAGMA max_page_count = {pages + 2}")

        with stopped("state-unwritable") as found, store.atomic():
            store.record_processed("orders", applied_by(5000))

        assert "full" in found[0].problem.message
        assert store.digests("orders", ["order-0", "order-1"]) == {"order-0": "d" * 64}


@pytest.mark.parametrize(
    "content", [b"this is not a database at all\n" * 100, b"SQLite format 3\x00" + b"\xff" * 4096]
)
def test_a_file_that_is_no_database_is_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(content)

    with stopped("state-damaged") as found:
        Store.open(path)

    assert f"mv {path}" in found[0].problem.hint
    assert "nothing is lost but time" in found[0].problem.hint
    assert path.read_bytes() == content, "it is left as it was found"


def test_a_file_with_a_torn_page_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with Store.open(path) as store:
        store.record_processed("orders", applied_by(2000))
    data = bytearray(path.read_bytes())
    for page in range(4, len(data) // 4096, 3):
        data[page * 4096 : page * 4096 + 2000] = b"\xa5" * 2000
    path.write_bytes(data)

    with stopped("state-damaged"):
        Store.open(path)


def test_damage_found_in_the_middle_of_a_run_is_told_the_same_way(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with Store.open(path) as store:
        store.record_processed("orders", applied_by(2000))
    with Store.open(path) as store:
        data = bytearray(path.read_bytes())
        data[4096:] = b"\xa5" * (len(data) - 4096)
        path.write_bytes(data)
        store._rows("PRAGMA shrink_memory")  # as if the pages had not been read before

        with stopped("state-damaged"):
            store.digests("orders", [f"order-{number}" for number in range(2000)])


def test_a_database_of_another_program_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (id INTEGER)")

    with stopped("state-damaged"):
        Store.open(path)

    with contextlib.closing(sqlite3.connect(path)) as other:
        assert [row[0] for row in other.execute("SELECT name FROM sqlite_master")] == ["theirs"]


def test_a_file_locked_beyond_the_time_out_is_busy(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with Store.open(path) as store, contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        store._rows("PRAGMA busy_timeout = 50")
        other.execute("BEGIN IMMEDIATE")

        with stopped("state-busy"), store.atomic():
            raise AssertionError("the lock is taken before anything is done")

        other.execute("ROLLBACK")
        store.record_processed("orders", applied_by(1))
        assert store.digests("orders", ["order-0"])


# --- transactions ----------------------------------------------------------------------------------


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path / "state.db") as store:
        with pytest.raises(KeyboardInterrupt), store.atomic():
            store.record_processed("orders", applied_by(3))
            store.save_checkpoint("orders", "window:orders", Checkpoint(watermark=NOW))
            raise KeyboardInterrupt

        assert store.digests("orders", ["order-0"]) == {}
        assert store.checkpoint("orders", "window:orders") is None


def test_an_inner_transaction_can_fail_alone(tmp_path: Path) -> None:
    with Store.open(tmp_path / "state.db") as store:
        with store.atomic():
            store.save_checkpoint("orders", "window:orders", Checkpoint(watermark=NOW))
            with pytest.raises(ZeroDivisionError), store.atomic():
                store.record_processed("orders", applied_by(1))
                raise ZeroDivisionError

        assert store.checkpoint("orders", "window:orders") is not None
        assert store.digests("orders", ["order-0"]) == {}


def test_two_processes_write_side_by_side_and_lose_nothing(tmp_path: Path) -> None:
    """Each transaction reads first and writes then: without the lock at its beginning one would fail."""
    path = tmp_path / "state.db"
    code = (
        "import sys; from datetime import *; from pathlib import Path; "
        "from ct_mao_sync.state.store import *; "
        f"s = Store.open(Path({str(path)!r})); now = datetime(2026, 11, 1, 12, tzinfo=UTC)\n"
        "for n in range(150):\n"
        "    with s.atomic():\n"
        "        s.digests(sys.argv[1], ['x'])\n"
        "        s.take_budget(now, 1)\n"
        "        s.record_processed(sys.argv[1], [Processed(f'e{n}', 'd', 1, 'r', now)])\n"
    )

    running = [
        subprocess.Popen([sys.executable, "-c", code, job], stderr=subprocess.PIPE) for job in ("a", "b")
    ]
    ended = [process.communicate(timeout=60)[1] for process in running]

    assert ended == [b"", b""]
    with Store.open(path) as store:
        assert store.budget_used(NOW) == 300
        assert len(store.digests("a", [f"e{n}" for n in range(150)])) == 150
        assert len(store.digests("b", [f"e{n}" for n in range(150)])) == 150


# --- migrations ------------------------------------------------------------------------------------


def a_schema_with(more: str | None = None) -> Migrations:
    """The present one, and one migration more."""
    schema = Migrations("ct_mao_sync")
    for known in migrations._migrations:
        schema(name=known.name)(known.fn)
    if more == "good":

        @schema(name="m999_notes")
        def add_notes(db: Database) -> None:
            db.execute("CREATE TABLE notes (id INTEGER)")

    if more == "bad":

        @schema(name="m999_broken")
        def break_in_the_middle(db: Database) -> None:
            db.execute("CREATE TABLE notes (id INTEGER)")
            raise ZeroDivisionError

    return schema


def test_an_older_file_is_copied_aside_and_then_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.db"
    with Store.open(path) as store:
        store.record_processed("orders", applied_by(1))
    monkeypatch.setattr(database, "migrations", a_schema_with("good"))

    with Store.open(path) as store:
        assert store.digests("orders", ["order-0"])
        assert store._rows("SELECT value FROM meta WHERE key = 'schema'")[0][0] == str(SCHEMA + 1)
        assert store._rows("SELECT * FROM notes") == []

    copy = tmp_path / f"state.db.backup-{SCHEMA}"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with contextlib.closing(sqlite3.connect(copy)) as old:
        assert old.execute("SELECT entity FROM processed").fetchall() == [("order-0",)]
        assert not old.execute("SELECT 1 FROM sqlite_master WHERE name = 'notes'").fetchall()


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.db"
    Store.open(path).close()
    monkeypatch.setattr(database, "migrations", a_schema_with("bad"))

    with pytest.raises(ZeroDivisionError):
        Store.open(path)

    with contextlib.closing(sqlite3.connect(path)) as left:
        assert not left.execute("SELECT 1 FROM sqlite_master WHERE name = 'notes'").fetchall()


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.db"
    with monkeypatch.context() as newer:
        newer.setattr(database, "migrations", a_schema_with("good"))
        Store.open(path).close()

    with stopped("state-newer") as found:
        Store.open(path)

    assert "m999_notes" in found[0].problem.message


def test_a_new_file_has_no_copy_and_opening_again_makes_none(tmp_path: Path) -> None:
    Store.open(tmp_path / "state.db").close()
    Store.open(tmp_path / "state.db").close()

    assert [file.name for file in tmp_path.iterdir()] == ["state.db"]


def test_many_processes_that_open_a_new_file_at_once_all_succeed(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ct_mao_sync.state.store import Store; "
        "sys.stdin.read(); print(Store.open(Path(sys.argv[1])).salt().hex())"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "state.db")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(4)
    ]

    ended = [process.communicate(timeout=60) for process in running]

    assert [error for _, error in ended] == [b""] * 4
    assert len({salt for salt, _ in ended}) == 1
