"""The order generator: every shape of shop order, always right to the minor unit."""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ct_mao_sync.sandbox.check_order import order_sums
from ct_mao_sync.sandbox.generate import FEATURES, generate_order, generate_orders
from ct_mao_sync.sandbox.generate_documents import generate_world_documents
from ct_mao_sync.sandbox.generate_money import high_precision_money, money, price_order, taxed_price

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference"
SCHEMA = REFERENCE / "ct-spec" / "ct-api-subset.schema.json"
SAMPLES = REFERENCE / "ct-samples"


@pytest.fixture(scope="module")
def orders() -> list[dict[str, Any]]:
    return generate_orders(7, 500, NOW)


def one(*features: str, currency: str = "EUR", seed: int = 1) -> dict[str, Any]:
    return generate_order(random.Random(seed), 1, NOW, currency, features=features)


def cents(value: dict[str, Any]) -> int:
    return int(value["centAmount"])


def test_every_generated_order_adds_up_to_the_minor_unit(orders: list[dict[str, Any]]) -> None:
    assert [(o["id"], order_sums(o)) for o in orders if order_sums(o)] == []


def test_no_generated_order_costs_less_than_nothing(orders: list[dict[str, Any]]) -> None:
    assert min(cents(o["totalPrice"]) for o in orders) >= 0


def test_the_same_seed_gives_the_same_orders_and_another_seed_others() -> None:
    first = generate_orders(3, 20, NOW)
    assert first == generate_orders(3, 20, NOW)
    assert {o["id"] for o in first}.isdisjoint(o["id"] for o in generate_orders(4, 20, NOW))


def test_ids_and_order_numbers_are_unique(orders: list[dict[str, Any]]) -> None:
    ids = [o["id"] for o in orders] + [line["id"] for o in orders for line in o["lineItems"]]
    numbers = [o["orderNumber"] for o in orders if "orderNumber" in o]
    assert len(set(ids)) == len(ids)
    assert len(set(numbers)) == len(numbers)


def test_orders_are_created_and_modified_inside_the_window_asked_for() -> None:
    start = NOW - timedelta(hours=2)
    for order in generate_orders(1, 100, NOW, start=start):
        created = datetime.fromisoformat(order["createdAt"])
        modified = datetime.fromisoformat(order["lastModifiedAt"])
        assert start - timedelta(milliseconds=1) <= created <= modified <= NOW


@pytest.mark.parametrize("currency", ["EUR", "USD", "JPY", "KWD", "GBP", "HUF"])
def test_currencies_keep_their_own_number_of_decimals(currency: str) -> None:
    digits = {"JPY": 0, "KWD": 3}.get(currency, 2)
    for seed in range(10):
        order = generate_order(random.Random(seed), seed, NOW, currency)
        assert order["totalPrice"]["fractionDigits"] == digits
        assert order["totalPrice"]["currencyCode"] == currency
        assert order_sums(order) == []


@pytest.mark.parametrize("feature", sorted(FEATURES))
def test_every_feature_alone_gives_an_order_that_adds_up(feature: str) -> None:
    for seed in range(3):
        for currency in ("EUR", "USD"):
            assert order_sums(one(feature, currency=currency, seed=seed)) == []


def test_the_mixture_contains_every_shape_that_matters(orders: list[dict[str, Any]]) -> None:
    seen: Counter[str] = Counter()
    for order in orders:
        seen[order["taxMode"]] += 1
        seen[order["shippingMode"]] += 1
        seen[order["orderState"]] += 1
        seen[str(order.get("paymentState"))] += 1
        lines = order["lineItems"]
        rates = [line["taxRate"] for line in lines if "taxRate" in line]
        facts = {
            "no taxedPrice": "taxedPrice" not in order,
            "both kinds of tax": len({rate["includedInPrice"] for rate in rates}) == 2,
            "sub-rates": any(rate["subRates"] for rate in rates),
            "included sub-rates": any(rate["subRates"] and rate["includedInPrice"] for rate in rates),
            "two rates": len({rate["name"] for rate in rates}) > 1,
            "product discount": any("discounted" in line["price"] for line in lines),
            "mixed groups": any(len(line["discountedPricePerQuantity"]) > 1 for line in lines),
            "discount on total": "discountOnTotalPrice" in order,
            "code": bool(order["discountCodes"]),
            "direct": bool(order["directDiscounts"]),
            "gift": any(line["lineItemMode"] == "GiftLineItem" for line in lines),
            "fee": any(cents(line["money"]) > 0 for line in order["customLineItems"]),
            "voucher": any(cents(line["money"]) < 0 for line in order["customLineItems"]),
            "fee twice": any(line["quantity"] > 1 for line in order["customLineItems"]),
            "high precision": any(line["price"]["value"]["type"] == "highPrecision" for line in lines),
            "external total": any(line["priceMode"] == "ExternalTotal" for line in lines),
            "external price": any(line["priceMode"] == "ExternalPrice" for line in lines),
            "line to two methods": any(len(line["taxedPricePortions"]) == 2 for line in lines),
            "item addresses": order["shippingMode"] == "Single" and bool(order["itemShippingAddresses"]),
            "no shipping": not order.get("shippingInfo") and not order["shipping"],
            "shipping discount": bool((order.get("shippingInfo") or {}).get("discountedPrice")),
            "no order number": "orderNumber" not in order,
            "no payment": "paymentInfo" not in order,
            "two payments": len((order.get("paymentInfo") or {}).get("payments", [])) == 2,
            "store": "store" in order,
            "purchase order": "purchaseOrderNumber" in order,
            "guest": "customerId" not in order,
        }
        seen.update(name for name, is_so in facts.items() if is_so)
    modes = ["Platform", "External", "ExternalAmount", "Disabled", "Single", "Multiple", "None"]
    states = ["Open", "Confirmed", "Complete", "Cancelled", "Paid", "BalanceDue", "Pending", "CreditOwed"]
    assert [name for name in [*facts, *modes, *states] if not seen[name]] == []


def test_discounts_that_are_rounded_step_by_step_need_not_add_up_to_the_price() -> None:
    off = 0
    for seed in range(20):
        for line in one("stacked_discounts", seed=seed)["lineItems"]:
            for group in line["discountedPricePerQuantity"]:
                price = group["discountedPrice"]
                taken = sum(cents(d["discountedAmount"]) for d in price["includedDiscounts"])
                off += taken != cents(line["price"]["value"]) - cents(price["value"])
    assert off


def test_personal_values_are_obviously_invented(orders: list[dict[str, Any]]) -> None:
    emails = [o["customerEmail"] for o in orders] + [
        o["shippingAddress"]["email"] for o in orders if "email" in o.get("shippingAddress", {})
    ]
    assert all(email.endswith("@example.com") for email in emails)
    assert any(not json.dumps(o, ensure_ascii=False).isascii() for o in orders)


def test_an_unknown_feature_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no such feature: frobnicate"):
        one("frobnicate")


def test_no_two_places_of_an_order_share_one_dictionary() -> None:
    order = one()
    order["shippingAddress"]["city"] = "Elsewhere"
    assert order["billingAddress"]["city"] != "Elsewhere"


# ── money ──


@pytest.mark.parametrize(
    ("amount", "rate", "included", "net", "gross"),
    [
        (5998, 0.19, True, 5040, 5998),
        (499, 0.19, True, 419, 499),
        (1299, 0.089, False, 1299, 1415),
        (12500, 0.089, False, 12500, 13612),  # 1112.5 half to even
        (-1000, 0.19, True, -840, -1000),
        (5000, 0, True, 5000, 5000),
    ],
)
def test_tax_is_taken_out_of_or_put_on_the_amount_half_even(
    amount: int, rate: float, included: bool, net: int, gross: int
) -> None:
    taxed = taxed_price(amount, {"name": "x", "amount": rate, "includedInPrice": included}, "EUR")
    assert (cents(taxed["totalNet"]), cents(taxed["totalGross"])) == (net, gross)


def test_sub_rates_share_the_tax_and_nothing_is_lost() -> None:
    subs = [{"name": "a", "amount": 0.04}, {"name": "b", "amount": 0.03}, {"name": "c", "amount": 0.019}]
    rate = {"name": "x", "amount": 0.089, "includedInPrice": False, "subRates": subs}
    portions = taxed_price(3085, rate, "USD")["taxPortions"]
    assert [(p["name"], cents(p["amount"])) for p in portions] == [("a", 124), ("b", 93), ("c", 58)]


def test_a_high_precision_price_is_rounded_once_per_line() -> None:
    value = high_precision_money(1234, "USD", 5)
    assert (cents(value), value["preciseAmount"], value["fractionDigits"]) == (1, 1234, 5)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda o: o["totalPrice"].update(centAmount=cents(o["totalPrice"]) + 1), "totalPrice"),
        (lambda o: o["lineItems"][0]["totalPrice"].update(centAmount=1), "lineItems[0].totalPrice"),
        (lambda o: o["lineItems"][0].update(quantity=999), "lineItems[0]"),
        (lambda o: o["taxedPrice"]["totalGross"].update(centAmount=1), "taxedPrice"),
        (lambda o: o["taxedPrice"]["taxPortions"].clear() or o["taxedPrice"].update(
            taxPortions=[{"rate": 0.5, "name": "other", "amount": money(0, "EUR")}]), "taxPortions"),
        (lambda o: o["shippingInfo"]["price"].update(centAmount=7777), "shippingInfo"),
        (lambda o: o["lineItems"][0]["price"]["value"].update(currencyCode="USD"), "currency USD"),
    ],
)  # fmt: skip
def test_the_checker_finds_every_kind_of_damage(damage: Any, named: str) -> None:
    order = one("product_discount")
    damage(order)
    assert any(named in finding for finding in order_sums(order))


# ── referenced documents ──


def test_every_reference_of_an_order_has_its_document(orders: list[dict[str, Any]]) -> None:
    documents = generate_world_documents(orders[:100])
    known = {document["id"] for rows in documents.values() for document in rows}
    kinds = {"channel", "shipping-method", "payment", "discount-code", "cart-discount", "state", "type"}
    missing = {
        (ref["typeId"], ref["id"])
        for order in orders[:100]
        for ref in references_in(order)
        if ref["typeId"] in kinds and ref["id"] not in known
    }
    assert missing == set()


def references_in(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [ref for inner in value for ref in references_in(inner)]
    if isinstance(value, dict):
        if "typeId" in value and "id" in value:
            return [value]
        return [ref for inner in value.values() for ref in references_in(inner)]
    return []


def test_the_payments_of_an_order_add_up_to_what_it_costs(orders: list[dict[str, Any]]) -> None:
    payments = {p["id"]: p for p in generate_world_documents(orders)["payments"]}
    order = next(o for o in orders if len((o.get("paymentInfo") or {}).get("payments", [])) == 2)
    planned = [cents(payments[p["id"]]["amountPlanned"]) for p in order["paymentInfo"]["payments"]]
    due = order["taxedPrice"]["totalGross"] if "taxedPrice" in order else order["totalPrice"]
    assert sum(planned) == cents(due)


# ── against the vendor's schema and the published samples ──


def validator(name: str) -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    if not SCHEMA.exists():
        pytest.skip("the vendor's schemas are not here (../shared/reference/ct-spec)")
    definitions = json.loads(SCHEMA.read_text())["$defs"]
    schema = {"$ref": f"#/$defs/{name}", "$defs": definitions}
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def test_generated_orders_are_orders_by_the_vendors_schema(orders: list[dict[str, Any]]) -> None:
    order_schema = validator("Order")
    for order in orders[:60]:
        assert [(e.json_path, e.message) for e in order_schema.iter_errors(order)] == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("channels", "Channel"),
        ("shipping_methods", "ShippingMethod"),
        ("payments", "Payment"),
        ("discount_codes", "DiscountCode"),
        ("cart_discounts", "CartDiscount"),
        ("states", "State"),
        ("types", "Type"),
    ],
)
def test_referenced_documents_fit_the_vendors_schema(
    kind: str, name: str, orders: list[dict[str, Any]]
) -> None:
    schema = validator(name)
    for document in generate_world_documents(orders[:10])[kind]:
        assert [(e.json_path, e.message) for e in schema.iter_errors(document)] == []


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.glob("composed-*.json")) or ["none"])
def test_published_shapes_add_up_and_are_priced_the_same_way(name: str) -> None:
    if not SAMPLES.exists():
        pytest.skip("the sample orders are not here (../shared/reference/ct-samples)")
    order = json.loads((SAMPLES / name).read_text())
    again = copy.deepcopy(order)
    price_order(again)
    assert order_sums(order) == []
    for field in ("totalPrice", "taxedPrice", "lineItems", "customLineItems", "shipping", "shippingInfo"):
        assert again.get(field) == order.get(field)
