"""MAO's requests run short, by our own budget or by its 429: orders go first, sweeps last, and every run goes
on from where the one before stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_jobs_inventory import Stocked

import ct_mao_sync.jobs.inventory_source as inventory_source
from ct_mao_sync.sandbox.admin import aimed_at
from ct_mao_sync.sandbox.generate_stock import LOCATIONS
from ct_mao_sync.sandbox.manhattan_stock import adjust_supply

ITEMS = 1_200
LIMIT = 40


def with_budget(folder: Path, limit: int = LIMIT) -> Stocked:
    stocked = Stocked(folder, "network", items=ITEMS)
    path = stocked.bench.config_path
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("[orders]", f"max_requests_per_hour = {limit}\n[orders]", 1), "utf-8")
    stocked.bench.clock.advance(3000)  # 10:00:00
    return stocked


def asked(stocked: Stocked) -> int:
    """Requests that MAO counts: not those of its token service."""
    log = stocked.bench.log
    return log.total("manhattan") - log.total("manhattan", endpoint="/oauth/token")


def items_asked_for(stocked: Stocked) -> list[str]:
    """In the order of the availability requests that were answered."""
    return [
        item
        for logged in stocked.bench.log.history
        if "/availability/" in logged.request.path and logged.status == 200
        for item in json.loads(logged.request.body)["Items"]
    ]


def test_a_sweep_leaves_a_share_of_the_hour_to_other_work_and_that_is_no_failure(tmp_path: Path) -> None:
    stocked = with_budget(tmp_path, limit=20)
    for number in range(1, 4):
        stocked.bench.place(number)

    swept = stocked.sync()
    exported = stocked.sync("orders")

    assert (swept.exit_code, swept.postponed) == (0, ["sweep"])
    assert swept.problem is None
    assert exported.counts["written"] == 3
    assert asked(stocked) <= 20


def test_the_next_hours_finish_the_sweep_and_begin_no_slice_that_is_done(tmp_path: Path) -> None:
    stocked = with_budget(tmp_path, limit=20)
    reports = []
    for _ in range(6):
        reports.append(stocked.sync())
        stocked.bench.clock.advance(3600)
        if not reports[-1].postponed:
            break

    assert len(reports) > 1
    assert stocked.shown() == stocked.promised()
    again = len(items_asked_for(stocked)) - ITEMS
    assert again <= 500 * len(reports)  # at most the slice in which the hour ended


def test_late_in_the_hour_nothing_is_held_back_for_nobody(tmp_path: Path) -> None:
    stocked = with_budget(tmp_path)
    early = stocked.sync()
    used_early = asked(stocked)
    stocked.bench.clock.advance(3500)
    late = stocked.sync()

    assert early.exit_code == late.exit_code == 0
    assert used_early <= 0.6 * LIMIT + 1
    assert asked(stocked) <= LIMIT
    assert not late.postponed


def test_changed_stock_leaves_its_share_to_orders(tmp_path: Path) -> None:
    stocked = with_budget(tmp_path, limit=200)
    stocked.sync()
    stocked.bench.clock.advance(3600)
    stocked.sync()
    stocked.bench.clock.advance(3600)
    path = stocked.bench.config_path
    path.write_text(path.read_text("utf-8").replace("= 200", "= 15"), "utf-8")
    for number in range(1, ITEMS + 1):
        adjust_supply(stocked.world, f"ITEM-{number:06d}", next(iter(LOCATIONS)), 1)
    stocked.bench.place(1)
    stocked.bench.clock.advance(120)

    changed = stocked.sync()
    exported = stocked.sync("orders")

    assert changed.exit_code == 4
    assert changed.problem is not None and changed.problem.code == "budget-used"
    assert "left to other work" in changed.problem.message
    assert exported.counts["written"] == 1


def test_a_quota_of_mao_stops_the_run_and_the_next_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory_source, "SLICE_ITEMS_MAX", 500)
    stocked = Stocked(tmp_path, "network", items=ITEMS)
    stocked.bench.clock.advance(3600)  # no change is left for the windows
    faults = stocked.bench.sandbox.faults
    aimed = aimed_at(service="manhattan", path="/availability/")
    late = faults.always(lambda request: aimed(request) and b"ITEM-000700" in request.body, "429")

    stopped = stocked.sync()
    done = set(items_asked_for(stocked))
    writes = stocked.bench.writes()
    late.stop()
    stocked.bench.clock.advance(300)
    resumed: Any = stocked.sync()

    assert stopped.exit_code == 4
    assert stopped.problem is not None and stopped.problem.code == "rate-limited"
    assert writes > 0
    assert resumed.exit_code == 0
    assert not set(items_asked_for(stocked)[len(done) :]) & {f"ITEM-{n:06d}" for n in range(1, 500)}
    assert stocked.shown() == stocked.promised()
