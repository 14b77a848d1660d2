"""Update actions on Deliveries, Parcels and ReturnInfo (commercetools docs: orders, update actions)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .commercetools_errors import invalid_field, invalid_input, invalid_json, invalid_operation
from .commercetools_update import (
    ENUMS,
    Action,
    Update,
    checked_address,
    checked_key,
    enum,
    moment,
    optional,
    put,
    required,
    set_custom_field,
    set_custom_type,
)
from .core import Json


def _shipping_infos(order: Json) -> list[Json]:
    infos = [each["shippingInfo"] for each in order.get("shipping") or [] if each.get("shippingInfo")]
    return [*infos, order["shippingInfo"]] if order.get("shippingInfo") else infos


def _deliveries(order: Json) -> Iterator[Json]:
    for info in _shipping_infos(order):
        yield from info.get("deliveries") or []


def _parcels(order: Json) -> Iterator[Json]:
    for delivery in _deliveries(order):
        yield from delivery["parcels"]


def _return_items(order: Json) -> Iterator[Json]:
    for info in order.get("returnInfo") or []:
        yield from info["items"]


def _keys(things: Iterator[Json]) -> set[str]:
    return {thing["key"] for thing in things if thing.get("key")}


def _find(action: Json, prefix: str, things: Iterator[Json]) -> Json:
    for field in ("Id", "Key"):
        value = action.get(prefix + field)
        if value is not None:
            for thing in things:
                if thing.get(field.lower()) == value:
                    return thing
            raise invalid_operation(
                f"The {prefix} with {field.lower()} '{value}' was not found in the order."
            )
    raise invalid_json(f"{action['action']}: {prefix}Id or {prefix}Key is required")


def _delivery(update: Update, action: Json) -> Json:
    return _find(action, "delivery", _deliveries(update.order))


def _parcel(update: Update, action: Json) -> Json:
    return _find(action, "parcel", _parcels(update.order))


def _items(update: Update, action: Json, name: str = "items") -> list[Json]:
    """Delivery items: known lines, whole positive quantities. Their sum over Deliveries is not checked."""
    known = {line["id"] for line in [*update.order["lineItems"], *update.order["customLineItems"]]}
    items = []
    for given in optional(action, name, list) or []:
        if not isinstance(given, dict):
            raise invalid_json(f"{action['action']}.{name}: not an object")
        item = {**given, "action": action["action"]}
        id, quantity = required(item, "id", str), required(item, "quantity", int)
        if id not in known:
            raise invalid_operation(f"The line item with id '{id}' was not found in the order.")
        if quantity < 1:
            raise invalid_field("quantity", quantity, "It must be greater than 0.")
        items.append({"id": id, "quantity": quantity})
    return items


def _tracking(action: Json) -> Json | None:
    given = optional(action, "trackingData", dict)
    if given is None:
        return None
    names = ("trackingId", "carrier", "provider", "providerTransaction")
    entry = {**given, "action": action["action"]}
    data = {name: optional(entry, name, str) for name in names}
    tracking = {name: value for name, value in data.items() if value is not None}
    tracking["isReturn"] = optional(entry, "isReturn", bool) or False
    return tracking


def _measurements(action: Json) -> Json | None:
    given = optional(action, "measurements", dict)
    if given is None:
        return None
    entry = {**given, "action": action["action"]}
    names = ("heightInMillimeter", "lengthInMillimeter", "widthInMillimeter", "weightInGram")
    values = {name: optional(entry, name, int) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _parcel_items(update: Update, action: Json, delivery: Json) -> list[Json]:
    """Items of a Parcel: lines of its Delivery (docs, 24 October 2017: "which line items of a Delivery goes
    into which parcel"). That others are refused is inferred; their quantities are not compared.
    """
    items = _items(update, action)
    inside = {item["id"] for item in delivery["items"]}
    for item in items:
        if item["id"] not in inside:
            raise invalid_operation(f"The line item with id '{item['id']}' is not part of the delivery.")
    return items


def _new_parcel(update: Update, draft: Json, key: Any, taken: set[str], delivery: Json) -> Json:
    parcel: Json = {"id": update.new_id()}
    if key is not None:
        parcel["key"] = checked_key("key", key, taken)
        taken.add(parcel["key"])
    parcel["createdAt"] = update.stamp()
    put(parcel, "measurements", _measurements(draft))
    put(parcel, "trackingData", _tracking(draft))
    parcel["items"] = _parcel_items(update, draft, delivery)
    _draft_custom(update, parcel, draft, "order-parcel")
    return parcel


def _draft_custom(update: Update, holder: Json, draft: Json, resource: str) -> None:
    custom = optional(draft, "custom", dict)
    if custom:
        set_custom_type(update, holder, {**custom, "action": draft["action"]}, resource)


def _info_for(update: Update, action: Json) -> Json:
    """The ShippingInfo an action is about: the only one, or that of its shippingKey in Multiple mode."""
    order = update.order
    key = optional(action, "shippingKey", str)
    if order.get("shippingMode") == "Multiple":
        if key is None:
            raise invalid_operation("The shippingKey is required for an order with shippingMode 'Multiple'.")
        for shipping in order.get("shipping") or []:
            if shipping["shippingKey"] == key:
                multiple: Json = shipping["shippingInfo"]
                return multiple
        raise invalid_operation(f"The shipping with shippingKey '{key}' was not found in the order.")
    if not order.get("shippingInfo"):
        raise invalid_operation("The order has no shippingInfo.")
    single: Json = order["shippingInfo"]
    return single


def _add_delivery(update: Update, action: Json) -> None:
    info = _info_for(update, action)
    delivery: Json = {"id": update.new_id()}
    if action.get("deliveryKey") is not None:
        taken = _keys(_deliveries(update.order))
        delivery["key"] = checked_key("key", action["deliveryKey"], taken)
    delivery["createdAt"] = update.stamp()
    delivery["items"] = _items(update, action)
    taken = _keys(_parcels(update.order))
    drafts = [{**draft, "action": action["action"]} for draft in optional(action, "parcels", list) or []]
    delivery["parcels"] = [_new_parcel(update, draft, draft.get("key"), taken, delivery) for draft in drafts]
    put(delivery, "address", checked_address(action))
    _draft_custom(update, delivery, action, "order-delivery")
    info.setdefault("deliveries", []).append(delivery)


def _remove_delivery(update: Update, action: Json) -> None:
    gone = _delivery(update, action)
    for info in _shipping_infos(update.order):
        info["deliveries"] = [each for each in info.get("deliveries") or [] if each is not gone]


def _set_delivery_items(update: Update, action: Json) -> None:
    required(action, "items", list)
    _delivery(update, action)["items"] = _items(update, action)


def _set_delivery_address(update: Update, action: Json) -> None:
    put(_delivery(update, action), "address", checked_address(action))


def _add_parcel(update: Update, action: Json) -> None:
    delivery = _delivery(update, action)
    taken = _keys(_parcels(update.order))
    delivery["parcels"].append(_new_parcel(update, action, action.get("parcelKey"), taken, delivery))


def _remove_parcel(update: Update, action: Json) -> None:
    gone = _parcel(update, action)
    for delivery in _deliveries(update.order):
        delivery["parcels"] = [each for each in delivery["parcels"] if each is not gone]


def _set_parcel_items(update: Update, action: Json) -> None:
    required(action, "items", list)
    parcel = _parcel(update, action)
    delivery = next(each for each in _deliveries(update.order) if parcel in each["parcels"])
    parcel["items"] = _parcel_items(update, action, delivery)


def _set_parcel_tracking(update: Update, action: Json) -> None:
    put(_parcel(update, action), "trackingData", _tracking(action))


def _set_parcel_measurements(update: Update, action: Json) -> None:
    put(_parcel(update, action), "measurements", _measurements(action))


def _set_estimated_delivery(update: Update, action: Json) -> None:
    info = _info_for(update, action)
    given = optional(action, "estimatedDelivery", dict)
    if given is None:
        info.pop("estimatedDelivery", None)
        return
    entry = {**given, "action": action["action"]}
    bounds = {name: moment(entry, name) for name in ("from", "until")}
    info["estimatedDelivery"] = {name: value for name, value in bounds.items() if value}


# ── returns ──


def _return_item(update: Update, draft: Any, action: Json, taken: set[str]) -> Json:
    if not isinstance(draft, dict):
        raise invalid_json(f"{action['action']}.items: not an object")
    entry = {**draft, "action": action["action"]}
    state = enum(entry, "shipmentState", ENUMS["returnShipmentState"])
    if state not in ("Advised", "Returned"):
        raise invalid_input(
            f"The shipmentState '{state}' is not allowed when a return item is created; allowed are Advised, "
            "Returned."
        )
    quantity = required(entry, "quantity", int)
    if quantity < 1:
        raise invalid_field("quantity", quantity, "It must be greater than 0.")
    line, custom_line = optional(entry, "lineItemId", str), optional(entry, "customLineItemId", str)
    if (line is None) == (custom_line is None):
        raise invalid_json(f"{action['action']}.items: either lineItemId or customLineItemId is required")
    kind, lines = ("lineItem", "lineItems") if line else ("customLineItem", "customLineItems")
    id = line or custom_line
    ordered = {each["id"]: each["quantity"] for each in update.order[lines]}
    if id not in ordered:
        raise invalid_operation(f"The {kind} with id '{id}' was not found in the order.")
    if quantity > ordered[id]:
        raise invalid_field(
            "quantity", quantity, f"The {kind} with id '{id}' has a quantity of {ordered[id]} only."
        )
    item: Json = {"type": f"{kind[0].upper()}{kind[1:]}ReturnItem", "id": update.new_id()}
    if draft.get("key") is not None:
        item["key"] = checked_key("key", draft["key"], taken)
        taken.add(item["key"])
    item |= {"quantity": quantity, f"{kind}Id": id, "shipmentState": state}
    item["paymentState"] = "Initial" if state == "Returned" else "NonRefundable"
    put(item, "comment", optional(entry, "comment", str))
    _draft_custom(update, item, entry, "order-return-item")
    item["lastModifiedAt"] = item["createdAt"] = update.stamp()
    return item


def _return_info(update: Update, draft: Json, action: Json, taken: set[str]) -> Json:
    entry = {**draft, "action": action["action"]}
    items = required(entry, "items", list)
    if not items:
        raise invalid_input("A return info must have at least one item.")
    info: Json = {"items": [_return_item(update, item, action, taken) for item in items]}
    put(info, "returnTrackingId", optional(entry, "returnTrackingId", str))
    put(info, "returnDate", moment(entry, "returnDate"))
    return info


def _add_return_info(update: Update, action: Json) -> None:
    taken = _keys(_return_items(update.order))
    update.order.setdefault("returnInfo", []).append(_return_info(update, action, action, taken))


def _set_return_info(update: Update, action: Json) -> None:
    """Replaces every return info, and so their ids and states."""
    taken: set[str] = set()
    drafts = optional(action, "items", list) or []
    if not all(isinstance(draft, dict) for draft in drafts):
        raise invalid_json(f"{action['action']}.items: not an object")
    update.order["returnInfo"] = [_return_info(update, draft, action, taken) for draft in drafts]


def _found_return_item(update: Update, action: Json) -> Json:
    return _find(action, "returnItem", _return_items(update.order))


def _set_return_shipment_state(update: Update, action: Json) -> None:
    item = _found_return_item(update, action)
    state = enum(action, "shipmentState", ENUMS["returnShipmentState"])
    if item["shipmentState"] != "Returned" or state not in ("BackInStock", "Unusable"):
        raise invalid_operation(
            f"The return item's shipmentState cannot change from '{item['shipmentState']}' to '{state}'."
        )
    item["shipmentState"] = state
    item["lastModifiedAt"] = update.stamp()


def _set_return_payment_state(update: Update, action: Json) -> None:
    item = _found_return_item(update, action)
    state = enum(action, "paymentState", ENUMS["returnPaymentState"])
    if item["paymentState"] == state:
        return
    if item["paymentState"] == "NonRefundable" or state not in ("Refunded", "NotRefunded"):
        raise invalid_operation(
            f"The return item's paymentState cannot change from '{item['paymentState']}' to '{state}'."
        )
    item["paymentState"] = state
    item["lastModifiedAt"] = update.stamp()


def _custom_type_of(find: Callable[[Update, Json], Json], resource: str) -> Action:
    return lambda update, action: set_custom_type(update, find(update, action), action, resource)


def _custom_field_of(find: Callable[[Update, Json], Json]) -> Action:
    return lambda update, action: set_custom_field(update, find(update, action), action)


ACTIONS: dict[str, Action] = {
    "addDelivery": _add_delivery,
    "removeDelivery": _remove_delivery,
    "setDeliveryItems": _set_delivery_items,
    "setDeliveryAddress": _set_delivery_address,
    "setDeliveryCustomType": _custom_type_of(_delivery, "order-delivery"),
    "setDeliveryCustomField": _custom_field_of(_delivery),
    "addParcelToDelivery": _add_parcel,
    "removeParcelFromDelivery": _remove_parcel,
    "setParcelItems": _set_parcel_items,
    "setParcelTrackingData": _set_parcel_tracking,
    "setParcelMeasurements": _set_parcel_measurements,
    "setParcelCustomType": _custom_type_of(_parcel, "order-parcel"),
    "setParcelCustomField": _custom_field_of(_parcel),
    "setEstimatedDelivery": _set_estimated_delivery,
    "addReturnInfo": _add_return_info,
    "setReturnInfo": _set_return_info,
    "setReturnShipmentState": _set_return_shipment_state,
    "setReturnPaymentState": _set_return_payment_state,
    "setReturnItemCustomType": _custom_type_of(_found_return_item, "order-return-item"),
    "setReturnItemCustomField": _custom_field_of(_found_return_item),
}
