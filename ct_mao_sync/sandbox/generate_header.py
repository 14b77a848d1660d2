"""The rest of a generated Order: tax modes, customer, payments, store, custom fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .generate_catalog import STORES, SUPPLY_CHANNELS, random_id, reference
from .generate_delivery import external_rate
from .generate_lines import Draft
from .generate_money import Json, money, shipping_infos


def _taxed_things(order: Json) -> Iterator[Json]:
    yield from order["lineItems"]
    yield from order["customLineItems"]
    yield from shipping_infos(order)


def _change_rates(order: Json, change: Callable[[Json], Json]) -> None:
    for thing in _taxed_things(order):
        if "taxRate" in thing:
            thing["taxRate"] = change(thing["taxRate"])
        for row in thing.get("perMethodTaxRate") or []:
            row["taxRate"] = change(row["taxRate"])


def _is_platform(draft: Draft) -> bool:
    return bool(draft.order["taxMode"] == "Platform")


def external_tax(draft: Draft) -> None:
    """Rates set by a tax engine: no id, a name of its own; included and excluded rates keep apart."""
    kinds = {bool(rate["includedInPrice"]) for rate in _rates(draft.order)}
    if not _is_platform(draft) or len(kinds) != 1:
        return
    draft.order["taxMode"] = "External"
    _change_rates(draft.order, lambda rate: external_rate(rate, draft.region))


def external_amount(draft: Draft) -> None:
    """Amounts set by a tax engine; the Order has no taxedShippingPrice (commercetools docs: TaxMode)."""
    if _is_platform(draft):
        external_tax(draft)
        draft.order["taxMode"] = "ExternalAmount" if draft.order["taxMode"] == "External" else "Platform"


def _rates(order: Json) -> Iterator[Json]:
    for thing in _taxed_things(order):
        if "taxRate" in thing:
            yield thing["taxRate"]
        for row in thing.get("perMethodTaxRate") or []:
            yield row["taxRate"]


def tax_disabled(draft: Draft) -> None:
    if not _is_platform(draft):
        return
    draft.order["taxMode"] = "Disabled"
    for thing in _taxed_things(draft.order):
        thing.pop("taxRate", None)
        if "perMethodTaxRate" in thing:
            thing["perMethodTaxRate"] = []


def no_taxed_price(draft: Draft) -> None:
    """Taxes were never computed: no line has a rate, the Order has no taxedPrice."""
    if not _is_platform(draft):
        return
    for thing in _taxed_things(draft.order):
        thing.pop("taxRate", None)
        if "perMethodTaxRate" in thing:
            thing["perMethodTaxRate"] = []


def supply_channels(draft: Draft) -> None:
    for line in draft.lines:
        if draft.rng.random() < 0.8:
            line["supplyChannel"] = reference("channel", draft.rng.choice(SUPPLY_CHANNELS))


def line_inventory_mode(draft: Draft) -> None:
    for line in draft.some_lines()[:1]:
        line["inventoryMode"] = "None" if draft.order["inventoryMode"] != "None" else "TrackOnly"


def store(draft: Draft) -> None:
    draft.order["store"] = {"typeId": "store", "key": draft.rng.choice(STORES)}


def purchase_order(draft: Draft) -> None:
    draft.order["purchaseOrderNumber"] = f"PO-{draft.rng.randint(1, 9999):04d}/{draft.rng.choice('AÄB')}"
    draft.order["businessUnit"] = {"typeId": "business-unit", "key": "sample-unit"}
    draft.order["customerGroup"] = reference("customer-group", "b2b")


def guest(draft: Draft) -> None:
    draft.order.pop("customerId", None)
    draft.order["createdBy"].pop("customer", None)
    draft.order["anonymousId"] = random_id(draft.rng)


def no_order_number(draft: Draft) -> None:
    draft.order.pop("orderNumber", None)
    draft.order["origin"] = "Merchant"


def payment(draft: Draft) -> None:
    draft.order["paymentInfo"] = {"payments": [{"typeId": "payment", "id": random_id(draft.rng)}]}


def no_payment(draft: Draft) -> None:
    draft.order.pop("paymentInfo", None)


def second_payment(draft: Draft) -> None:
    """Part by voucher, part by card."""
    if "paymentInfo" in draft.order:
        second = {"typeId": "payment", "id": random_id(draft.rng)}
        draft.order["paymentInfo"]["payments"].append(second)


def custom_fields(draft: Draft) -> None:
    fields = {
        "deliveryInstructions": draft.rng.choice(
            ['Dock 4, "ring bell" & wait', "Bitte läuten\nzweimal", "置き配"]
        ),
        "isGift": draft.rng.random() < 0.5,
        "requestedShipDate": "2026-12-24",
        "tags": ["b2b", "fräight"],
        "depositAmount": money(draft.rng.randint(0, 5000), draft.currency),
    }
    draft.order["custom"] = {"type": reference("type", "order-extras"), "fields": fields}
