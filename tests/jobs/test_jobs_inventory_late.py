"""An entry that may rise waits. What becomes of orders meanwhile is judged by the figure it waits with."""

from __future__ import annotations

from pathlib import Path

import pytest
from inventory_bench import Stocked, order_for

from ct_mao_sync.cli import job_builders
from ct_mao_sync.jobs import inventory_source
from ct_mao_sync.sandbox.commercetools_stock import place_order
from ct_mao_sync.sandbox.core import Request
from ct_mao_sync.sandbox.generate_stock import LOCATIONS
from ct_mao_sync.sandbox.manhattan_stock import set_supply

EARLY, LATER = "ITEM-000001", "ITEM-000002"


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of one item."""
    monkeypatch.setattr(job_builders, "SMALL_ROWS_MAX", 1)
    monkeypatch.setattr(inventory_source, "PAGE_ITEMS_FIRST", 1)
    monkeypatch.setattr(inventory_source, "PAGE_ITEMS_MAX", 1)


@pytest.mark.usefixtures("one_by_one")
def test_a_sale_that_the_figure_of_a_later_page_knows_is_still_subtracted_from_an_earlier_one(
    tmp_path: Path,
) -> None:
    """Its order is allocated in MAO after the figure of the waiting entry was read, and before that of the
    page after it."""
    stocked = Stocked(tmp_path, "location", items=2)
    path = stocked.bench.config_path
    settings = "page_size = 1\nsettle_seconds = 2\n[orders]"
    path.write_text(path.read_text("utf-8").replace("[orders]", settings, 1), "utf-8")
    location = next(iter(LOCATIONS))
    channels = {row["key"]: row["id"] for row in stocked.world.ct.channels.values()}
    early = (EARLY, channels[LOCATIONS[location]])
    for item in (EARLY, LATER):
        set_supply(stocked.world, item, location, 50)
    for _ in range(2):
        stocked.bench.clock.advance(3600)
        stocked.sync()
    stocked.bench.clock.advance(3600)
    place_order(stocked.world, order_for(stocked, 7001, EARLY, 4, early[1]))
    set_supply(stocked.world, EARLY, location, 55)
    set_supply(stocked.world, LATER, location, 40)
    stocked.bench.clock.advance(30)
    offered: list[int] = []

    def watch(request: Request) -> bool:
        reads = request.method == "GET" and request.path.endswith("/inventory")
        if reads and LATER in str(request) and not offered:
            offered.append(0)
            stocked.bench.clock.advance(1)
            assert stocked.sync("orders").counts["written"] == 1
            stocked.bench.sandbox.manhattan.lifecycle.allocate("CT-7001", location=location)
            stocked.bench.clock.advance(6)
        elif offered:
            offered.append(stocked.shown()[early])
        return False

    stocked.bench.sandbox.faults.always(watch, "slow")
    stocked.sync()

    assert stocked.promised()[early] == 51
    assert max([*offered, stocked.shown()[early]]) <= 51


def an_allocated_order(folder: Path) -> tuple[Stocked, tuple[str, str]]:
    """Of four units of one entry, of which there are 50; MAO's search lags."""
    stocked = Stocked(folder, "location", items=1, search_lag_s=5.0)
    location = next(iter(LOCATIONS))
    channels = {row["key"]: row["id"] for row in stocked.world.ct.channels.values()}
    entry = (EARLY, channels[LOCATIONS[location]])
    set_supply(stocked.world, EARLY, location, 50)
    stocked.bench.clock.advance(60)
    stocked.sync()
    place_order(stocked.world, order_for(stocked, 7001, EARLY, 4, entry[1]))
    stocked.bench.clock.advance(30)
    stocked.sync("orders")
    stocked.bench.sandbox.manhattan.lifecycle.allocate("CT-7001", location=location)
    return stocked, entry


def test_what_fell_back_in_mao_a_moment_ago_is_asked_for_again_before_its_entry_rises(tmp_path: Path) -> None:
    """The other entries of the item do not wait, and when they are looked at MAO's search does not show yet
    that the units are free again."""
    stocked, entry = an_allocated_order(tmp_path)
    stocked.bench.clock.advance(200)
    stocked.sync()
    assert (stocked.promised()[entry], stocked.shown()[entry]) == (46, 46)

    stocked.bench.sandbox.manhattan.lifecycle.deallocate("CT-7001")
    stocked.sync()

    assert (stocked.promised()[entry], stocked.shown()[entry]) == (50, 46)


def test_an_order_that_fell_back_a_moment_ago_is_found_before_its_entry_rises(tmp_path: Path) -> None:
    """It did not change for days, and MAO's search does not show yet that it has just now."""
    stocked, entry = an_allocated_order(tmp_path)
    for _ in range(3):
        stocked.bench.clock.advance(3600)
        stocked.sync()
    assert (stocked.promised()[entry], stocked.shown()[entry]) == (46, 46)

    set_supply(stocked.world, EARLY, next(iter(LOCATIONS)), 51)
    stocked.bench.clock.advance(10)
    stocked.bench.sandbox.manhattan.lifecycle.deallocate("CT-7001")
    stocked.sync()

    assert (stocked.promised()[entry], stocked.shown()[entry]) == (51, 47)
