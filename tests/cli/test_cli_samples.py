"""The sample orders of the reference, exported to the independent MAO: the shop's money to the cent."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cli_world import World

SAMPLES = sorted((Path(__file__).parents[3] / "shared" / "reference" / "ct-samples").glob("composed-*.json"))

pytestmark = pytest.mark.skipif(not SAMPLES, reason="the sample orders are not here")


def read_samples() -> list[dict[str, Any]]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in SAMPLES]


def shipping_methods(orders: list[dict[str, Any]]) -> dict[str, str]:
    infos = [info for found in orders for info in (found.get("shippingInfo"), *_infos(found)) if info]
    return {info["shippingMethodName"]: "STD" for info in infos}


def _infos(found: dict[str, Any]) -> list[Any]:
    return [entry.get("shippingInfo") for entry in found.get("shipping") or []]


def total(rows: list[Any], name: str) -> Decimal:
    return sum((Decimal(str(row[name])) for row in rows if not row.get("IsInformational")), Decimal(0))


def test_every_sample_arrives_with_its_sums_or_says_why_not(world: World) -> None:
    orders = read_samples()
    world.configure(
        mapping__shipping_methods=shipping_methods(orders),
        orders__start_at="2020-01-01T00:00:00Z",
        sync__page_size=5,
    )
    for found in orders:
        world.shop.put(found)
    ran = world.sync("--json")
    assert ran.code == 0, ran.text
    run = ran.json["runs"][0]
    assert run["written"] == len(world.mao.orders)
    assert run["written"] + run["skipped"] == len(orders)
    assert run["written"] >= 10
    assert set(run["skipped_because"]) <= {
        "shipped before it was exported",
        "cancelled before it was exported",
        "orderState Complete is not in orders.order_states",
    }
    by_id = {found["id"]: found for found in orders}
    for save in world.mao.saves():
        source = by_id[save.body["AlternateOrderId"]]
        lines = save.body["OrderLine"]
        gross = sum(
            (Decimal(str(row["Quantity"])) * Decimal(str(row["UnitPrice"])) for row in lines), Decimal(0)
        )
        charges = [*save.body.get("OrderChargeDetail", [])]
        charges += [charge for row in lines for charge in row.get("OrderLineChargeDetail", [])]
        taxes = [*save.body.get("OrderTaxDetail", [])]
        taxes += [tax for row in lines for tax in row.get("OrderLineTaxDetail", [])]
        price = source["totalPrice"]
        scale = Decimal(10) ** -price["fractionDigits"]
        assert gross + total(charges, "ChargeTotal") == price["centAmount"] * scale, source["orderNumber"]
        if source.get("taxedPrice"):
            whole = source["taxedPrice"]["totalGross"]["centAmount"] * scale
            found = gross + total(charges, "ChargeTotal") + total(taxes, "TaxAmount")
            assert found == whole, source.get("orderNumber")
    pages = 3
    assert world.requests <= 2 * run["written"] + 2 * pages + 1  # each page and its search, the channel once
    world.clear()
    assert world.sync().code == 0
    assert (world.writes, world.requests) == (0, pages)
