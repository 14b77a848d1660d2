"""What is refused, under which code, and that the reason never tells anything personal."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from mapping_orders import (
    ADDRESS,
    LINE_ID,
    ORDER_ID,
    RULES,
    line_item,
    money,
    order_document,
    rejection_of,
    taxed,
)

from ct_mao_sync.mapping.rules import (
    OrderRules,
    ShippingRule,
    compile_expression,
    extended_field,
    shipping_rule,
    static_field,
)


class Unmapped:
    item, uom, units = "", "", None


class InBoxes:
    item, uom, units = "ITEM", "BOX", None


def hungarian() -> dict[str, Any]:
    def forint(cent_amount: int) -> dict[str, Any]:
        return money(cent_amount, "HUF")

    line = line_item(
        price={"value": forint(10050)}, quantity=1, totalPrice=forint(10050), taxRate=None, taxedPrice=None
    )
    info = {"shippingMethodName": "Standard", "price": forint(0)}
    return order_document(lineItems=[line], totalPrice=forint(10050), taxedPrice=None, shippingInfo=info)


def targets(*quantities: int) -> dict[str, Any]:
    keys = ["home", "work"]
    return {"targets": [{"addressKey": k, "quantity": q} for k, q in zip(keys, quantities, strict=False)]}


PICKUP = shipping_rule("Standard", method="P", delivery="PickUpAtStore", location="custom.fields.store")
BROKEN: list[tuple[str, str, dict[str, Any], OrderRules]] = [
    ("sku-unmapped", "no SKU", {"lineItems": [line_item(variant={"id": 1})]}, RULES),
    ("sku-unmapped", "'SHIRT-M'", {}, replace(RULES, skus={"SHIRT-M": Unmapped()})),
    ("uom-unmapped", "'BOX'", {}, replace(RULES, skus={"SHIRT-M": InBoxes()})),
    ("uom-unmapped", "'PIECE'", {}, replace(RULES, default_uom="PIECE")),
    ("shipping-method-unmapped", "'Standard'", {}, replace(RULES, shipping_methods={})),
    ("payload-invalid", "no lines", {"lineItems": []}, RULES),
    ("payload-invalid", "251 lines", {"lineItems": [line_item(id=f"{n:036}") for n in range(251)]}, RULES),
    ("source-invalid", "missing address", {"shippingAddress": None}, RULES),
    ("source-invalid", "missing address", {"shippingAddress": {"country": "DE", "city": "Berlin"}}, RULES),
    ("source-invalid", "quantity 0", {"lineItems": [line_item(quantity=0)]}, RULES),
    ("source-invalid", "add up to 2", {"lineItems": [line_item(shippingDetails=targets(1, 2))]}, RULES),
    (
        "source-invalid",
        "missing address",
        {"lineItems": [line_item(shippingDetails=targets(1, 1))], "itemShippingAddresses": [ADDRESS]},
        RULES,
    ),
    (
        "source-invalid",
        "order's currency",
        {"lineItems": [line_item(totalPrice=money(5998, "USD"))]},
        RULES,
    ),
    ("source-invalid", "no location", {}, replace(RULES, shipping_methods={"Standard": PICKUP})),
    (
        "payload-invalid",
        "no location is configured",
        {},
        replace(RULES, shipping_methods={"Standard": ShippingRule("P", "PickUpAtStore")}),
    ),
    (
        "payload-invalid",
        "finds a list or an object",
        {},
        replace(RULES, customer_id=compile_expression("lineItems", "orders.customer_id")),
    ),
    (
        "payload-invalid",
        "fails on it",
        {},
        replace(RULES, extended_fields=(extended_field("X", "abs(orderNumber)"),)),
    ),
    (
        "payload-invalid",
        "would overwrite",
        {},
        replace(RULES, static_fields=(static_field("OrderActions.VersionTimestamp", 9),)),
    ),
    ("totals-mismatch", "expected 64.98", {"totalPrice": money(6498)}, RULES),
    (
        "totals-mismatch",
        "all taxes 10.38, expected 10.39",
        {"taxedPrice": taxed(5458, 6497, ("0.19", "DE 19%", 1038))},
        RULES,
    ),
    ("currency-unsupported", "0 decimals in HUF", hungarian(), RULES),
]


@pytest.mark.parametrize(("code", "reason", "changes", "rules"), BROKEN)
def test_an_order_is_refused_with_its_code_reason_and_command(
    code: str, reason: str, changes: dict[str, Any], rules: OrderRules
) -> None:
    refused = rejection_of(order_document(**changes), rules)
    assert refused.code == code
    assert refused.message.startswith("order CT-1: ")
    assert reason in refused.message
    assert f"ct-mao-sync replay-errors --entity {ORDER_ID}" in refused.hint
    for personal in ADDRESS.values():
        assert personal in ("DE", "1", "home") or personal not in refused.message + refused.hint


def test_a_mismatch_shows_all_three_sums() -> None:
    refused = rejection_of(order_document(totalPrice=money(6498)))
    assert "lines and charges 64.97, expected 64.98" in refused.message
    assert "with taxes on top 64.97, expected 64.97" in refused.message
    assert "all taxes 10.38, expected 10.38" in refused.message


def test_whole_forints_are_accepted_and_a_setting_allows_more() -> None:
    document = hungarian()
    refused = rejection_of(document)
    assert refused.field == "mapping.currency_decimals.HUF"
    allowing = replace(RULES, currency_decimals={"HUF": 2})
    with pytest.raises(AssertionError, match="was mapped"):
        rejection_of(document, allowing)


def test_a_line_in_an_unknown_shipping_of_a_multiple_order_is_refused() -> None:
    document = order_document(
        shippingMode="Multiple",
        shippingInfo=None,
        shipping=[
            {
                "shippingKey": "a",
                "shippingAddress": ADDRESS,
                "shippingInfo": {"shippingMethodName": "Standard", "price": money(499)},
            }
        ],
        lineItems=[
            line_item(
                shippingDetails={"targets": [{"addressKey": "home", "quantity": 2, "shippingMethodKey": "b"}]}
            )
        ],
    )
    refused = rejection_of(document)
    assert (refused.code, refused.field) == ("source-invalid", "lineItems.shippingDetails")
    assert LINE_ID in refused.message


def test_an_absurd_amount_is_refused_rather_than_rounded() -> None:
    huge = {"currencyCode": "EUR", "centAmount": 1, "preciseAmount": 10**40, "fractionDigits": 30}
    refused = rejection_of(order_document(lineItems=[line_item(price={"value": huge})]))
    assert refused.code == "source-invalid"


def test_a_rate_of_almost_nothing_does_no_harm() -> None:
    document = order_document(taxedPrice=taxed(5459, 6497, ("1E-20", "DE 19%", 1038)))
    document["lineItems"][0]["taxRate"]["amount"] = Decimal("1E-20")
    document["lineItems"][0]["taxedPrice"]["taxPortions"][0]["rate"] = Decimal("1E-20")
    # The rest of the tax is an adjustment of a rate that has no base worth naming; still exact.
    with pytest.raises(AssertionError, match="was mapped"):
        rejection_of(document)
