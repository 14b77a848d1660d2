"""Update actions on Orders: the engine of one update and the actions on the Order itself.

Each action is a small function in `ACTIONS`; it changes a private copy of the Order or raises ApiError.
Shapes and refusals as in commercetools docs: orders, update actions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .commercetools_errors import (
    duplicate_field,
    invalid_field,
    invalid_input,
    invalid_json,
    invalid_operation,
    reference_not_found,
)
from .core import Json, World, frozen_json
from .generate import timestamp
from .predicate import parse_moment

ACTIONS_MAX = 500

COLLECTIONS = {
    "channel": "channels",
    "payment": "payments",
    "state": "states",
    "type": "types",
    "store": "stores",
    "shipping-method": "shipping_methods",
    "discount-code": "discount_codes",
    "cart-discount": "cart_discounts",
    "product-discount": "product_discounts",
    "order": "orders",
}
"""typeId of a reference -> where its documents are kept."""

ENUMS = {
    "orderState": ("Open", "Confirmed", "Complete", "Cancelled"),
    "shipmentState": (
        "Shipped", "Delivered", "Ready", "Pending", "Delayed", "Partial", "Backorder", "Canceled",
    ),
    "paymentState": ("BalanceDue", "Failed", "Pending", "CreditOwed", "Paid"),
    "returnShipmentState": ("Advised", "Returned", "BackInStock", "Unusable"),
    "returnPaymentState": ("NonRefundable", "Initial", "Refunded", "NotRefunded"),
}  # fmt: skip

_KEY = re.compile(r"[A-Za-z0-9_-]{2,256}\Z")
_COUNTRY = re.compile(r"[A-Z]{2}\Z")


@dataclass(slots=True)
class Update:
    """One update in progress: the copy being changed and what the actions may ask for."""

    order: Json
    world: World
    now: datetime

    def documents(self, kind: str) -> dict[str, Json]:
        found: dict[str, Json] = getattr(self.world.ct, COLLECTIONS[kind])
        return found

    def resolve(self, kind: str, identifier: Any, where: str) -> Json:
        """The document that a resource identifier {typeId?, id | key} names; ApiError 400 when none."""
        if not isinstance(identifier, dict) or not (identifier.get("id") or identifier.get("key")):
            raise invalid_json(f"{where}: a resource identifier with id or key is required")
        if identifier.get("typeId", kind) != kind:
            raise invalid_json(f"{where}: typeId '{identifier['typeId']}' is not '{kind}'")
        documents = self.documents(kind)
        if identifier.get("id"):
            document = documents.get(identifier["id"])
            if document is None:
                raise reference_not_found(kind, id=identifier["id"])
            return document
        for document in documents.values():
            if document.get("key") == identifier["key"]:
                return document
        raise reference_not_found(kind, key=identifier["key"])

    def new_id(self) -> str:
        return self.world.new_id()

    def stamp(self) -> str:
        return timestamp(self.now)


Action = Callable[[Update, Json], None]


def apply_actions(update: Update, actions: Any, table: Mapping[str, Action]) -> int:
    """Applies the actions in order; the number of those that changed something.

    Raises ApiError at the first action that is refused: the caller throws the copy away (atomic).
    """
    if not isinstance(actions, list):
        raise invalid_json("actions: Missing required value")
    if len(actions) > ACTIONS_MAX:
        raise invalid_input(f"The maximum number of update actions is {ACTIONS_MAX}, given: {len(actions)}.")
    changed = 0
    before = frozen_json(update.order)
    for action in actions:
        if not isinstance(action, dict) or not isinstance(action.get("action"), str):
            raise invalid_json("actions: each one needs the field 'action'")
        apply = table.get(action["action"])
        if apply is None:
            raise invalid_input(f"Invalid type id '{action['action']}' of an update action.")
        apply(update, action)
        after = frozen_json(update.order)
        changed += after != before
        before = after
    return changed


# ── reading an action's fields ──


def required(action: Json, name: str, kind: type) -> Any:
    """A required field of an action; ApiError 400 when absent or of another type."""
    value = action.get(name)
    if value is None:
        raise invalid_json(f"{action['action']}.{name}: Missing required value")
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise invalid_json(f"{action['action']}.{name}: not a {kind.__name__}")
    return value


def optional(action: Json, name: str, kind: type) -> Any:
    return None if action.get(name) is None else required(action, name, kind)


def enum(action: Json, name: str, values: Iterable[str]) -> str:
    value: str = required(action, name, str)
    if value not in values:
        raise invalid_json(f"{action['action']}.{name}: '{value}' is not one of {', '.join(values)}")
    return value


def moment(action: Json, name: str) -> str | None:
    """An optional date-time as the platform writes it back."""
    text = optional(action, name, str)
    if text is None:
        return None
    parsed = parse_moment(text)
    if parsed is None:
        raise invalid_json(f"{action['action']}.{name}: '{text}' is not a date-time")
    return timestamp(parsed)


def checked_key(field: str, value: Any, taken: Iterable[str]) -> str:
    """A user-defined key: 2..256 of [A-Za-z0-9_-], not used yet."""
    if not isinstance(value, str) or not _KEY.match(value):
        raise invalid_field(field, value, "Allowed are 2 to 256 characters of [a-zA-Z0-9_-].")
    if value in taken:
        raise duplicate_field(field, value)
    return value


def checked_address(action: Json, name: str = "address") -> Json | None:
    address: Json | None = optional(action, name, dict)
    if address is not None and not _COUNTRY.match(str(address.get("country", ""))):
        raise invalid_json(f"{action['action']}.{name}.country: a two-letter country code is required")
    return address


def put(holder: Json, name: str, value: Any) -> None:
    """Sets a field, or removes it when there is no value."""
    if value is None:
        holder.pop(name, None)
    else:
        holder[name] = value


def find_line(update: Update, action: Json, custom: bool = False) -> Json:
    """The line an action names by id or key."""
    prefix = "customLineItem" if custom else "lineItem"
    for field in ("Id", "Key"):
        value = action.get(prefix + field)
        if value is None:
            continue
        for line in update.order[prefix + "s"]:
            if line.get(field.lower()) == value:
                found: Json = line
                return found
        raise invalid_operation(f"The {prefix} with {field.lower()} '{value}' was not found in the order.")
    raise invalid_json(f"{action['action']}: {prefix}Id or {prefix}Key is required")


# ── the Order itself ──


def _set_enum(field: str, values: tuple[str, ...]) -> Action:
    def apply(update: Update, action: Json) -> None:
        update.order[field] = enum(action, field, values)

    return apply


def _set_text(action_field: str, field: str) -> Action:
    def apply(update: Update, action: Json) -> None:
        put(update.order, field, optional(action, action_field, str))

    return apply


def _set_address(field: str) -> Action:
    def apply(update: Update, action: Json) -> None:
        put(update.order, field, checked_address(action))

    return apply


def _set_order_number(update: Update, action: Json) -> None:
    number = optional(action, "orderNumber", str)
    present = update.order.get("orderNumber")
    if present == number:
        return
    if present is not None:
        raise invalid_operation("The order number is already set and cannot be changed.")
    if any(order.get("orderNumber") == number for order in update.world.ct.orders.values()):
        raise duplicate_field("orderNumber", number)
    update.order["orderNumber"] = number


def _update_sync_info(update: Update, action: Json) -> None:
    channel = update.resolve("channel", action.get("channel"), "updateSyncInfo.channel")
    if not {"OrderExport", "OrderImport"} & set(channel.get("roles", [])):
        raise invalid_input(
            f"The channel '{channel['id']}' must have the role 'OrderExport' or 'OrderImport' to be used in "
            "the sync info."
        )
    info: Json = {"channel": {"typeId": "channel", "id": channel["id"]}}
    put(info, "externalId", optional(action, "externalId", str))
    info["syncedAt"] = moment(action, "syncedAt") or update.stamp()
    others = [each for each in update.order["syncInfo"] if each["channel"]["id"] != channel["id"]]
    update.order["syncInfo"] = [*others, info]


def _state(update: Update, identifier: Any, where: str, kind: str) -> Json:
    state = update.resolve("state", identifier, where)
    if state["type"] != kind:
        raise invalid_operation(f"The state '{state.get('key')}' is of type {state['type']}, not {kind}.")
    return state


def _check_transition(update: Update, present: Json | None, following: Json) -> None:
    if present is None or "transitions" not in present:
        return
    if following["id"] not in [each["id"] for each in present["transitions"]]:
        raise invalid_operation(
            f"The transition from '{present.get('key')}' to '{following.get('key')}' is not allowed."
        )


def _transition_state(update: Update, action: Json) -> None:
    following = _state(update, action.get("state"), "transitionState.state", "OrderState")
    present_ref = update.order.get("state")
    if present_ref and present_ref["id"] == following["id"]:
        return
    if not optional(action, "force", bool):
        if present_ref is None and not following.get("initial"):
            raise invalid_operation(f"The state '{following.get('key')}' is not an initial state.")
        present = update.documents("state").get(present_ref["id"]) if present_ref else None
        _check_transition(update, present, following)
    update.order["state"] = {"typeId": "state", "id": following["id"]}


def _transition_line(custom: bool) -> Action:
    def apply(update: Update, action: Json) -> None:
        line = find_line(update, action, custom)
        quantity = required(action, "quantity", int)
        source = _state(update, action.get("fromState"), "fromState", "LineItemState")
        target = _state(update, action.get("toState"), "toState", "LineItemState")
        moment(action, "actualTransitionDate")
        if quantity < 1:
            raise invalid_input("The quantity of a transition must be greater than 0.")
        _check_transition(update, source, target)
        rows = {row["state"]["id"]: row["quantity"] for row in line["state"]}
        if rows.get(source["id"], 0) < quantity:
            raise invalid_operation(
                f"Only {rows.get(source['id'], 0)} of line item '{line['id']}' are in state "
                f"'{source.get('key')}', {quantity} cannot be moved."
            )
        rows[source["id"]] -= quantity
        rows[target["id"]] = rows.get(target["id"], 0) + quantity
        line["state"] = _state_rows(rows)

    return apply


def _import_line_state(custom: bool) -> Action:
    def apply(update: Update, action: Json) -> None:
        line = find_line(update, action, custom)
        rows: dict[str, int] = {}
        for row in required(action, "state", list):
            entry = {**row, "action": action["action"]}
            state = _state(update, entry.get("state"), "state", "LineItemState")
            rows[state["id"]] = rows.get(state["id"], 0) + required(entry, "quantity", int)
        if sum(rows.values()) != line["quantity"]:
            raise invalid_operation(
                f"The quantities of the states add up to {sum(rows.values())}, the line item's quantity is "
                f"{line['quantity']}."
            )
        line["state"] = _state_rows(rows)

    return apply


def _state_rows(rows: Mapping[str, int]) -> list[Json]:
    return [{"quantity": n, "state": {"typeId": "state", "id": id}} for id, n in rows.items() if n]


def _add_payment(update: Update, action: Json) -> None:
    payment = update.resolve("payment", action.get("payment"), "addPayment.payment")
    payments = update.order.setdefault("paymentInfo", {"payments": []})["payments"]
    if any(each["id"] == payment["id"] for each in payments):
        raise invalid_operation(f"The payment '{payment['id']}' is already in the order.")
    payments.append({"typeId": "payment", "id": payment["id"]})


def _remove_payment(update: Update, action: Json) -> None:
    payment = update.resolve("payment", action.get("payment"), "removePayment.payment")
    payments = (update.order.get("paymentInfo") or {}).get("payments", [])
    left = [each for each in payments if each["id"] != payment["id"]]
    put(update.order, "paymentInfo", {"payments": left} if left else None)


def _set_store(update: Update, action: Json) -> None:
    store = action.get("store")
    key = update.resolve("store", store, "setStore.store")["key"] if store else None
    if key == (update.order.get("store") or {}).get("key"):
        raise invalid_operation("The order is already assigned to this store.")
    put(update.order, "store", {"typeId": "store", "key": key} if key else None)


# ── custom types and fields ──


def set_custom_type(update: Update, holder: Json, action: Json, resource: str) -> None:
    """Replaces type and fields of a holder; no type removes both."""
    identifier = action.get("type")
    if not identifier:
        holder.pop("custom", None)
        return
    custom_type = update.resolve("type", identifier, f"{action['action']}.type")
    if resource not in custom_type["resourceTypeIds"]:
        raise invalid_operation(
            f"The type '{custom_type.get('key')}' is not for resources of type {resource}."
        )
    fields = optional(action, "fields", dict) or {}
    for name in fields:
        _check_field(custom_type, name)
    holder["custom"] = {"type": {"typeId": "type", "id": custom_type["id"]}, "fields": dict(fields)}


def set_custom_field(update: Update, holder: Json, action: Json) -> None:
    """Sets or removes one field of the type that the holder already has."""
    name = required(action, "name", str)
    custom = holder.get("custom")
    if not custom:
        raise invalid_operation(f"'{name}' cannot be set: the resource has no custom type.")
    custom_type = update.documents("type").get(custom["type"]["id"])
    if custom_type:
        _check_field(custom_type, name)
    if action.get("value") is None:
        if name not in custom["fields"]:
            raise invalid_operation(f"The custom field '{name}' cannot be removed: it is not set.")
        del custom["fields"][name]
    else:
        custom["fields"][name] = action["value"]


def _check_field(custom_type: Json, name: str) -> None:
    defined = [definition["name"] for definition in custom_type.get("fieldDefinitions", [])]
    if defined and name not in defined:
        raise invalid_field(name, name, f"The type '{custom_type.get('key')}' defines no such field.")


ACTIONS: dict[str, Action] = {
    "changeOrderState": _set_enum("orderState", ENUMS["orderState"]),
    "changeShipmentState": _set_enum("shipmentState", ENUMS["shipmentState"]),
    "changePaymentState": _set_enum("paymentState", ENUMS["paymentState"]),
    "setShippingAddress": _set_address("shippingAddress"),
    "setBillingAddress": _set_address("billingAddress"),
    "setCustomerEmail": _set_text("email", "customerEmail"),
    "setCustomerId": _set_text("customerId", "customerId"),
    "setPurchaseOrderNumber": _set_text("purchaseOrderNumber", "purchaseOrderNumber"),
    "setLocale": _set_text("locale", "locale"),
    "setOrderNumber": _set_order_number,
    "setStore": _set_store,
    "updateSyncInfo": _update_sync_info,
    "transitionState": _transition_state,
    "transitionLineItemState": _transition_line(False),
    "transitionCustomLineItemState": _transition_line(True),
    "importLineItemState": _import_line_state(False),
    "importCustomLineItemState": _import_line_state(True),
    "addPayment": _add_payment,
    "removePayment": _remove_payment,
    "setCustomType": lambda update, action: set_custom_type(update, update.order, action, "order"),
    "setCustomField": lambda update, action: set_custom_field(update, update.order, action),
    "setLineItemCustomType": lambda update, action: set_custom_type(
        update, find_line(update, action), action, "line-item"
    ),
    "setLineItemCustomField": lambda update, action: set_custom_field(
        update, find_line(update, action), action
    ),
}
