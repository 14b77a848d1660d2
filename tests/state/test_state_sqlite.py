"""Which SQLite the state file works with: the one of RHEL 9 (3.34), which Python 3.11 there is built with."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

import ct_mao_sync.state
from ct_mao_sync.errors import RunStopped
from ct_mao_sync.state.store import Store

NEWER = re.compile(
    r"\bRETURNING\b|\bDROP COLUMN\b|\)\s*STRICT\b|->>|\bunixepoch\(|\bFULL (OUTER )?JOIN\b|\biif\("
)
"""Of 3.35 and later; iif of 3.32 is easily avoided as well."""


def test_no_statement_needs_an_sqlite_newer_than_3_34() -> None:
    package = Path(ct_mao_sync.state.__file__).parent
    used = {
        f"{path.name}: {line.strip()}"
        for path in package.glob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if NEWER.search(line) and "nothing newer is used" not in line
    }
    assert used == set()


def test_an_sqlite_that_is_too_old_is_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 26, 0))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.26.0")

    with pytest.raises(RunStopped) as stopped:
        Store.open(tmp_path / "state.sqlite3")

    assert "SQLite 3.26.0 of this Python is too old" in stopped.value.problem.message
    assert "3.27 or newer" in stopped.value.problem.hint
    assert list(tmp_path.iterdir()) == []
