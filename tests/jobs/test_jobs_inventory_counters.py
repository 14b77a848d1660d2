"""MAO's own counters in custom fields, and whose the restock date is."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from inventory_bench import Stocked

from ct_mao_sync.sandbox.generate import timestamp
from ct_mao_sync.sandbox.generate_stock import LOCATIONS, NETWORK_VIEW
from ct_mao_sync.sandbox.manhattan_stock import adjust_supply, change_view, set_supply

COUNTERS = """counters_type = "oms-stock"
[inventory.counters]
on_hand = "omsOnHand"
available = "omsAvailable"
"""


def with_counters(folder: Path, inventory: str = COUNTERS, *, make_type: bool = True) -> Stocked:
    stocked = Stocked(folder, "network", items=4, inventory=inventory)
    if make_type:
        fields = [
            {"name": name, "label": {"en": name}, "required": False, "type": {"name": "Number"}}
            for name in ("omsOnHand", "omsAvailable")
        ]
        stocked.world.ct.types["type-1"] = {
            "id": "type-1",
            "version": 1,
            "createdAt": "2026-11-01T00:00:00.000Z",
            "lastModifiedAt": "2026-11-01T00:00:00.000Z",
            "key": "oms-stock",
            "resourceTypeIds": ["inventory-entry"],
            "fieldDefinitions": fields,
        }
    return stocked


def fields_of(stocked: Stocked) -> dict[str, Any]:
    return {entry["sku"]: entry["custom"]["fields"] for entry in stocked.world.ct.inventory.values()}


def test_the_counters_follow_mao_and_the_key_of_their_type_is_looked_up_once(tmp_path: Path) -> None:
    stocked = with_counters(tmp_path)

    stocked.sync()

    assert stocked.bench.log.total("commercetools", endpoint="/types") == 1, stocked.bench.log.as_json()
    promised = {sku: quantity for (sku, _), quantity in stocked.promised().items()}
    assert {sku: int(fields["omsAvailable"]) for sku, fields in fields_of(stocked).items()} == promised


def test_what_is_on_hand_is_told_where_the_view_tells_it(tmp_path: Path) -> None:
    """MAO gives it in views that count future supply."""
    stocked = with_counters(tmp_path)
    stocked.sync()
    assert not any("omsOnHand" in fields for fields in fields_of(stocked).values())
    change_view(stocked.world, NETWORK_VIEW, future_days=30.0)
    stocked.bench.clock.advance(3600)

    stocked.sync(full=True)

    assert all("omsOnHand" in fields for fields in fields_of(stocked).values())


def test_a_second_run_writes_nothing_and_a_change_only_the_difference(tmp_path: Path) -> None:
    stocked = with_counters(tmp_path)
    stocked.sync()
    stocked.bench.clock.advance(3600)
    assert stocked.sync(full=True).counts["written"] == 0
    adjust_supply(stocked.world, "ITEM-000001", "DC-ATL", 4)
    stocked.bench.clock.advance(120)

    report = stocked.sync()

    assert report.counts["written"] == 1
    assert stocked.shown() == stocked.promised()
    assert int(fields_of(stocked)["ITEM-000001"]["omsAvailable"]) == stocked.shown()["ITEM-000001", ""]


def test_entries_with_counters_are_never_imported(tmp_path: Path) -> None:
    stocked = with_counters(tmp_path, 'writer = "import-api"\n' + COUNTERS)

    stocked.sync()

    assert stocked.bench.log.total("commercetools", method="POST", endpoint="/inventories") == 0
    assert stocked.shown() == stocked.promised()


def test_a_type_that_is_not_there_stops_before_anything_is_written(tmp_path: Path) -> None:
    stocked = with_counters(tmp_path, make_type=False)

    report = stocked.sync()

    assert report.exit_code == 5
    assert report.problem is not None and report.problem.code == "counters-type-missing"
    assert stocked.bench.writes() == 0 or "commercetools" not in stocked.bench.log.as_json()["writes"]


@pytest.mark.parametrize("ours", [True, False])
def test_the_restock_date_is_written_or_left_alone(tmp_path: Path, ours: bool) -> None:
    stocked = Stocked(tmp_path, "network", items=1, inventory=f"restock_date = {str(ours).lower()}")
    for place in LOCATIONS:
        set_supply(stocked.world, "ITEM-000001", place, 0)
    eta = stocked.bench.clock.now() + timedelta(days=9)
    set_supply(stocked.world, "ITEM-000001", "DC-ATL", 50, supply_type="On Order", eta=eta)
    stocked.bench.clock.advance(120)

    stocked.sync()

    [entry] = stocked.world.ct.inventory.values()
    assert ("expectedDelivery" in entry) is ours
    if ours:
        assert entry["expectedDelivery"][:10] == timestamp(eta)[:10]
