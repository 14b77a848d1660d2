"""What the return infos of commercetools have to say, computed from MAO's documents alone, from scratch.

Nothing here knows how the product maps, compares or remembers.

A unit counts once MAO has it: in QuantityDetail at Received (15000) or Returned (18000). Its condition is
that of a ReturnDetail, in their order; units without one (goods the customer keeps, a return that an agent
forced) are in the condition that the customer announced. Units that are Returned have a disposition. A unit
is refunded when the whole return is (PaymentStatus 7000), or when a Refund that succeeded refers to an
invoice of its line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Json = Mapping[str, Any]
RECEIVED, VERIFIED = 15000, 18000


@dataclass(frozen=True)
class Expected:
    """Units of one return line in one condition. `condition` "" = nobody said one."""

    order_id: str
    line_id: str
    return_id: str
    return_line_id: str
    condition: str
    units: int
    verified: bool
    kept: bool
    """The goods stay with the customer: nothing reaches stock, whatever their condition."""
    refunded: bool
    free: bool
    """There was no money in it, a gift, or none was left of it after the fees of the return."""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.return_id, self.return_line_id, self.condition


def expected_items(orders: Iterable[Json]) -> list[Expected]:
    """Of all MAO orders, active and archived: what has come back of orders that are ours."""
    by_id = {order["OrderId"]: order for order in orders}
    found = []
    for order in by_id.values():
        refunded, eaten = refunded_lines(order), lines_eaten_by_fees(order)
        for line in order["OrderLine"]:
            parent = by_id.get(line.get("ParentOrderId") or "")
            if not line.get("IsReturn") or parent is None or not line.get("ParentOrderLineId"):
                continue
            for condition, units in by_condition(line).items():
                found.append(
                    Expected(
                        parent["AlternateOrderId"],
                        line["ParentOrderLineId"][:36],
                        order["OrderId"],
                        line["OrderLineId"],
                        condition,
                        units,
                        _units(line, VERIFIED) > 0,
                        line.get("IsReceiptExpected") is False and not line.get("ReturnDetail"),
                        line["OrderLineId"] in refunded,
                        not line["OrderLineTotal"] or line["OrderLineId"] in eaten,
                    )
                )
    return found


def by_condition(line: Json) -> dict[str, int]:
    """Units that MAO has of a return line, by condition."""
    left = _units(line, RECEIVED) + _units(line, VERIFIED)
    found: dict[str, int] = {}
    details = [row for row in line.get("ReturnDetail") or () if row["ItemId"] == line["ItemId"]]
    for row in details:
        units = min(left, int(row["Quantity"]))
        if units > 0:
            found[_condition(row, "ReceivedItemCondition")] = units
            left -= units
    if left > 0:
        announced = _condition(line.get("OrderLineAdditional") or {}, "ItemCondition")
        found[announced] = found.get(announced, 0) + left
    return found


def refunded_lines(order: Json) -> set[str]:
    """The return lines whose money MAO has paid out."""
    if status_of((order.get("PaymentStatus") or {}).get("StatusId")) == 7000:
        return {line["OrderLineId"] for line in order["OrderLine"]}
    paid = {
        detail["ReferenceId"]
        for payment in order.get("Payment") or ()
        for method in payment.get("PaymentMethod") or ()
        for row in method.get("PaymentTransaction") or ()
        if row["TransactionType"]["PaymentTransactionTypeId"] == "Refund"
        and row["PaymentResponseStatus"]["PaymentResponseStatusId"] == "Success"
        for detail in row.get("PaymentTransactionDetail") or ()
    }
    return {
        row["OrderLineId"]
        for invoice in order.get("Invoice") or ()
        if invoice["InvoiceId"] in paid
        for row in invoice["InvoiceLine"]
    }


def lines_eaten_by_fees(order: Json) -> set[str]:
    """The return lines all of whose invoices give nothing back: negative is what MAO pays."""
    totals: dict[str, list[Decimal]] = {}
    for invoice in order.get("Invoice") or ():
        for row in invoice["InvoiceLine"]:
            totals.setdefault(row["OrderLineId"], []).append(Decimal(str(invoice["InvoiceTotal"])))
    return {line_id for line_id, found in totals.items() if min(found) >= 0}


def shipped_units(orders: Iterable[Json]) -> dict[tuple[str, str], int]:
    """(commercetools order, its line) -> units that left the warehouse, by MAO's own figures."""
    found: dict[tuple[str, str], int] = {}
    for order in orders:
        for line in order["OrderLine"]:
            if line.get("IsReturn") or not order.get("AlternateOrderId"):
                continue
            shipped = sum(
                int(row["Quantity"])
                for row in line.get("FulfillmentDetail") or ()
                if status_of(row["StatusId"]) >= 7000
            )
            place = (order["AlternateOrderId"], line["OrderLineId"][:36])
            found[place] = found.get(place, 0) + shipped
    return found


def refunded_total(order: Json) -> Decimal:
    """What MAO has paid out for a return, positive, in major units."""
    return sum(
        (
            Decimal(str(row["ProcessedAmount"]))
            for payment in order.get("Payment") or ()
            for method in payment.get("PaymentMethod") or ()
            for row in method.get("PaymentTransaction") or ()
            if row["TransactionType"]["PaymentTransactionTypeId"] == "Refund"
        ),
        Decimal(0),
    )


def status_of(value: object) -> int:
    return int(Decimal(str(value or 0)))


def _units(line: Json, status: int) -> int:
    rows = line.get("QuantityDetail") or ()
    return sum(int(row["Quantity"]) for row in rows if status_of(row["StatusId"]) == status)


def _condition(document: Json, name: str) -> str:
    return str((document.get(name) or {}).get("ItemConditionId") or "")
