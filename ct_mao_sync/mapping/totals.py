"""Does the finished payload carry exactly the shop's money? Written apart from the mapping: it reads the
payload as MAO will (DOC: order-pricing-charges) and shares no arithmetic with what made it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.money import Currency
from ct_mao_sync.mapping.source import reject
from ct_mao_sync.models.commercetools import Order

_AMOUNTS = (
    "UnitPrice",
    "OriginalUnitPrice",
    "ChargeTotal",
    "RequestedAmount",
    "TaxAmount",
    "TaxableAmount",
    "Amount",
    "ProcessedAmount",
)


def check_totals(payload: Mapping[str, Any], order: Order) -> Rejection | None:
    """The three sums: lines and charges = totalPrice; with the taxes on top = totalGross; all taxes =
    totalGross − totalNet (the last two where the order has a taxedPrice). `totals-mismatch` names all three,
    as got and as expected."""
    goods = sum(
        (line["Quantity"] * line["UnitPrice"] for line in payload.get("OrderLine", ())), start=Decimal(0)
    )
    goods += sum((row["ChargeTotal"] for row in _rows(payload, "ChargeDetail")), start=Decimal(0))
    taxes = list(_rows(payload, "TaxDetail"))
    all_taxes = sum((row["TaxAmount"] for row in taxes), start=Decimal(0))
    on_top = sum((row["TaxAmount"] for row in taxes if not row["IsInformational"]), start=Decimal(0))

    sums = [("lines and charges", goods, order.total_price.amount)]
    if order.taxed_price:
        gross, net = order.taxed_price.total_gross.amount, order.taxed_price.total_net.amount
        sums.append(("with taxes on top", goods + on_top, gross))
        sums.append(("all taxes", all_taxes, gross - net))
    if all(got == expected for _, got, expected in sums):
        return None
    told = "; ".join(f"{name} {got}, expected {expected}" for name, got, expected in sums)
    return reject(
        order,
        "totals-mismatch",
        f"its amounts do not add up ({order.total_price.currency_code}): {told}",
        field="totalPrice",
        fix="look at the order's prices, discounts and taxes in commercetools, and correct them",
    )


def check_decimals(payload: Mapping[str, Any], order: Order, currency: Currency) -> Rejection | None:
    """Every amount has at most the decimals that MAO keeps in this currency, else `currency-unsupported`."""
    for field, amount in _amounts(payload):
        if not currency.fits(amount):
            return reject(
                order,
                "currency-unsupported",
                f"MAO keeps {currency.decimals} decimals in {currency.code}, and a {field} needs more",
                field=f"mapping.currency_decimals.{currency.code}",
                fix=f"if this MAO tenant keeps more, raise mapping.currency_decimals.{currency.code}",
            )
    return None


def check_row_ids(payload: Mapping[str, Any], order: Order) -> Rejection | None:
    """Ids are unique in the order, tax rows also by the combination that MAO keeps unique in a list."""
    ids = [str(line["OrderLineId"]) for line in payload.get("OrderLine", ())]
    ids += [row["ChargeDetailId"] for row in _rows(payload, "ChargeDetail")]
    ids += [row["TaxDetailId"] for row in _rows(payload, "TaxDetail")]
    tables = [payload.get("OrderTaxDetail", ())]
    tables += [line.get("OrderLineTaxDetail", ()) for line in payload.get("OrderLine", ())]
    combined = [[_combination(row) for row in table] for table in tables]
    if len(set(ids)) == len(ids) and all(len(set(table)) == len(table) for table in combined):
        return None
    return reject(order, "payload-invalid", "two of its lines, charges or tax rows cannot be told apart")


def _combination(row: Mapping[str, Any]) -> tuple[object, ...]:
    names = ("TaxCode", "TaxTypeId", "Jurisdiction", "JurisdictionTypeId", "FulfillmentGroupId")
    return tuple(row.get(name) for name in names)


def _rows(payload: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    yield from payload.get(f"Order{kind}", ())
    for line in payload.get("OrderLine", ()):
        yield from line.get(f"OrderLine{kind}", ())


def _amounts(payload: Mapping[str, Any]) -> Iterator[tuple[str, Decimal]]:
    rows = [*payload.get("OrderLine", ()), *_rows(payload, "ChargeDetail"), *_rows(payload, "TaxDetail")]
    for payment in payload.get("Payment", ()):
        for method in payment["PaymentMethod"]:
            if method["CurrencyCode"] == payload["CurrencyCode"]:
                rows += [method, *method.get("PaymentTransaction", ())]
    for row in rows:
        for field in _AMOUNTS:
            if field in row:
                yield field, row[field]
