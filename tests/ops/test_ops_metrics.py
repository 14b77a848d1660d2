"""The metrics file: what Prometheus reads is what the runs did, whichever process did it."""

from __future__ import annotations

import os
import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ct_mao_sync.engine.rows import Checkpoint
from ct_mao_sync.errors import Problem
from ct_mao_sync.ops.facts import read_facts
from ct_mao_sync.ops.files import replace_file
from ct_mao_sync.ops.metrics import render_metrics, write_metrics
from ct_mao_sync.state.store import Store

START = datetime(2026, 11, 23, 9, tzinfo=UTC)


def fill(store: Store) -> None:
    for number, (code, written) in enumerate([(0, 5), (3, 2)]):
        at = START + timedelta(minutes=number)
        store.start_run(f"orders-{number}", "orders", at)
        store.finish_run(
            f"orders-{number}",
            at + timedelta(seconds=1.5),
            {"written": written, "unchanged": 1, "rejected": number},
            code,
            requests=7,
            passes=["window:orders"],
        )
    store.save_checkpoint("orders", "window:orders", Checkpoint(watermark=START))
    store.put_dead_letter(
        job="orders",
        entity="e",
        label='a "label"',
        problem=Problem("sku-unmapped", "m"),
        version=1,
        mapping_digest="",
        at=START,
        run="r",
    )


def parsed(text: str) -> dict[str, float]:
    """As Prometheus' text format says: one sample a line, each family with HELP and TYPE before it."""
    found, known = {}, set()
    for line in text.splitlines():
        if match := re.fullmatch(r"# TYPE (\w+) (gauge|counter)", line):
            known.add(match[1])
        elif not line.startswith("# HELP "):
            match = re.fullmatch(r'(\w+)((?:\{(?:\w+="[^"\\\n]*",?)+\})?) (-?[0-9.e+]+)', line)
            assert match, line
            assert match[1] in known
            assert match[1] + match[2] not in found
            found[match[1] + match[2]] = float(match[3])
    return found


def test_the_figures_are_those_of_the_runs(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s") as store:
        fill(store)
        facts = read_facts(store, ["orders", "inventory"], START + timedelta(minutes=10))

    found = parsed(render_metrics(facts, START + timedelta(minutes=10), budget_used=75, budget_limit=1000))

    assert found['ct_mao_sync_records_total{job="orders",outcome="written"}'] == 7
    assert found['ct_mao_sync_records_total{job="orders",outcome="skipped"}'] == 0
    assert found['ct_mao_sync_records_read_total{job="orders"}'] == 10
    assert found['ct_mao_sync_requests_total{job="orders"}'] == 14
    assert found['ct_mao_sync_runs_total{job="orders"}'] == 2
    assert found['ct_mao_sync_last_run_exit_code{job="orders"}'] == 3
    assert found['ct_mao_sync_last_run_duration_seconds{job="orders"}'] == 1.5
    assert found['ct_mao_sync_watermark_lag_seconds{job="orders"}'] == 600
    assert found['ct_mao_sync_dead_letters{job="orders",code="sku-unmapped"}'] == 1
    assert found["ct_mao_sync_request_budget_used"] == 75
    assert 'ct_mao_sync_last_run_exit_code{job="inventory"}' not in found, "it has not run yet"
    assert "label" not in "".join(found)


def test_counters_survive_the_pruning_of_runs(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s") as store:
        fill(store)
        store.prune(START + timedelta(days=400))
        facts = read_facts(store, ["orders"], START)

    assert len(facts[0].totals) and facts[0].totals["written"] == 7


def test_a_reader_meets_a_whole_file_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "sync.prom"
    before = os.umask(0o077)
    try:
        write_metrics(path, [], START, budget_used=0, budget_limit=0)
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o644
    assert parsed(path.read_text())["ct_mao_sync_textfile_timestamp_seconds"] == START.timestamp()
    assert [file.name for file in tmp_path.iterdir()] == ["sync.prom"]


def test_many_writers_leave_one_whole_file_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "sync.prom"
    texts = [f"{n}\n" * 5000 for n in range(8)]
    threads = [
        threading.Thread(target=replace_file, args=(path, text), kwargs={"mode": 0o644}) for text in texts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert path.read_text() in texts
    assert [file.name for file in tmp_path.iterdir()] == ["sync.prom"]


def test_a_file_that_cannot_be_replaced_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "x").touch()

    with pytest.raises(OSError):
        replace_file(tmp_path / "taken", "text", mode=0o644)

    assert [file.name for file in tmp_path.iterdir()] == ["taken"]
