"""What the simulated project holds besides Orders: fields, scopes, drafts and update actions per resource."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from . import predicate_fields as fields_of
from .commercetools_errors import ApiError, duplicate_field, invalid_field, invalid_json
from .commercetools_inventory import ENTRY_ACTIONS
from .commercetools_update import Action, Update, checked_key, enum, put, required
from .core import Json
from .predicate_fields import Fields

CHANNEL_ROLES = ("InventorySupply", "ProductDistribution", "OrderExport", "OrderImport", "Primary")
STATE_TYPES = (
    *("OrderState", "RecurringOrderState", "LineItemState", "ProductState", "ReviewState", "PaymentState"),
    *("QuoteRequestState", "StagedQuoteState", "QuoteState"),
)
RESOURCE_TYPE_IDS = (
    *("order", "order-delivery", "order-parcel", "order-return-item", "line-item", "custom-line-item"),
    *("inventory-entry", "channel", "payment", "transaction", "customer", "address", "store", "shipping"),
)
"""Those that matter here."""
FIELD_TYPES = (
    *("Boolean", "String", "LocalizedString", "Enum", "LocalizedEnum", "Number", "Money", "Date", "Time"),
    *("DateTime", "Reference", "Set"),
)
_FIELD_NAME = re.compile(r"[A-Za-z0-9_-]{2,36}")
_TRANSACTION_TYPES = ("Authorization", "CancelAuthorization", "Charge", "Refund", "Chargeback")
_TRANSACTION_STATES = ("Initial", "Pending", "Success", "Failure")


@dataclass(frozen=True, slots=True)
class Resource:
    """One collection of the project. `draft` = what a new document must have; None = not created here."""

    name: str
    attribute: str
    fields: Fields
    view_scopes: tuple[str, ...]
    manage_scopes: tuple[str, ...]
    draft: tuple[str, ...] | None = None
    defaults: Mapping[str, object] = field(default_factory=dict)
    actions: Mapping[str, Action] = field(default_factory=dict)


def new_document(resource: Resource, draft: Json, documents: Mapping[str, Json], head: Json) -> Json:
    """A new document from its draft. Raises ApiError for a missing field or a key that is taken."""
    if resource.draft is None:
        raise ApiError(405, "InvalidInput", f"A {resource.name} cannot be created here.")
    for name in resource.draft:
        if draft.get(name) is None:
            raise invalid_json(f"{name}: Missing required value")
    if draft.get("key") is not None:
        checked_key("key", draft["key"], [each.get("key", "") for each in documents.values()])
    code = draft.get("code")
    if code is not None and any(each.get("code") == code for each in documents.values()):
        raise duplicate_field("code", code)
    if resource.name == "channel":
        _check_roles(draft.get("roles", []))
    if resource.name == "state" and draft["type"] not in STATE_TYPES:
        raise invalid_json(f"type: '{draft['type']}' is not one of {', '.join(STATE_TYPES)}")
    if resource.name == "type":
        _check_type(draft)
    own = {name: value for name, value in draft.items() if name not in head}
    return {**head, **resource.defaults, **own}


def _check_roles(roles: object) -> list[str]:
    if not isinstance(roles, list):
        raise invalid_json("roles: not an array")
    for role in roles:
        if role not in CHANNEL_ROLES:
            raise invalid_field("roles", role, f"Allowed are {', '.join(CHANNEL_ROLES)}.")
    return list(dict.fromkeys(roles))


def _check_type(draft: Json) -> None:
    """commercetools docs, TypeDraft."""
    if not isinstance(draft["name"], dict) or not draft["name"]:
        raise invalid_json("name: a localized string is expected")
    for of_resource in draft["resourceTypeIds"]:
        if of_resource not in RESOURCE_TYPE_IDS:
            raise invalid_json(
                f"resourceTypeIds: '{of_resource}' is not one of {', '.join(RESOURCE_TYPE_IDS)}"
            )
    names = [_checked_field(each)["name"] for each in draft.get("fieldDefinitions", [])]
    if len(set(names)) < len(names):
        raise duplicate_field("fieldDefinitions", names)


def _checked_field(definition: Json) -> Json:
    """commercetools docs, FieldDefinition."""
    for name in ("name", "type", "label", "required"):
        if definition.get(name) is None:
            raise invalid_json(f"fieldDefinition.{name}: Missing required value")
    if not _FIELD_NAME.fullmatch(str(definition["name"])):
        raise invalid_field("name", definition["name"], "Allowed are 2 to 36 characters of [a-zA-Z0-9_-].")
    if definition["type"].get("name") not in FIELD_TYPES:
        raise invalid_json(f"fieldDefinition.type: '{definition['type'].get('name')}' is not known")
    return definition


def _add_field_definition(update: Update, action: Json) -> None:
    definition = _checked_field(required(action, "fieldDefinition", dict))
    if any(each["name"] == definition["name"] for each in update.order["fieldDefinitions"]):
        raise duplicate_field("name", definition["name"])
    update.order["fieldDefinitions"] = [*update.order["fieldDefinitions"], definition]


def _set_roles(update: Update, action: Json) -> None:
    update.order["roles"] = _check_roles(required(action, "roles", list))


def _add_roles(update: Update, action: Json) -> None:
    update.order["roles"] = _check_roles([*update.order["roles"], *required(action, "roles", list)])


def _remove_roles(update: Update, action: Json) -> None:
    gone = _check_roles(required(action, "roles", list))
    update.order["roles"] = [role for role in update.order["roles"] if role not in gone]


def _change_key(update: Update, action: Json) -> None:
    update.order["key"] = checked_key("key", action.get("key"), ())


def _change_name(update: Update, action: Json) -> None:
    update.order["name"] = required(action, "name", dict)


def _set_transitions(update: Update, action: Json) -> None:
    transitions = action.get("transitions")
    if transitions is not None:
        ids = [update.resolve("state", each, "transitions")["id"] for each in transitions]
        transitions = [{"typeId": "state", "id": id} for id in ids]
    put(update.order, "transitions", transitions)


def _add_transaction(update: Update, action: Json) -> None:
    draft = {**required(action, "transaction", dict), "action": action["action"]}
    kind = enum(draft, "type", _TRANSACTION_TYPES)
    state = enum(draft, "state", _TRANSACTION_STATES) if draft.get("state") else "Initial"
    row = {"id": update.new_id(), "type": kind, "amount": required(draft, "amount", dict), "state": state}
    for name in ("timestamp", "interactionId"):
        put(row, name, draft.get(name))
    update.order["transactions"].append(row)


def _change_transaction_state(update: Update, action: Json) -> None:
    id = required(action, "transactionId", str)
    for row in update.order["transactions"]:
        if row["id"] == id:
            row["state"] = enum(action, "state", _TRANSACTION_STATES)
            return
    raise invalid_field("transactionId", id, "There is no such transaction.")


def _scopes(*names: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Reading and writing scopes; whoever may manage may also view (commercetools docs: scopes)."""
    manage = tuple(f"manage_{name}" for name in names)
    return (*(f"view_{name}" for name in names), *manage), manage


RESOURCES: dict[str, Resource] = {
    "orders": Resource("order", "orders", fields_of.ORDER, *_scopes("orders")),
    "channels": Resource(
        "channel",
        "channels",
        fields_of.CHANNEL,
        *_scopes("channels", "products"),
        draft=("key",),
        defaults={"roles": ["InventorySupply"]},
        actions={
            "setRoles": _set_roles,
            "addRoles": _add_roles,
            "removeRoles": _remove_roles,
            "changeKey": _change_key,
            "changeName": _change_name,
        },
    ),
    "inventory": Resource(
        "inventory-entry",
        "inventory",
        fields_of.INVENTORY,
        *_scopes("products"),
        draft=("sku", "quantityOnStock"),
        actions=ENTRY_ACTIONS,
    ),
    "payments": Resource(
        "payment",
        "payments",
        fields_of.PAYMENT,
        *_scopes("payments"),
        draft=("amountPlanned",),
        defaults={
            "paymentMethodInfo": {},
            "paymentStatus": {},
            "transactions": [],
            "interfaceInteractions": [],
        },
        actions={"addTransaction": _add_transaction, "changeTransactionState": _change_transaction_state},
    ),
    "states": Resource(
        "state",
        "states",
        fields_of.STATE,
        *_scopes("states", "orders"),
        draft=("key", "type"),
        defaults={"initial": False, "builtIn": False, "roles": []},
        actions={"setTransitions": _set_transitions, "changeKey": _change_key, "setName": _change_name},
    ),
    "types": Resource(
        "type",
        "types",
        fields_of.TYPE,
        *_scopes("types"),
        draft=("key", "name", "resourceTypeIds"),
        defaults={"fieldDefinitions": []},
        actions={"addFieldDefinition": _add_field_definition},
    ),
    "shipping-methods": Resource(
        "shipping-method",
        "shipping_methods",
        fields_of.SHIPPING_METHOD,
        *_scopes("shipping_methods", "orders"),
        draft=("name", "taxCategory", "zoneRates", "isDefault"),
        defaults={"active": True, "stores": []},
    ),
    "discount-codes": Resource(
        "discount-code",
        "discount_codes",
        fields_of.DISCOUNT_CODE,
        *_scopes("discount_codes", "orders"),
        draft=("code", "cartDiscounts"),
        defaults={"isActive": True, "references": [], "groups": [], "stores": []},
    ),
    "cart-discounts": Resource(
        "cart-discount", "cart_discounts", fields_of.CART_DISCOUNT, *_scopes("cart_discounts", "orders")
    ),
    "stores": Resource("store", "stores", fields_of.STORE, *_scopes("stores")),
}
