"""Taxes arrive as the shop gives them, whatever their shape."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from mapping_orders import (
    assert_same_money,
    assert_unique_rows,
    line_item,
    money,
    order_document,
    payload_of,
    rejection_of,
    tax_rows,
    taxed,
    vat,
)


def without_portions(price: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in price.items() if field != "taxPortions"}


def test_old_orders_without_portions_get_one_row_each() -> None:
    document = order_document(
        lineItems=[line_item(taxedPrice=without_portions(taxed(5040, 5998)))],
        taxedPrice=without_portions(taxed(5459, 6497)),
    )
    payload = payload_of(document)
    assert [row["TaxAmount"] for row in tax_rows(payload)] == [Decimal("0.80"), Decimal("9.58")]
    assert_same_money(document, payload)


def test_rounding_of_the_whole_order_is_one_adjustment_of_the_rate() -> None:
    document = order_document(taxedPrice=taxed(5460, 6497))
    payload = payload_of(document)
    adjustment = payload["OrderTaxDetail"][-1]
    assert adjustment["TaxDetailId"].startswith("ct-tax-adj-")
    assert (adjustment["TaxCode"], adjustment["TaxAmount"]) == ("Adjust-0.19", Decimal("-0.01"))
    assert adjustment["IsInformational"] is True
    assert_same_money(document, payload)


@pytest.mark.parametrize("gross", [6592, 6590])
def test_a_rate_that_is_included_here_and_not_there_is_split_between_both(gross: int) -> None:
    """Shipping of 4.99 net with 0.95 on top, lines with tax included; 0.02 less after rounding."""
    shipping = {
        "shippingMethodName": "Standard",
        "price": money(499),
        "taxRate": vat(included=False),
        "taxedPrice": taxed(499, 594),
    }
    document = order_document(shippingInfo=shipping, taxedPrice=taxed(5539, gross))
    payload = payload_of(document)
    assert_same_money(document, payload)
    assert_unique_rows(payload)


def test_the_same_combination_included_and_on_top_is_told_apart() -> None:
    def fee(number: int, *, included: bool) -> dict[str, Any]:
        return {
            "id": f"{number}" * 36,
            "slug": f"fee-{number}",
            "quantity": 1,
            "money": money(119 if included else 100),
            "totalPrice": money(119 if included else 100),
            "taxRate": vat(included=included),
            "taxedPrice": taxed(100, 119),
        }

    document = order_document(
        customLineItems=[fee(5, included=True), fee(6, included=False), fee(7, included=True)],
        totalPrice=money(6497 + 119 + 100 + 119),
        taxedPrice=taxed(5459 + 300, 6497 + 357),
    )
    payload = payload_of(document)
    fees = {row["TaxCode"]: row for row in payload["OrderTaxDetail"] if row["TaxCode"].startswith("Charge")}
    assert fees["Charge-0.19"]["TaxAmount"] == Decimal("0.38")
    assert fees["Charge-0.19"]["TaxableAmount"] == Decimal("2.00")
    assert fees["Charge-0.19"]["IsInformational"] is True
    assert fees["Charge-0.19-net"]["TaxAmount"] == Decimal("0.19")
    assert fees["Charge-0.19-net"]["IsInformational"] is False
    assert_same_money(document, payload)


def test_two_sub_rates_of_one_rate_are_two_jurisdictions() -> None:
    rate = {
        "name": "NY",
        "amount": Decimal("0.08"),
        "includedInPrice": False,
        "country": "US",
        "state": "NY",
        "subRates": [
            {"name": "State", "amount": Decimal("0.04")},
            {"name": "County", "amount": Decimal("0.04")},
        ],
    }
    price = taxed(5998, 6478, ("0.04", "State", 240), ("0.04", "County", 240))
    document = order_document(
        lineItems=[line_item(taxRate=rate, taxedPrice=price)],
        shippingInfo={"shippingMethodName": "Standard", "price": money(0)},
        totalPrice=money(5998),
        taxedPrice=price,
    )
    payload = payload_of(document)
    rows = payload["OrderLine"][0]["OrderLineTaxDetail"]
    assert {(row["Jurisdiction"], row["JurisdictionTypeId"], row["TaxTypeId"]) for row in rows} == {
        ("State", "STATE", "SALES"),
        ("County", "STATE", "SALES"),
    }
    assert len({row["TaxDetailId"] for row in rows}) == 2
    assert_same_money(document, payload)


def test_a_state_without_sub_rates_is_named_with_its_country() -> None:
    rate = {"name": "WA", "amount": Decimal("0.1"), "includedInPrice": False, "country": "US", "state": "WA"}
    document = order_document(
        lineItems=[line_item(taxRate=rate, taxedPrice=taxed(5998, 6598, ("0.10", "WA", 600)))],
        shippingInfo={"shippingMethodName": "Standard", "price": money(0)},
        totalPrice=money(5998),
        taxedPrice=taxed(5998, 6598, ("0.1", "WA", 600)),
    )
    (row,) = tax_rows(payload_of(document))
    assert (row["Jurisdiction"], row["JurisdictionTypeId"]) == ("US-WA", "STATE")
    assert row["TaxCode"] == "Item-0.1"


def test_portions_named_otherwise_on_the_order_are_compared_by_rate() -> None:
    document = order_document(taxedPrice=taxed(5459, 6497, ("0.19", "MwSt", 1038)))
    payload = payload_of(document)
    assert not [row for row in tax_rows(payload) if row["TaxCode"].startswith("Adjust")]


@pytest.mark.parametrize("where", ["lineItems", "shippingInfo"])
def test_tax_without_a_rate_is_refused(where: str) -> None:
    document = order_document()
    item = document["lineItems"][0] if where == "lineItems" else document["shippingInfo"]
    item["taxRate"] = None
    refused = rejection_of(document)
    assert refused.code == "source-invalid"
    assert "tax but no taxRate" in refused.message
