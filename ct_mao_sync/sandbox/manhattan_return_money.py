"""The money of a return order: its invoices once goods are verified, its refunds, the credit at its parents.

Rules and names: DOC returns overview, how payment processing works, invoicing and sales posting.
"""

from __future__ import annotations

from decimal import Decimal

from .core import Json, World
from .manhattan_parents import VERIFIED
from .manhattan_totals import ZERO, compute_order, line_range, number, rows, status_of
from .manhattan_values import code_of


def settle_invoices(world: World, order: Json, moment: str) -> None:
    """Writes the return invoices that are due: of the whole order, or of single lines by policy "line".

    A line with an applied hold, or with units not yet Returned, is not due. Exchange lines are let go when
    nothing of the return is left to come.
    """
    lines = [
        line for line in rows(order, "OrderLine") if line.get("IsReturn") and not line.get("IsCancelled")
    ]
    if not order.get("IsConfirmed") or not lines:
        return
    due = [line for line in lines if _is_due(line)]
    done = len(due) == len(lines)
    if world.settings.return_policy == "order" and not done:
        return
    invoiced = {
        row["OrderLineId"] for invoice in rows(order, "Invoice") for row in rows(invoice, "InvoiceLine")
    }
    due = [line for line in due if line["OrderLineId"] not in invoiced]
    if due:
        compute_order(order, world.new_id)
        groups = _groups(world, due)
        for index, group in enumerate(groups):
            _add_invoice(world, order, group, moment, with_header=index == 0 and not invoiced)
    if done:
        for line in rows(order, "OrderLine"):
            for hold in rows(line, "OrderLineHold"):
                if hold["HoldTypeId"] == "ReturnItemsPending":
                    hold["StatusId"] = "2000"


def open_invoices(order: Json) -> list[Json]:
    """Return invoices that are not paid out yet."""
    return [row for row in rows(order, "Invoice") if code_of(row, "Status", "StatusId") == "Open"]


def refund_invoice(world: World, order: Json, invoice: Json, moment: str, *, succeeded: bool) -> None:
    """MAO's payment component pays an invoice out; a failure stays open and is tried again."""
    amount = -number(invoice["InvoiceTotal"])
    if amount <= 0:  # a gift, or a fee that is higher: nothing to pay out
        _close_invoice(order, invoice, ZERO)
        return
    method = _payment_method(world, order, invoice)
    method["PaymentTransaction"].append(
        {
            "PaymentTransactionId": world.new_id(),
            "TransactionType": {"PaymentTransactionTypeId": "Refund"},
            "Status": {"PaymentTransactionStatusId": "Closed" if succeeded else "Open"},
            "PaymentResponseStatus": {"PaymentResponseStatusId": "Success" if succeeded else "Failure"},
            "RequestedAmount": amount,
            "ProcessedAmount": amount if succeeded else ZERO,
            "TransactionDate": moment,
            "PaymentTransactionDetail": [
                {
                    "ReferenceType": {"TransactionReferenceTypeId": "Invoice"},
                    "ReferenceId": invoice["InvoiceId"],
                    "Amount": amount,
                }
            ],
            "CreatedTimestamp": moment,
        }
    )
    if not succeeded:
        return
    method["CurrentRefundAmount"] = number(method.get("CurrentRefundAmount")) + amount
    _close_invoice(order, invoice, number(invoice["InvoiceTotal"]))


def _close_invoice(order: Json, invoice: Json, processed: Decimal) -> None:
    invoice |= {"AmountProcessed": processed, "Status": {"StatusId": "Closed"}}
    lines = [
        line for line in rows(order, "OrderLine") if line.get("IsReturn") and not line.get("IsCancelled")
    ]
    if not open_invoices(order) and all(_is_due(line) for line in lines):
        order["PaymentStatus"] = {"StatusId": "7000.000"}


def _is_due(line: Json) -> bool:
    held = any(status_of(hold.get("StatusId", "1000")) == 1000 for hold in rows(line, "OrderLineHold"))
    return not held and line_range(line) == (VERIFIED, VERIFIED)


def _groups(world: World, lines: list[Json]) -> list[list[Json]]:
    """One invoice for each parent order; by policy "line" one for each line."""
    if world.settings.return_policy == "line":
        return [[line] for line in lines]
    by_parent: dict[object, list[Json]] = {}
    for line in lines:
        by_parent.setdefault(line.get("ParentOrderId"), []).append(line)
    return list(by_parent.values())


def _add_invoice(world: World, order: Json, lines: list[Json], moment: str, *, with_header: bool) -> None:
    fees = (
        sum(
            (
                number(row.get("ChargeTotal"))
                for row in rows(order, "OrderChargeDetail")
                if row.get("IsReturnCharge")
            ),
            ZERO,
        )
        if with_header
        else ZERO
    )
    total = sum((number(line["OrderLineTotal"]) for line in lines), ZERO) + fees
    paid_here = status_of(code_of(order, "PaymentStatus", "StatusId") or "6000") != 0
    order["Invoice"] = [
        *rows(order, "Invoice"),
        {
            "InvoiceId": world.new_id()[:13].replace("-", ""),
            "InvoiceType": {"InvoiceTypeId": "Return"},
            "ParentOrderId": lines[0].get("ParentOrderId"),
            "InvoiceTotal": total,
            "TotalCharges": fees,
            "AmountProcessed": ZERO,
            "Status": {"StatusId": "Open" if paid_here else "Closed"},
            "InvoiceLine": [
                {
                    "InvoiceLineId": str(index),
                    "OrderLineId": line["OrderLineId"],
                    "ItemId": line.get("ItemId"),
                    "Quantity": number(line["Quantity"]),
                    "InvoiceLineTotal": line["OrderLineTotal"],
                }
                for index, line in enumerate(lines, 1)
            ],
            "CreatedTimestamp": moment,
        },
    ]


def _payment_method(world: World, order: Json, invoice: Json) -> Json:
    """The parent's payment method, copied to the return order when first needed."""
    parent_id = invoice.get("ParentOrderId")
    payments = order.setdefault("Payment", [])
    if not payments:
        payments.append({"PaymentMethod": []})
    methods: list[Json] = payments[0].setdefault("PaymentMethod", [])
    for method in methods:
        if method.get("ParentOrderId") == parent_id:
            method.setdefault("PaymentTransaction", [])
            return method
    method = {
        "PaymentMethodId": world.new_id(),
        "PaymentType": {"PaymentTypeId": "Credit Card"},
        "CurrencyCode": order.get("CurrencyCode"),
        "IsCopied": True,
        "ParentOrderId": parent_id,
        "PaymentTransaction": [],
    }
    methods.append(method)
    return method
