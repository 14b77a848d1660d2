"""How many units the shop is shown as delivered or cancelled, where MAO's own words are easy to misread."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.fulfilment import FulfilmentRules, map_fulfilment
from ct_mao_sync.mapping.item_units import ItemUnits
from ct_mao_sync.mapping.shop_order import parse_shop_order
from ct_mao_sync.mapping.status_lines import LineCount, count_lines
from ct_mao_sync.mapping.status_plan import StatusRules, plan_status
from ct_mao_sync.mapping.status_states import ShopStates

LINE = "0f9aad66-e170-4cbb-8e9e-2f17ac4e226d"
OTHER = "909ff497-6a8a-43ef-a880-4790be6c6fe9"
RULES = FulfilmentRules(item_units=ItemUnits({}, {}, "EACH"), uom={}, milestones={})


def mao_line(quantity: int, status: str, *history: int, **members: Any) -> dict[str, Any]:
    return {
        "OrderLineId": LINE,
        "Quantity": quantity,
        "UOM": "EACH",
        "QuantityDetail": [{"Quantity": quantity, "StatusId": status}] if quantity else [],
        "OrderLineCancelHistory": [
            {"CancelQuantity": n, "CreatedTimestamp": "2026-11-23T09:00:00"} for n in history
        ],
        **members,
    }


def shop_order(quantity: int, **delivered: int) -> dict[str, Any]:
    """`delivered`: units by the key of a Delivery, `_` for `-`, each with one parcel `-P1`."""
    deliveries = []
    for name, units in delivered.items():
        key, items = name.replace("_", "-"), [{"id": LINE, "quantity": units}]
        parcel = {"id": f"{key}-P1", "key": f"{key}-P1", "items": items}
        deliveries.append({"id": key, "key": key, "items": items, "parcels": [parcel]})
    return {
        "id": "6f6a1c1e-1111-4222-8333-944455556666",
        "version": 3,
        "orderState": "Open",
        "lineItems": [{"id": LINE, "quantity": quantity, "variant": {"sku": "A"}, "state": []}],
        "customLineItems": [],
        "shippingMode": "Single",
        "shippingInfo": {"shippingMethodName": "Standard", "deliveries": deliveries},
    }


def count(quantity: int, *lines: dict[str, Any], sent: int | None = None) -> LineCount:
    row = {"OrderId": "CT-1", "AlternateOrderId": "x", "OrderLine": list(lines)}
    fulfilment = map_fulfilment(row, RULES, {} if sent is None else {LINE: Decimal(sent)})
    order = parse_shop_order(shop_order(quantity))
    assert not isinstance(fulfilment, Rejection)
    assert not isinstance(order, Rejection)
    (counted,), rejection = count_lines(fulfilment, order, None)
    assert rejection is None
    return counted


def test_a_unit_that_lives_on_in_a_split_line_is_not_cancelled_with_the_rest() -> None:
    cancelled = mao_line(0, "9000", 1, 1, IsCancelled=True)
    split = mao_line(1, "3600", OrderLineId=OTHER, AlternateOrderLineId=LINE)

    assert count(3, cancelled, split, sent=3).units == {"picked": 1, "cancelled": 2}


def test_two_units_cancelled_in_one_moment_are_two() -> None:
    assert count(3, mao_line(1, "1000", 1, 1), sent=3).units == {"open": 1, "cancelled": 2}


def test_a_cancellation_that_is_written_twice_is_one() -> None:
    assert count(3, mao_line(2, "1000", 1, 1), sent=3).units == {"open": 2, "cancelled": 1}
    assert count(3, mao_line(2, "1000", 1, 1)).units == {"open": 2, "cancelled": 1}


def test_a_delivery_that_grows_keeps_what_it_has_and_gets_the_rest() -> None:
    details = [
        {"FulfillmentDetailId": "1", "Quantity": 3, "StatusId": "7000", "ReleaseId": "R1", "PackageId": "P1"}
    ]
    line = mao_line(3, "7000", FulfillmentDetail=details)
    row = {"OrderId": "CT-1", "AlternateOrderId": "x", "OrderLine": [line]}
    fulfilment = map_fulfilment(row, RULES, {})
    order = parse_shop_order(shop_order(3, mao_R1=2))
    assert not isinstance(fulfilment, Rejection)
    assert not isinstance(order, Rejection)

    planned = plan_status(fulfilment, order, ShopStates(), StatusRules(fulfilment=RULES))

    items = {a["action"]: a["items"] for write in planned.writes for a in write.actions if "items" in a}
    assert items == {
        "setDeliveryItems": [{"id": LINE, "quantity": 3}],
        "setParcelItems": [{"id": LINE, "quantity": 3}],
    }
