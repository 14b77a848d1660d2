"""`reconcile` says in which field the two sides differ, without personal data, and what one of them lacks.
(Of orders: test_cli_reconcile.py.)"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from golden import Screen
from jobs.inventory_bench import Stocked
from jobs.returns_scene import Scene
from jobs.status_bench import StatusBench

from ct_mao_sync.sandbox.commercetools_inventory import add_entry
from ct_mao_sync.sandbox.generate_stock import LOCATIONS
from ct_mao_sync.sandbox.manhattan_stock import set_supply


def test_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = StatusBench(tmp_path)
    for number in (1, 2, 3):
        bench.placed(number)
        bench.life.allocate(f"CT-{number}")
        bench.life.release(f"CT-{number}")
    bench.life.ship("CT-2", bench.lines(2)[0], 1, package_id="P2", tracking="1Z2")
    bench.life.ship("CT-3", package_id="P3", tracking="1Z3")
    bench.later()
    assert bench.sync().exit_code == 0
    # One that has left since, one that has gone on, one that somebody has changed in the shop.
    bench.life.ship("CT-1", package_id="P1", tracking="1Z1")
    bench.life.ship("CT-2", package_id="P4", tracking="1Z4")
    tracking = {"trackingId": "wrong", "carrier": "UPS"}
    parcel = bench.deliveries(3)[0]["parcels"][0]["key"]
    bench.edit(
        3,
        {"action": "setParcelTrackingData", "parcelKey": parcel, "trackingData": tracking},
        {"action": "changeShipmentState", "shipmentState": "Ready"},
    )
    bench.later()
    screen, writes = Screen(bench, monkeypatch), bench.writes()

    screen.check("reconcile-status", "reconcile", "status", "--all", code=3)

    assert bench.writes() == writes
    fields = fields_of(screen.run("reconcile", "status", "--all", "--json").stdout)
    assert fields["CT-3"] == {
        "shipmentState": ("Ready", "Shipped"),
        f"Delivery/mao-CT-31/Parcel/{parcel}/trackingId": ("wrong", "1Z3"),
        f"Delivery/mao-CT-31/Parcel/{parcel}/carrier": ("UPS", "United Parcel"),
        f"Delivery/mao-CT-31/Parcel/{parcel}/providerTransaction": ("", "https://ups.example/track?n=1Z3"),
    }
    assert screen.run("reconcile", "status", "--all", "--fix").exit_code == 0
    assert screen.run("reconcile", "status", "--all").exit_code == 0


def test_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(tmp_path)
    for number, condition in ((1, "Damaged"), (2, "New")):
        return_id = f"R{number}"
        scene.mao.create_return("CT-1", {scene.line_id(): 2}, return_id=return_id, condition=condition)
        scene.mao.receive(return_id)
        assert scene.sync().exit_code == 0 if number == 1 else True
        scene.mao.verify(return_id)
    scene.bench.clock.advance(600)
    screen, writes = Screen(scene.bench, monkeypatch), scene.bench.writes()

    screen.check("reconcile-returns", "reconcile", "returns", "--all", code=3)

    assert scene.bench.writes() == writes
    fields = fields_of(screen.run("reconcile", "returns", "--all", "--json").stdout)
    assert fields["R1"] == {"ReturnItem/mao-R1-1-Damaged-1/shipmentState": ("Returned", "Unusable")}
    assert screen.run("reconcile", "returns", "--all", "--fix").exit_code == 0
    assert screen.run("reconcile", "returns", "--all").exit_code == 0


def test_inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stocked = Stocked(tmp_path, "location", 2)
    assert stocked.sync().exit_code == 0
    stocked.bench.clock.advance(600)
    entry = next(iter(stocked.world.ct.inventory.values()))
    for sku, quantity, changes in (
        ("GHOST", 7, {}),
        ("SOLD-OUT", 0, {}),
        ("ELSEWHERE", 5, {"supplyChannel": {"typeId": "channel", "id": "of-somebody-else"}}),
        ("NO-CHANNEL", 5, {"supplyChannel": None}),
    ):
        new = {"id": sku, "key": sku, "sku": sku, "quantityOnStock": quantity, "availableQuantity": quantity}
        add_entry(stocked.world, {name: v for name, v in (entry | new | changes).items() if v is not None})
    set_supply(stocked.world, "ITEM-000002", next(iter(LOCATIONS)), 0)
    stocked.bench.clock.advance(600)
    screen, writes = Screen(stocked.bench, monkeypatch), stocked.bench.writes()

    screen.check("reconcile-inventory", "reconcile", "inventory", "--all", code=3)

    assert stocked.bench.writes() == writes
    assert screen.run("reconcile", "inventory", "--all", "--fix").exit_code == 3, (
        "it cannot be cured by a write"
    )
    left = json.loads(screen.run("reconcile", "inventory", "--all", "--json").stdout)
    assert [(found["symbol"], found["entity"]) for found in left["findings"]] == [
        ("-", f"GHOST|{LOCATIONS[next(iter(LOCATIONS))]}")
    ]


def fields_of(printed: str) -> dict[str, dict[str, Any]]:
    """Label -> field -> (what the shop has, what MAO says)."""
    return {
        finding["label"]: {
            each["field"]: (each["present"], each["wanted"]) for each in finding["differences"]
        }
        for finding in json.loads(printed)["findings"]
    }
