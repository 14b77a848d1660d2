"""`state`: copies that can be relied on, faults told in one line, and a file that stays bounded."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from golden import Stage
from jobs.orders_bench import START

from ct_mao_sync.state.schema import migrations
from ct_mao_sync.state.store import Event, Processed, Store


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage(tmp_path, monkeypatch)
    for number in range(1001, 1004):
        stage.place(number)
    stage.sync()
    return stage


@pytest.fixture
def path(stage: Stage) -> Path:
    return stage.application().config.state_path


def content(path: Path) -> list[tuple[str, ...]]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return sorted(map(tuple, db.execute("SELECT job, entity, digest FROM processed")))


def test_a_copy_is_whole_private_and_can_take_the_place_of_the_file(
    stage: Stage, path: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copies" / "state.copy"
    copy.parent.mkdir()
    with Store.open(path) as store, store.atomic():  # a run is writing
        store.record_processed("orders", [Processed("not committed", "d", 1, "r", START)])
        done = stage.run("state", "backup", str(copy))

    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"wrote {copy}  ") and "checked" in done.stdout
    assert copy.stat().st_mode & 0o777 == 0o600
    assert content(copy) == [row for row in content(path) if row[1] != "not committed"]
    for file in path.parent.glob(f"{path.name}*"):
        if not file.name.endswith(".lock"):
            file.unlink()
    copy.rename(path)
    writes = stage.writes()
    stage.clock.advance(60)
    assert stage.sync().exit_code == 0
    assert stage.writes() == writes


def test_a_folder_gets_a_copy_with_the_time_in_its_name(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "copies").mkdir()

    assert stage.run("state", "backup", str(tmp_path / "copies")).exit_code == 0

    (copy,) = (tmp_path / "copies").iterdir()
    assert copy.name.startswith("ct-mao-sync.sqlite3.20")


def test_a_folder_that_is_not_there_is_no_file(stage: Stage, tmp_path: Path) -> None:
    done = stage.run("state", "backup", f"{tmp_path / 'copies'}/")

    assert done.exit_code == 2 and f"mkdir -p {tmp_path / 'copies'}/" in done.stderr
    assert not (tmp_path / "copies").exists()


def test_nothing_is_overwritten_unasked_nor_lost_by_a_copy_that_fails(
    stage: Stage, path: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    copy.write_text("the last good one")

    assert stage.run("state", "backup", str(copy)).exit_code == 2
    assert stage.run("state", "backup", str(path), "--force").exit_code == 2
    path.write_bytes(b"no database at all" * 300)
    assert stage.run("state", "backup", str(copy), "--force").exit_code == 5

    assert copy.read_text() == "the last good one"
    assert not list(tmp_path.glob(".*.part"))
    path.unlink()
    missing = stage.run("state", "backup", str(copy), "--force")
    assert missing.exit_code == 5 and "the first run makes it" in missing.stderr
    assert not path.exists()


def test_a_copy_onto_a_full_disk_is_told(stage: Stage, tmp_path: Path) -> None:
    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = subprocess.run(
        [sys.executable, "-m", "ct_mao_sync", "--config", stage.config_path, "state", "backup", "copy"],
        cwd=tmp_path,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        preexec_fn=small_files,
        timeout=60,
        check=False,
    )

    assert done.returncode == 5, done.stderr
    assert "error: state-" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "copy").exists()


def test_a_check_tells_what_is_in_it_and_changes_nothing(stage: Stage, path: Path) -> None:
    before = path.read_bytes()

    done = stage.run("state", "check", "--json")

    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert found["sound"] and found["rows"]["processed"] == 3 and found["rows"]["runs"] == 1
    assert path.read_bytes() == before
    assert "  sound, schema " in stage.run("state", "check").stdout


def test_a_check_finds_damage_and_an_open_door(stage: Stage, path: Path) -> None:
    path.chmod(0o644)
    done = stage.run("state", "check")
    assert done.exit_code == 5 and f"chmod 600 {path}" in done.stdout

    data = bytearray(path.read_bytes())
    for page in range(3, len(data) // 4096, 2):
        data[page * 4096 : page * 4096 + 2000] = b"\xa5" * 2000
    path.write_bytes(data)
    done = stage.run("state", "check")
    assert done.exit_code == 5
    assert "error: state-damaged" in done.stderr and f"mv {path}" in done.stderr


def test_looking_at_an_older_file_does_not_bring_it_up_to_date(stage: Stage, path: Path) -> None:
    older = f'"schema": {len(migrations._migrations) - 1}'
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM _sqlite_migrations WHERE name = 'm009_forgetting'")
        db.execute("DROP INDEX returns_closed_by_age")
        db.execute("ALTER TABLE returns DROP COLUMN at")
        db.execute("UPDATE meta SET value = value - 1 WHERE key = 'schema'")
        db.commit()

    assert older in stage.run("state", "check", "--json").stdout
    assert stage.sync(dry_run=True).exit_code == 0
    assert older in stage.run("state", "check", "--json").stdout
    assert not list(path.parent.glob("*.backup-*"))
    assert stage.sync().exit_code == 0
    assert older not in stage.run("state", "check", "--json").stdout
    assert len(list(path.parent.glob("*.backup-*"))) == 1


def test_a_file_in_a_folder_that_cannot_be_written_to_can_be_looked_at(stage: Stage, path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    path.parent.chmod(0o500)
    try:
        assert stage.run("state", "check").exit_code == 0
    finally:
        path.parent.chmod(0o700)


def test_a_prune_forgets_what_is_old_and_gives_the_space_back(stage: Stage, path: Path) -> None:
    long_ago = START - timedelta(days=600)
    with Store.open(path) as store:
        store.record_processed(
            "orders", [Processed(f"old-{n}", "d" * 64, 1, "r", long_ago) for n in range(9000)]
        )
        store.add_events("r", [Event("a", "A", "update", "order A")] * 6000, at=long_ago)
    size = path.stat().st_size

    would = stage.run("state", "prune", "--dry-run")
    assert "would go: 9,000 processed, 6,000 events" in would.stdout
    with Store.open(path) as store:
        assert len(store.digests("orders", [f"old-{n}" for n in range(9000)])) == 9000

    done = stage.run("state", "prune")
    assert "gone: 9,000 processed, 6,000 events" in done.stdout
    assert path.stat().st_size < size / 3
    assert content(path) and stage.run("state", "prune").stdout.startswith("nothing is old enough to go")
