"""What a plan of the status job would change in an order, field by field, for people. Pure; addresses are
masked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ct_mao_sync.mapping.order_differences import MASKED, FieldDifference
from ct_mao_sync.mapping.shop_order import ShopDelivery, ShopOrder, ShopParcel
from ct_mao_sync.mapping.status_states import ShopStates

Action = Mapping[str, Any]


def status_differences(
    order: ShopOrder, actions: Iterable[Action], states: ShopStates
) -> list[FieldDifference]:
    """(path, what the shop has, what MAO says); "" = nothing. The steps of one line are one difference."""
    found: list[FieldDifference] = []
    moved: dict[str, dict[str, int]] = {}
    """Line -> units by State id, after the steps so far."""
    for action in actions:
        name = action["action"]
        if name in ("transitionLineItemState", "transitionCustomLineItemState"):
            line_id = str(action.get("lineItemId") or action.get("customLineItemId"))
            units = moved.setdefault(line_id, _states_of(order, line_id))
            for state, sign in (("fromState", -1), ("toState", 1)):
                state_id = action[state]["id"]
                units[state_id] = units.get(state_id, 0) + sign * action["quantity"]
        else:
            found += _of_action(order, action, states)
    return [
        (
            f"{order.name_of(line_id)}/state",
            _render_states(_states_of(order, line_id), states),
            _render_states(units, states),
        )
        for line_id, units in moved.items()
    ] + found


def _of_action(order: ShopOrder, action: Action, states: ShopStates) -> list[FieldDifference]:
    name, key = action["action"], str(action.get("deliveryKey") or "")
    deliveries = {delivery.key: delivery for delivery in order.deliveries}
    match name:
        case "changeShipmentState":
            return [("shipmentState", order.shipment_state, action["shipmentState"])]
        case "changeOrderState":
            return [("orderState", order.order_state, action["orderState"])]
        case "transitionState":
            return [("state", _key_of(order.state_id, states), _key_of(action["state"]["id"], states))]
        case "setEstimatedDelivery":
            return [_estimate(order, action)]
        case "addDelivery":
            return _added_delivery(order, action)
        case "removeDelivery":
            return [(_path(key), _items_of(order, deliveries.get(key)), "")]
        case "setDeliveryItems":
            wanted = _render_items(order, _units(action["items"]))
            return [(f"{_path(key)}/items", _items_of(order, deliveries.get(key)), wanted)]
        case "addParcelToDelivery":
            return [(_path(key, action["parcelKey"]), "", _render_parcel(order, action))]
    return _of_parcel(order, action)


def _of_parcel(order: ShopOrder, action: Action) -> list[FieldDifference]:
    delivery, parcel = _find_parcel(order, action["parcelKey"])
    path = _path(delivery.key if delivery else "", action["parcelKey"])
    items = _items_of(order, parcel)
    if action["action"] == "removeParcelFromDelivery":
        return [(path, items, "")]
    if action["action"] == "setParcelItems":
        return [(f"{path}/items", items, _render_items(order, _units(action["items"])))]
    present = dict(parcel.tracking) if parcel else {}
    return [
        (f"{path}/{name}", str(present.get(name) or ""), str(value))
        for name, value in action["trackingData"].items()
        if present.get(name) != value
    ]


def _added_delivery(order: ShopOrder, action: Action) -> list[FieldDifference]:
    key = action["deliveryKey"]
    found = [(_path(key), "", _render_items(order, _units(action["items"])))]
    if action.get("address"):
        found.append((f"{_path(key)}/address", "", MASKED))
    return found + [
        (_path(key, parcel["key"]), "", _render_parcel(order, parcel)) for parcel in action["parcels"]
    ]


def _estimate(order: ShopOrder, action: Action) -> FieldDifference:
    key = action.get("shippingKey")
    shipping = next((each for each in order.shippings if each.key == key), None)
    path = f"estimatedDelivery/{key}" if key else "estimatedDelivery"
    return (path, _window(shipping.estimated if shipping else {}), _window(action["estimatedDelivery"]))


def _window(estimated: Mapping[str, str]) -> str:
    return " to ".join(dict.fromkeys(estimated[name] for name in ("from", "until") if estimated.get(name)))


def _path(delivery_key: str, parcel_key: str = "") -> str:
    delivery = f"Delivery/{delivery_key}"
    return f"{delivery}/Parcel/{parcel_key}" if parcel_key else delivery


def _find_parcel(order: ShopOrder, key: str) -> tuple[ShopDelivery | None, ShopParcel | None]:
    for delivery in order.deliveries:
        for parcel in delivery.parcels:
            if parcel.key == key:
                return delivery, parcel
    return None, None


def _states_of(order: ShopOrder, line_id: str) -> dict[str, int]:
    return next((dict(line.states) for line in order.lines if line.id == line_id), {})


def _render_states(units: Mapping[str, int], states: ShopStates) -> str:
    return ", ".join(f"{_key_of(state_id, states)} {n}" for state_id, n in units.items() if n)


def _key_of(state_id: str, states: ShopStates) -> str:
    known = states.by_id.get(state_id)
    return known.key if known else state_id


def _units(items: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    return {str(item["id"]): item["quantity"] for item in items}


def _items_of(order: ShopOrder, holder: ShopDelivery | ShopParcel | None) -> str:
    return _render_items(order, holder.items) if holder else ""


def _render_items(order: ShopOrder, items: Mapping[str, int]) -> str:
    return ", ".join(f"{units} of {order.name_of(line_id)}" for line_id, units in items.items())


def _render_parcel(order: ShopOrder, parcel: Action) -> str:
    parts = [_render_items(order, _units(parcel["items"]))]
    tracking = parcel.get("trackingData") or {}
    parts += [str(tracking[name]) for name in ("carrier", "trackingId") if tracking.get(name)]
    return ", ".join(parts)
