"""The documents that Orders refer to: channels, shipping methods, payments, discounts, states, types."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from .generate_catalog import (
    CART_DISCOUNTS,
    CODES,
    PICKUP,
    SHIPPING_METHODS,
    STORES,
    SUPPLY_CHANNELS,
    SYNC_CHANNELS,
    document_id,
    random_id,
    reference,
)
from .generate_money import Json

_EPOCH = "2026-01-01T00:00:00.000Z"


def generate_world_documents(orders: Iterable[Json] = ()) -> dict[str, list[Json]]:
    """Every shared document of the generated shop, and a Payment for each one that `orders` refer to.

    By kind: channels, shipping_methods, payments, discount_codes, cart_discounts, product_discounts, states,
    stores, types; what a foreign Order (a sample) refers to besides gets a document as well.
    """
    documents = {
        "channels": [_channel(key, ["OrderExport"]) for key in SYNC_CHANNELS]
        + [_channel(key, ["InventorySupply"]) for key in SUPPLY_CHANNELS],
        "shipping_methods": [_shipping_method(m.key, m.name) for m in (*SHIPPING_METHODS, PICKUP)],
        "payments": [],
        "discount_codes": [_discount_code(code, keys) for code, keys in CODES.items()],
        "cart_discounts": [_discount("cart-discount", key) for key in CART_DISCOUNTS],
        "product_discounts": [_discount("product-discount", "sale")],
        "states": _states(),
        "stores": [_store(key) for key in STORES],
        "types": [
            _type("order-extras", "order"),
            _type("line-bundle", "line-item"),
            _type("shipping", "shipping"),
        ],
    }
    known = {document["id"] for rows in documents.values() for document in rows}
    for order in orders:
        for kind, document in referred_documents(order):
            if document["id"] not in known:
                known.add(document["id"])
                documents[kind].append(document)
    return documents


def _document(kind: str, key: str, id: str | None = None) -> Json:
    return {
        "id": id or document_id(kind, key),
        "version": 1,
        "createdAt": _EPOCH,
        "lastModifiedAt": _EPOCH,
        "key": key,
    }


def _channel(key: str, roles: list[str], id: str | None = None) -> Json:
    return {**_document("channel", key, id), "roles": roles, "name": {"en": key}}


def _store(key: str) -> Json:
    empty: Json = {"languages": [], "countries": [], "distributionChannels": [], "supplyChannels": []}
    return {**_document("store", key), "name": {"en": key}, **empty, "productSelections": []}


def _shipping_method(key: str, name: str, id: str | None = None) -> Json:
    return {
        **_document("shipping-method", key, id),
        "name": name,
        "active": True,
        "taxCategory": reference("tax-category", "standard"),
        "zoneRates": [],
        "isDefault": key == "standard",
        "stores": [],
    }


def _discount(kind: str, key: str, id: str | None = None) -> Json:
    document = {
        **_document(kind, key, id),
        "name": {"en": key},
        "value": {"type": "relative", "permyriad": 1500},
        "sortOrder": "0.5",
        "isActive": True,
        "references": [],
    }
    if kind == "product-discount":
        return {**document, "predicate": "1 = 1"}
    more: Json = {"cartPredicate": "1 = 1", "target": {"type": "lineItems", "predicate": "1 = 1"}}
    more |= {"stackingMode": "Stacking", "requiresDiscountCode": False, "stores": []}
    return {**document, **more, "recurringOrderScope": {"type": "AnyOrder"}}


def _discount_code(code: str, cart_discount_keys: Iterable[str], id: str | None = None) -> Json:
    document = _document("discount-code", code, id)
    document.pop("key")
    return {
        **document,
        "code": code,
        "name": {"en": code},
        "cartDiscounts": [reference("cart-discount", key) for key in cart_discount_keys],
        "isActive": True,
        "references": [],
        "groups": [],
        "stores": [],
    }


def _states() -> list[Json]:
    initial = {**_document("state", "Initial"), "type": "LineItemState", "builtIn": True, "initial": True}
    new = {**_document("state", "order-new"), "type": "OrderState", "builtIn": False, "initial": True}
    new["transitions"] = [reference("state", "order-checked")]
    checked = {
        **_document("state", "order-checked"),
        "type": "OrderState",
        "builtIn": False,
        "initial": False,
    }
    return [{**state, "name": {"en": state["key"]}, "roles": []} for state in (initial, new, checked)]


def _type(key: str, resource: str) -> Json:
    more = {"name": {"en": key}, "resourceTypeIds": [resource], "fieldDefinitions": []}
    return {**_document("type", key), **more}


def _payment(order: Json, id: str, share: int, shares: int) -> Json:
    """A Payment of an even share of the Order, in the state that the Order's paymentState tells."""
    rng = random.Random(id)
    due = order["taxedPrice"]["totalGross"] if order.get("taxedPrice") else order["totalPrice"]
    whole = max(0, due["centAmount"])
    cents = whole // shares if share else whole - (shares - 1) * (whole // shares)
    amount = {**due, "centAmount": cents}
    paid = order.get("paymentState")
    steps = {
        "Paid": [("Authorization", "Success"), ("Charge", "Success")],
        "Failed": [("Authorization", "Failure")],
        "Pending": [("Authorization", "Pending")],
        "CreditOwed": [("Authorization", "Success")],
        "BalanceDue": [("Authorization", "Success"), ("Charge", "Pending")],
    }.get(str(paid), [])
    transactions = [
        {
            "id": random_id(rng),
            "timestamp": order["createdAt"],
            "type": kind,
            "amount": amount,
            "interactionId": f"psp-{rng.randint(1, 10**9):09d}",
            "state": state,
        }
        for kind, state in steps
    ]
    method = rng.choice(["CREDIT_CARD", "PAYPAL", "INVOICE", "GIFT_CARD"])
    info = {"paymentInterface": "sample-psp", "method": method, "name": {"en": method.title()}}
    return {
        "id": id,
        "version": 2,
        "createdAt": order["createdAt"],
        "lastModifiedAt": order["createdAt"],
        "key": f"pay-{id[:8]}",
        "interfaceId": f"psp-order-{rng.randint(1, 10**9):09d}",
        "amountPlanned": amount,
        "paymentMethodInfo": info,
        "paymentStatus": {},
        "transactions": transactions,
        "interfaceInteractions": [],
    }


def referred_documents(order: Json) -> Iterable[tuple[str, Json]]:
    """(kind, document) for everything an Order refers to; shared documents of the shop may be among them."""
    payments = (order.get("paymentInfo") or {}).get("payments") or []
    for share, payment in enumerate(payments):
        yield "payments", _payment(order, payment["id"], share, len(payments))
    infos: list[Any] = [order.get("shippingInfo"), *(s["shippingInfo"] for s in order.get("shipping") or [])]
    for info in filter(None, infos):
        if info.get("shippingMethod"):
            id = info["shippingMethod"]["id"]
            yield "shipping_methods", _shipping_method(f"method-{id[:8]}", info["shippingMethodName"], id)
    for line in order.get("lineItems") or []:
        if line.get("supplyChannel"):
            id = line["supplyChannel"]["id"]
            yield "channels", _channel(f"supply-{id[:8]}", ["InventorySupply"], id)
        for item_state in line.get("state") or []:
            id = item_state["state"]["id"]
            state = {**_document("state", f"line-{id[:8]}", id), "type": "LineItemState"}
            yield "states", {**state, "builtIn": False, "initial": False, "roles": []}
        for group in line.get("discountedPricePerQuantity") or []:
            for row in group["discountedPrice"]["includedDiscounts"]:
                if row["discount"]["typeId"] == "cart-discount":
                    id = row["discount"]["id"]
                    yield "cart_discounts", _discount("cart-discount", f"discount-{id[:8]}", id)
    for sync in order.get("syncInfo") or []:
        id = sync["channel"]["id"]
        yield "channels", _channel(f"sync-{id[:8]}", ["OrderExport"], id)
    for used in order.get("discountCodes") or []:
        id = used["discountCode"]["id"]
        yield "discount_codes", _discount_code(f"CODE-{id[:8]}", ["save-15"], id)
