"""Small MAO orders and commercetools orders, and what becomes of a commercetools order when it is updated."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.fulfilment import Fulfilment, FulfilmentRules, map_fulfilment
from ct_mao_sync.mapping.item_units import ItemUnits
from ct_mao_sync.mapping.shop_order import parse_shop_order
from ct_mao_sync.mapping.status_plan import StatusPlan, StatusRules, plan_status
from ct_mao_sync.mapping.status_states import ShopStates, shop_states

ORDER = "6f6a1c1e-1111-4222-8333-944455556666"
LINE = "a1b2c3d4-0000-4000-8000-000000000001"
OTHER = "a1b2c3d4-0000-4000-8000-000000000002"

FULFILMENT_RULES = FulfilmentRules(
    item_units=ItemUnits({}, {"EACH": 1, "CASE": 12}), uom={"EACH": 1, "CASE": 12}, milestones={}
)
LINE_STATES = {m: f"line-{m}" for m in ("allocated", "packed", "shipped", "delivered", "cancelled")}
RULES = StatusRules(fulfilment=FULFILMENT_RULES)
WITH_STATES = StatusRules(fulfilment=FULFILMENT_RULES, line_states=LINE_STATES)


def states(**transitions: list[str]) -> ShopStates:
    """Initial and one State for each of LINE_STATES, whose id is `id-<key>`; key with "-" as "_" -> the keys
    that may follow, where not all may."""
    keys = ["Initial", *LINE_STATES.values(), "somebody-else"]
    return shop_states(
        {
            "id": f"id-{key}",
            "key": key,
            "type": "LineItemState",
            "transitions": [{"id": f"id-{k}"} for k in transitions[key.replace("-", "_")]]
            if key.replace("-", "_") in transitions
            else None,
        }
        for key in keys
    )


STATES = states()


def detail(
    quantity: float | Decimal, package: str = "P1", release: str = "CT-11", **more: Any
) -> dict[str, Any]:
    """One FulfillmentDetail."""
    return {
        "FulfillmentDetailId": f"{release}/{package}/{more.get('n', 1)}",
        "Quantity": quantity,
        "UOM": "EACH",
        "PackageId": package,
        "ReleaseId": release,
        "TrackingNumber": f"1Z-{package}",
        "CarrierCode": "UPS",
        "FulfillmentDate": "2026-11-23T10:00:00",
        "StatusId": "7000",
        **more,
    }


def mao_line(units: Mapping[str, Any], line_id: str = LINE, **more: Any) -> dict[str, Any]:
    """`units`: status id -> units."""
    return {
        "OrderLineId": line_id,
        "AlternateOrderLineId": line_id[:36],
        "ItemId": "SKU-1",
        "Quantity": sum(units.values()),
        "UOM": "EACH",
        "QuantityDetail": [
            {"ItemId": "SKU-1", "Quantity": n, "UOM": "EACH", "StatusId": status}
            for status, n in units.items()
        ],
        **more,
    }


def mao_order(*lines: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "OrderId": "CT-1",
        "AlternateOrderId": ORDER,
        "UpdatedTimestamp": "2026-11-23T10:00:00.5",
        "OrderLine": list(lines),
        **more,
    }


def shop_line(quantity: int = 3, line_id: str = LINE, **more: Any) -> dict[str, Any]:
    return {
        "id": line_id,
        "quantity": quantity,
        "variant": {"sku": "SKU-1"},
        "state": [{"quantity": quantity, "state": {"typeId": "state", "id": "id-Initial"}}],
        **more,
    }


def shop_order(*lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": ORDER,
        "version": 7,
        "orderNumber": "CT-1",
        "orderState": "Open",
        "lineItems": list(lines),
        "customLineItems": [],
        "shippingInfo": {"shippingMethodName": "Standard", "deliveries": []},
        **more,
    }


def fulfilment(row: Mapping[str, Any], **last_sent: int) -> Fulfilment:
    mapped = map_fulfilment(row, FULFILMENT_RULES, {k: Decimal(v) for k, v in last_sent.items()})
    assert isinstance(mapped, Fulfilment), mapped
    return mapped


def plan(
    row: Mapping[str, Any] | Fulfilment,
    document: Mapping[str, Any],
    rules: StatusRules = RULES,
    known: ShopStates = STATES,
) -> StatusPlan:
    order = parse_shop_order(document)
    assert not isinstance(order, Rejection), order
    return plan_status(row if isinstance(row, Fulfilment) else fulfilment(row), order, known, rules)


def actions(planned: StatusPlan) -> list[dict[str, Any]]:
    return [action for write in planned.writes for action in write.actions]


def named(planned: StatusPlan, name: str) -> list[dict[str, Any]]:
    return [action for action in actions(planned) if action["action"] == name]


def applied(document: dict[str, Any], planned: StatusPlan) -> dict[str, Any]:
    """The order after the update, as commercetools would have it."""
    order = copy.deepcopy(document)
    for action in actions(planned):
        _APPLY[action["action"]](order, action)
    order["version"] += 1
    return order


def moved(document: dict[str, Any], planned: StatusPlan, line_id: str = LINE) -> dict[str, int]:
    """State key -> units of a line after the update."""
    line = _line(applied(document, planned), line_id)
    return {row["state"]["id"].removeprefix("id-"): row["quantity"] for row in line["state"]}


def deliveries(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    infos = [each["shippingInfo"] for each in document.get("shipping") or ()]
    infos += [document["shippingInfo"]] if document.get("shippingInfo") else []
    return [delivery for info in infos for delivery in info.get("deliveries") or ()]


def shown(document: Mapping[str, Any], line_id: str = LINE) -> int:
    """Units of a line in all Deliveries."""
    return sum(
        item["quantity"]
        for delivery in deliveries(document)
        for item in delivery["items"]
        if item["id"] == line_id
    )


def _line(order: dict[str, Any], line_id: str) -> dict[str, Any]:
    return next(line for line in [*order["lineItems"], *order["customLineItems"]] if line["id"] == line_id)


def _transition(order: dict[str, Any], action: dict[str, Any]) -> None:
    line = _line(order, action.get("lineItemId") or action["customLineItemId"])
    rows = {row["state"]["id"]: row["quantity"] for row in line["state"]}
    source, target, units = action["fromState"]["id"], action["toState"]["id"], action["quantity"]
    assert rows.get(source, 0) >= units > 0, (rows, action)
    rows[source] -= units
    rows[target] = rows.get(target, 0) + units
    line["state"] = [{"quantity": n, "state": {"id": id}} for id, n in rows.items() if n]


def _delivery(order: dict[str, Any], key: str) -> dict[str, Any]:
    return next(each for each in deliveries(order) if each.get("key") == key)


def _parcel(order: dict[str, Any], key: str) -> dict[str, Any]:
    return next(p for each in deliveries(order) for p in each["parcels"] if p.get("key") == key)


def _add_delivery(order: dict[str, Any], action: dict[str, Any]) -> None:
    assert action["deliveryKey"] not in [each.get("key") for each in deliveries(order)]
    key = action.get("shippingKey")
    info = (
        order["shippingInfo"]
        if key is None
        else next(each["shippingInfo"] for each in order["shipping"] if each["shippingKey"] == key)
    )
    parcels = [{"id": parcel["key"], **parcel} for parcel in action["parcels"]]
    new = {"id": action["deliveryKey"], "key": action["deliveryKey"], "items": action["items"]}
    info.setdefault("deliveries", []).append({**new, "parcels": parcels, "address": action.get("address")})


def _remove_delivery(order: dict[str, Any], action: dict[str, Any]) -> None:
    gone = _delivery(order, action["deliveryKey"])
    for info in [*(each["shippingInfo"] for each in order.get("shipping") or ()), order.get("shippingInfo")]:
        if info:
            info["deliveries"] = [each for each in info["deliveries"] if each is not gone]


def _add_parcel(order: dict[str, Any], action: dict[str, Any]) -> None:
    parcel = {"id": action["parcelKey"], "key": action["parcelKey"], "items": action["items"]}
    parcel |= {"trackingData": action["trackingData"]} if "trackingData" in action else {}
    _delivery(order, action["deliveryKey"])["parcels"].append(parcel)


def _remove_parcel(order: dict[str, Any], action: dict[str, Any]) -> None:
    gone = _parcel(order, action["parcelKey"])
    for delivery in deliveries(order):
        delivery["parcels"] = [each for each in delivery["parcels"] if each is not gone]


def _set(place: Any, name: str) -> Any:
    return lambda order, action: place(order, action).update({name: action[name]})


def _of_delivery(order: dict[str, Any], action: dict[str, Any]) -> dict[str, Any]:
    return _delivery(order, action["deliveryKey"])


def _of_parcel(order: dict[str, Any], action: dict[str, Any]) -> dict[str, Any]:
    return _parcel(order, action["parcelKey"])


def _shipping_of(order: dict[str, Any], action: dict[str, Any]) -> dict[str, Any]:
    key = action.get("shippingKey")
    if key is None:
        info: dict[str, Any] = order["shippingInfo"]
        return info
    return next(each["shippingInfo"] for each in order["shipping"] if each["shippingKey"] == key)


_APPLY: dict[str, Any] = {
    "transitionLineItemState": _transition,
    "transitionCustomLineItemState": _transition,
    "addDelivery": _add_delivery,
    "removeDelivery": _remove_delivery,
    "setDeliveryItems": _set(_of_delivery, "items"),
    "addParcelToDelivery": _add_parcel,
    "removeParcelFromDelivery": _remove_parcel,
    "setParcelItems": _set(_of_parcel, "items"),
    "setParcelTrackingData": _set(_of_parcel, "trackingData"),
    "changeShipmentState": lambda o, a: o.update(shipmentState=a["shipmentState"]),
    "changeOrderState": lambda o, a: o.update(orderState=a["orderState"]),
    "transitionState": lambda o, a: o.update(state={"id": a["state"]["id"]}),
    "setEstimatedDelivery": _set(_shipping_of, "estimatedDelivery"),
}
