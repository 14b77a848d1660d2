"""InventoryEntries of the simulated project: drafts, update actions, duplicates (docs: inventory)."""

from __future__ import annotations

from typing import Any

from .commercetools_errors import duplicate_field, invalid_field, invalid_input
from .commercetools_query import Query
from .commercetools_stock import channel_of, entries_of, find_entry
from .commercetools_update import (
    Action,
    Update,
    checked_key,
    moment,
    optional,
    put,
    required,
    set_custom_field,
    set_custom_type,
)
from .core import Json, World

_INT64 = 2**63
_RESERVATION_MINUTES_MAX = 44_640


def new_entry(update: Update, draft: Json) -> Json:
    """A new entry from a draft; `update.order` holds its id, version and times. Raises ApiError."""
    named = {**draft, "action": "InventoryEntryDraft"}
    sku = required(named, "sku", str)
    if not sku:
        raise invalid_field("sku", sku, "It must not be empty.")
    quantity = whole(required(named, "quantityOnStock", int), "quantityOnStock")
    entry = {**update.order, "sku": sku, "quantityOnStock": quantity, "availableQuantity": quantity}
    if draft.get("key") is not None:
        entry["key"] = checked_key("key", draft["key"], entries_of(update.world).by_key)
    put(entry, "supplyChannel", channel_reference(update, draft.get("supplyChannel")))
    check_place(update.world, entry)
    put(entry, "restockableInDays", optional(named, "restockableInDays", int))
    put(entry, "expectedDelivery", moment(named, "expectedDelivery"))
    put(entry, "reservationExpirationInMinutes", _minutes(named))
    _put_limits(entry, named)
    levels = optional(named, "stockLevels", dict) or {}
    for name in ("reorderPoint", "safetyStock"):
        _put_level(entry, name, optional({**levels, "action": "stockLevels"}, name, int))
    if draft.get("custom") is not None:
        set_custom_type(
            update, entry, {**required(named, "custom", dict), "action": "custom"}, "inventory-entry"
        )
    return entry


def add_entry(world: World, entry: Json) -> Json:
    """Puts an entry among the others."""
    index = entries_of(world)
    world.ct.inventory[entry["id"]] = entry
    index.put(entry)
    return entry


def remove_entry(world: World, entry: Json) -> None:
    """Takes an entry out."""
    index = entries_of(world)
    index.drop(entry["id"])
    index.hidden.pop(entry["id"], None)
    index.reserved.pop(entry["id"], None)
    world.ct.inventory.pop(entry["id"], None)


def entry_by_key(world: World, key: str) -> Json | None:
    """The entry with this key."""
    id = entries_of(world).by_key.get(key)
    return world.ct.inventory.get(id) if id else None


def candidates(world: World, query: Query) -> dict[str, Json]:
    """The entries that may match the query: those of the SKUs it names, or all."""
    for predicate in query.predicates:
        name, values = predicate.among or ("", frozenset())
        if name == "sku":
            by_sku, documents = entries_of(world).by_sku, world.ct.inventory
            return {id: documents[id] for sku in sorted(values) for id in sorted(by_sku.get(sku, ()))}
    return world.ct.inventory


def check_place(world: World, entry: Json) -> None:
    """One entry for each sku and channel; raises ApiError DuplicateField."""
    other = find_entry(world, entry["sku"], channel_of(entry))
    if other is not None and other["id"] != entry["id"]:
        raise duplicate_field("sku", entry["sku"])


def channel_reference(update: Update, identifier: Any) -> Json | None:
    """The reference to the channel that a resource identifier names."""
    if identifier is None:
        return None
    return {"typeId": "channel", "id": update.resolve("channel", identifier, "supplyChannel")["id"]}


def whole(value: int, name: str) -> int:
    """A 64-bit integer; raises ApiError."""
    if not -_INT64 <= value < _INT64:
        raise invalid_field(name, value, "It must be a 64-bit integer.")
    return value


def set_quantity(world: World, entry: Json, quantity: int) -> None:
    """Sets the figures of an entry, in place; reservations of carts stay."""
    entry["quantityOnStock"] = whole(quantity, "quantityOnStock")
    entry["availableQuantity"] = quantity - entries_of(world).reserved.get(entry["id"], 0)


def _change_quantity(update: Update, action: Json) -> None:
    set_quantity(update.world, update.order, required(action, "quantity", int))


def _move_quantity(sign: int) -> Action:
    def apply(update: Update, action: Json) -> None:
        moved = sign * required(action, "quantity", int)
        set_quantity(update.world, update.order, update.order["quantityOnStock"] + moved)

    return apply


def _set_key(update: Update, action: Json) -> None:
    key = optional(action, "key", str)
    if key == update.order.get("key"):
        return
    put(update.order, "key", key and checked_key("key", key, entries_of(update.world).by_key))


def _set_supply_channel(update: Update, action: Json) -> None:
    put(update.order, "supplyChannel", channel_reference(update, action.get("supplyChannel")))
    check_place(update.world, update.order)


def _set_number(name: str) -> Action:
    def apply(update: Update, action: Json) -> None:
        put(update.order, name, optional(action, name, int))

    return apply


def _set_expected_delivery(update: Update, action: Json) -> None:
    put(update.order, "expectedDelivery", moment(action, "expectedDelivery"))


def _set_minutes(update: Update, action: Json) -> None:
    put(update.order, "reservationExpirationInMinutes", _minutes(action))


def _minutes(action: Json) -> int | None:
    minutes: int | None = optional(action, "reservationExpirationInMinutes", int)
    if minutes is not None and not 1 <= minutes <= _RESERVATION_MINUTES_MAX:
        why = f"It must be from 1 to {_RESERVATION_MINUTES_MAX}."
        raise invalid_field("reservationExpirationInMinutes", minutes, why)
    return minutes


def _set_limits(update: Update, action: Json) -> None:
    _put_limits(update.order, action)


def _put_limits(entry: Json, action: Json) -> None:
    limits = []
    for name in ("minCartQuantity", "maxCartQuantity"):
        limit = optional(action, name, int)
        if limit is not None and limit < 1:
            raise invalid_field(name, limit, "It must be at least 1.")
        put(entry, name, limit)
        limits.append(limit)
    low, high = limits
    if low is not None and high is not None and low > high:
        raise invalid_input("minCartQuantity must not be greater than maxCartQuantity.")


def _set_level(name: str) -> Action:
    def apply(update: Update, action: Json) -> None:
        _put_level(update.order, name, optional(action, "quantity", int))

    return apply


def _put_level(entry: Json, name: str, quantity: int | None) -> None:
    levels = dict(entry.get("stockLevels") or {})
    put(levels, name, quantity)
    put(entry, "stockLevels", levels or None)


def _set_type(update: Update, action: Json) -> None:
    set_custom_type(update, update.order, action, "inventory-entry")


def _set_field(update: Update, action: Json) -> None:
    set_custom_field(update, update.order, action)


ENTRY_ACTIONS: dict[str, Action] = {
    "changeQuantity": _change_quantity,
    "addQuantity": _move_quantity(1),
    "removeQuantity": _move_quantity(-1),
    "setKey": _set_key,
    "setSupplyChannel": _set_supply_channel,
    "setRestockableInDays": _set_number("restockableInDays"),
    "setExpectedDelivery": _set_expected_delivery,
    "setReservationExpirationInMinutes": _set_minutes,
    "setInventoryLimits": _set_limits,
    "setSafetyStock": _set_level("safetyStock"),
    "setReorderPoint": _set_level("reorderPoint"),
    "setCustomType": _set_type,
    "setCustomField": _set_field,
}
