"""Small commercetools Orders for the tests of the mapping, and the three sums recomputed on their own."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.order import MappedOrder, map_order
from ct_mao_sync.mapping.rules import OrderRules, ShippingRule
from ct_mao_sync.models.commercetools import parse_orders
from ct_mao_sync.models.json import dump_json

SAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "reference" / "ct-samples"
ORDER_ID = "11111111-1111-4111-8111-111111111111"
LINE_ID = "22222222-2222-4222-8222-222222222222"
ADDRESS = {
    "key": "home",
    "firstName": "Erika",
    "lastName": "Muster",
    "streetName": "Hauptstr.",
    "streetNumber": "1",
    "postalCode": "10115",
    "city": "Berlin",
    "country": "DE",
    "phone": "+49301234567",
    "email": "erika@example.org",
}


class EveryShippingMethod(dict[str, ShippingRule]):
    """Every name is a shipping method that ships to the address."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> ShippingRule:
        return ShippingRule(method="STD")


RULES = OrderRules(shipping_methods={"Standard": ShippingRule(method="STD")})
ANY_METHOD = OrderRules(shipping_methods=EveryShippingMethod())


def money(cent_amount: int, currency: str = "EUR", digits: int = 2) -> dict[str, Any]:
    return {
        "type": "centPrecision",
        "currencyCode": currency,
        "centAmount": cent_amount,
        "fractionDigits": digits,
    }


def vat(amount: str = "0.19", *, included: bool = True, name: str = "DE 19%") -> dict[str, Any]:
    return {
        "name": name,
        "amount": Decimal(amount),
        "includedInPrice": included,
        "country": "DE",
        "subRates": [],
    }


def taxed(net: int, gross: int, *portions: tuple[str, str, int]) -> dict[str, Any]:
    """Portions as (rate, name, cent amount); without any, one of 19 % that holds all tax."""
    rows = portions or (("0.19", "DE 19%", gross - net),)
    return {
        "totalNet": money(net),
        "totalGross": money(gross),
        "taxPortions": [{"rate": Decimal(rate), "name": name, "amount": money(a)} for rate, name, a in rows],
    }


def line_item(**changes: Any) -> dict[str, Any]:
    """2 x 29.99 EUR with 19 % included."""
    line = {
        "id": LINE_ID,
        "variant": {"id": 1, "sku": "SHIRT-M"},
        "price": {"id": "p", "value": money(2999)},
        "quantity": 2,
        "totalPrice": money(5998),
        "taxRate": vat(),
        "taxedPrice": taxed(5040, 5998),
    }
    return {**line, **changes}


def order_document(**changes: Any) -> dict[str, Any]:
    """One line of 59.98 and shipping of 4.99, 19 % included; total 64.97 EUR."""
    order = {
        "id": ORDER_ID,
        "version": 3,
        "orderNumber": "CT-1",
        "createdAt": "2026-03-02T09:15:00.123Z",
        "lastModifiedAt": "2026-03-02T09:15:01.000Z",
        "orderState": "Open",
        "paymentState": "Pending",
        "customerEmail": "shop@example.org",
        "locale": "de-DE",
        "inventoryMode": "ReserveOnOrder",
        "totalPrice": money(6497),
        "taxedPrice": taxed(5459, 6497),
        "lineItems": [line_item()],
        "customLineItems": [],
        "shippingMode": "Single",
        "shippingAddress": dict(ADDRESS),
        "billingAddress": dict(ADDRESS),
        "shippingInfo": {
            "shippingMethodName": "Standard",
            "price": money(499),
            "taxRate": vat(),
            "taxedPrice": taxed(419, 499),
        },
    }
    return {**order, **changes}


def mapping_of(document: Mapping[str, Any], rules: OrderRules = RULES) -> MappedOrder | Rejection:
    """The document as a client would read it (floats as Decimal), parsed and mapped."""
    raw = json.loads(dump_json(copy.deepcopy(document)), parse_float=Decimal)
    (order,) = parse_orders([raw])
    return order if isinstance(order, Rejection) else map_order(raw, order, rules)


def payload_of(document: Mapping[str, Any], rules: OrderRules = RULES) -> dict[str, Any]:
    """The payload as MAO would read it."""
    mapped = mapping_of(document, rules)
    assert isinstance(mapped, MappedOrder), mapped
    return json.loads(dump_json(mapped.payload), parse_float=Decimal)


def rejection_of(document: Mapping[str, Any], rules: OrderRules = RULES) -> Rejection:
    refused = mapping_of(document, rules)
    assert isinstance(refused, Rejection), "the order was mapped"
    return refused


def charge_rows(payload: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Every charge row of order and lines by its id."""
    rows = list(payload.get("OrderChargeDetail", []))
    for line in payload["OrderLine"]:
        rows += line.get("OrderLineChargeDetail", [])
    return {row["ChargeDetailId"]: row for row in rows}


def tax_rows(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = list(payload.get("OrderTaxDetail", []))
    for line in payload["OrderLine"]:
        rows += line.get("OrderLineTaxDetail", [])
    return rows


def assert_same_money(document: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
    """The three sums, in minor units, from the raw document and the payload as sent."""
    total = document["totalPrice"]
    digits = total.get("fractionDigits", 2)

    def cents(amount: Any) -> Decimal:
        return Decimal(str(amount)).scaleb(digits)

    goods = Decimal(0)
    for line in payload["OrderLine"]:
        goods += cents(line["UnitPrice"]) * line["Quantity"]
    for row in charge_rows(payload).values():
        goods += cents(row["ChargeTotal"])
    assert goods == total["centAmount"], "lines and charges"
    taxes = tax_rows(payload)
    if document.get("taxedPrice"):
        gross = document["taxedPrice"]["totalGross"]["centAmount"]
        net = document["taxedPrice"]["totalNet"]["centAmount"]
        on_top = sum(cents(row["TaxAmount"]) for row in taxes if not row["IsInformational"])
        assert goods + on_top == gross, "with taxes on top"
        assert sum(cents(row["TaxAmount"]) for row in taxes) == gross - net, "all taxes"


def assert_unique_rows(payload: Mapping[str, Any]) -> None:
    """Ids are unique and fit; tax rows are unique by the combination that MAO keeps unique."""
    ids = [line["OrderLineId"] for line in payload["OrderLine"]]
    ids += [row["TaxDetailId"] for row in tax_rows(payload)]
    tables = [payload.get("OrderChargeDetail", []), payload.get("OrderTaxDetail", [])]
    for line in payload["OrderLine"]:
        tables += [line.get("OrderLineChargeDetail", []), line.get("OrderLineTaxDetail", [])]
    ids += [row["ChargeDetailId"] for table in tables for row in table if "ChargeDetailId" in row]
    assert len(set(ids)) == len(ids)
    assert all(0 < len(row_id) <= 100 for row_id in ids)
    assert all(row_id.startswith("ct-") for row_id in ids[len(payload["OrderLine"]) :])
    for table in tables:
        keys = [
            tuple(
                row.get(name)
                for name in (
                    "TaxCode",
                    "TaxTypeId",
                    "Jurisdiction",
                    "JurisdictionTypeId",
                    "FulfillmentGroupId",
                )
            )
            for row in table
            if "TaxDetailId" in row
        ]
        assert len(set(keys)) == len(keys)
