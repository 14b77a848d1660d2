"""Realistic commercetools Orders by seed, in every shape that shops produce.

An Order is built from its facts (lines, prices, discounts, tax rates, shipping), each feature a small
function in one of `generate_lines`, `_discounts`, `_delivery` and `_header`; `price_order` then computes all
sums. The same seed gives the same Orders.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from . import generate_delivery as delivery
from . import generate_discounts as discounts
from . import generate_header as header
from . import generate_lines as lines
from .generate_catalog import Region, random_id, reference, regions
from .generate_lines import Draft
from .generate_money import Json, money, price_order

Feature = Callable[[Draft], None]

# name -> (probability, function), applied in this order: lines, their discounts, delivery, header.
FEATURES: dict[str, tuple[float, Feature]] = {
    "digital": (0.03, lines.digital_lines),
    "many_lines": (0.02, lines.many_lines),
    "high_precision": (0.08, lines.high_precision_line),
    "bundle": (0.06, lines.bundle_lines),
    "external_price": (0.04, lines.external_price),
    "external_total": (0.04, lines.external_total),
    "mixed_tax": (0.02, lines.mixed_tax),
    "product_discount": (0.2, discounts.product_discount),
    "multi_buy": (0.1, discounts.multi_buy),
    "cart_discount": (0.2, discounts.cart_discount),
    "stacked_discounts": (0.08, discounts.stacked_discounts),
    "zero_discount": (0.04, discounts.zero_discount),
    "direct_discount": (0.05, discounts.direct_discount),
    "discount_code": (0.15, discounts.discount_code),
    "gift": (0.07, lines.gift_line),
    "custom_fee": (0.1, lines.custom_fee),
    "voucher": (0.06, lines.negative_voucher),
    "multiple_shipping": (0.07, delivery.multiple_shipping),
    "item_addresses": (0.04, delivery.item_addresses),
    "custom_method": (0.04, delivery.custom_method),
    "shipping_discount": (0.1, discounts.shipping_discount),
    "discount_on_total": (0.1, discounts.discount_on_total),
    "external_tax": (0.04, header.external_tax),
    "external_amount": (0.02, header.external_amount),
    "tax_disabled": (0.03, header.tax_disabled),
    "no_taxed_price": (0.02, header.no_taxed_price),
    "supply_channel": (0.4, header.supply_channels),
    "line_inventory_mode": (0.05, header.line_inventory_mode),
    "store": (0.12, header.store),
    "purchase_order": (0.08, header.purchase_order),
    "guest": (0.2, header.guest),
    "no_order_number": (0.03, header.no_order_number),
    "no_payment": (0.08, header.no_payment),
    "two_payments": (0.08, header.second_payment),
    "custom_fields": (0.15, header.custom_fields),
    "bare_address": (0.05, delivery.bare_address),
}


def generate_orders(
    seed: int,
    count: int,
    now: datetime,
    *,
    currencies: Sequence[str] = ("EUR", "USD", "JPY", "KWD"),
    start: datetime | None = None,
) -> list[Json]:
    """`count` Orders created between `start` (default: a day before `now`) and `now`, oldest first.

    Every feature and every mixture of them occurs, given enough Orders. Deterministic by its arguments.
    """
    rng = random.Random(f"orders/{seed}")
    first = start or now - timedelta(days=1)
    span_s = max(0.0, (now - first).total_seconds())
    moments = sorted(first + timedelta(seconds=rng.uniform(0, span_s)) for _ in range(count))
    number = 10_000 + (seed % 1000) * 100_000
    orders = []
    for index, created_at in enumerate(moments):
        order_rng = random.Random(rng.getrandbits(64))
        currency = order_rng.choice(list(currencies))
        orders.append(generate_order(order_rng, number + index, now, currency, created_at=created_at))
    return orders


def generate_order(
    rng: random.Random,
    number: int,
    now: datetime,
    currency: str,
    *,
    features: Collection[str] | None = None,
    created_at: datetime | None = None,
    order_state: str | None = None,
    payment_state: str | None = None,
) -> Json:
    """One Order, with `features` (names of `FEATURES`) or, when None, a random mixture of them.

    A feature that does not fit what is already there does nothing (a digital Order has no shipping).
    `order_state` and `payment_state` are drawn when not given ("" = an Order without paymentState).
    Raises ValueError for an unknown feature name.
    """
    unknown = set(features or ()) - set(FEATURES)
    if unknown:
        raise ValueError(f"no such feature: {', '.join(sorted(unknown))}")
    drawn = {name for name, (chance, _) in FEATURES.items() if rng.random() < chance}
    chosen = drawn if features is None else set(features)
    region = rng.choice(regions(currency))
    draft = Draft(rng=rng, order={}, region=region, currency=currency)
    created = created_at or now
    draft.order = _skeleton(rng, number, created, currency, region)
    lines.standard_lines(draft)
    delivery.single_shipping(draft)
    header.payment(draft)
    for name, (_, apply) in FEATURES.items():
        if name in chosen:
            apply(draft)
    price_order(draft.order)
    _set_states(draft, order_state, payment_state)
    _set_times(draft.order, rng, created, now)
    separate: Json = json.loads(json.dumps(draft.order))  # no two places share one dictionary
    return separate


def timestamp(moment: datetime) -> str:
    """A moment as commercetools writes it: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _skeleton(rng: random.Random, number: int, created: datetime, currency: str, region: Region) -> Json:
    customer_id = random_id(rng)
    client = {"clientId": "storefront-client", "isPlatformClient": False}
    return {
        "type": "Order",
        "id": random_id(rng),
        "version": 1,
        "versionModifiedAt": timestamp(created),
        "lastMessageSequenceNumber": 1,
        "createdAt": timestamp(created),
        "lastModifiedAt": timestamp(created),
        "lastModifiedBy": dict(client),
        "createdBy": {**client, "customer": {"typeId": "customer", "id": customer_id}},
        "orderNumber": f"CT-{number}",
        "customerId": customer_id,
        "customerEmail": f"customer.{number}@example.com",
        "locale": region.locale,
        "country": region.country,
        "totalPrice": money(0, currency),
        "orderState": "Open",
        "syncInfo": [],
        "returnInfo": [],
        "taxMode": "Platform",
        "inventoryMode": rng.choice(["ReserveOnOrder", "ReserveOnOrder", "TrackOnly", "None"]),
        "priceRoundingMode": "HalfEven",
        "taxRoundingMode": "HalfEven",
        "taxCalculationMode": "LineItemLevel",
        "origin": "Customer",
        "shippingMode": "Single",
        "shipping": [],
        "lineItems": [],
        "customLineItems": [],
        "discountCodes": [],
        "directDiscounts": [],
        "refusedGifts": [],
        "itemShippingAddresses": [],
        "cart": {"typeId": "cart", "id": random_id(rng)},
    }


def _drawn(rng: random.Random, weights: Iterable[tuple[str, int]]) -> str:
    names, counts = zip(*weights, strict=True)
    return str(rng.choices(names, counts)[0])


def _set_states(draft: Draft, order_state: str | None, payment_state: str | None) -> None:
    order, rng = draft.order, draft.rng
    state = _drawn(rng, [("Open", 85), ("Confirmed", 10), ("Complete", 2), ("Cancelled", 3)])
    order["orderState"] = order_state if order_state is not None else state
    paid = [("Paid", 62), ("BalanceDue", 14), ("Pending", 10), ("CreditOwed", 5), ("Failed", 2), ("", 7)]
    drawn = _drawn(rng, paid)
    chosen = payment_state if payment_state is not None else drawn
    if chosen:
        order["paymentState"] = chosen
    shipment = {"Complete": "Delivered", "Cancelled": "Canceled"}.get(order["orderState"])
    shipment = shipment or _drawn(
        rng, [("Pending", 60), ("Ready", 10), ("Delayed", 3), ("Backorder", 2), ("", 25)]
    )
    if shipment:
        order["shipmentState"] = shipment
    if order["orderState"] == "Complete":
        delivery.delivered(draft)
    if rng.random() < 0.08:
        order["state"] = reference("state", rng.choice(["order-new", "order-checked"]))


def _set_times(order: Json, rng: random.Random, created: datetime, now: datetime) -> None:
    """Half of the Orders were touched again after they were placed, never after `now`."""
    modified = created
    if rng.random() < 0.5:
        later = created + timedelta(seconds=rng.uniform(0.001, 900))
        modified = max(created, min(later, now))
        order["version"] = rng.randint(2, 9)
        order["lastMessageSequenceNumber"] = rng.randint(1, order["version"])
    order["lastModifiedAt"] = order["versionModifiedAt"] = timestamp(modified)
    for line in order["lineItems"]:
        added = created - timedelta(seconds=rng.randint(30, 3000))
        line["addedAt"] = line["lastModifiedAt"] = timestamp(added)
    for info in delivery.delivery_parents(order):
        for shipped in info.get("deliveries", []):
            shipped["createdAt"] = order["lastModifiedAt"]
            for parcel in shipped["parcels"]:
                parcel["createdAt"] = order["lastModifiedAt"]
