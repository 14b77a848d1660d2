"""Whether MAO has paid a return line back. All that is inferred about it stands here.

Confirmed (MAO docs: how payment processing works, returns overview): PaymentStatus 7000 = Refunded, 6000 =
awaiting, 0 = MAO does not pay; Return invoices; successful Refund transactions that refer to an invoice.
Inferred: that an invoice tells its lines, and that AmountProcessed is filled when it is paid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from ct_mao_sync.mapping.availability import exact_number
from ct_mao_sync.mapping.mao_document import code_of, rows_of
from ct_mao_sync.mapping.order_state import status_id

REFUNDED = 7000
_PAID = 5000
_EVEN_EXCHANGE = "Even Exchange"


@dataclass(frozen=True, slots=True)
class Refund:
    """What is known of the money of one line. `reference`: of the transaction, else of the invoice."""

    state: Literal["", "Refunded", "NotRefunded"] = ""
    reference: str = ""
    expected: bool = True
    """False when MAO pays nobody (status 0): nothing is to be waited for."""


@dataclass(frozen=True, slots=True)
class Refunds:
    status: int | None
    whole: Refund
    lines: Mapping[str, Refund]

    def of_line(self, line_id: str) -> Refund:
        return self.lines.get(line_id, self.whole)


def refunds_of(row: Mapping[str, Any]) -> Refunds:
    """The refunds of a return order, by line where MAO tells."""
    status = status_id(code_of(row.get("PaymentStatus")))
    expected = status is not None and status != 0
    invoices = [each for each in rows_of(row, "Invoice") if code_of(each.get("InvoiceType")) == "Return"]
    paid = _references_of_refunds(row)
    any_open = any(code_of(each.get("Status")) == "Open" for each in invoices)
    lines: dict[str, Refund] = {}
    for invoice in invoices:
        invoice_id = str(invoice.get("InvoiceId") or "")
        done = invoice_id in paid or (expected and _is_paid_out(invoice))
        refund = (
            Refund("Refunded", paid.get(invoice_id) or invoice_id, expected)
            if done
            else Refund("", "", expected)
        )
        for line in rows_of(invoice, "InvoiceLine"):
            lines[str(line.get("OrderLineId"))] = refund
    whole = Refund("", "", expected)
    if status == REFUNDED and not any_open:
        reference = next(reversed(paid.values()), "") or next(
            (str(each.get("InvoiceId") or "") for each in reversed(invoices)), ""
        )
        whole = Refund("Refunded", reference, expected)
    elif paid and not invoices:
        # A refund that refers to nothing we can see: it is taken for the whole when it covers all that came.
        whole = Refund("Refunded", next(reversed(paid.values())), expected) if _covers(row) else whole
    for line in rows_of(row, "OrderLine"):
        line_id = str(line.get("OrderLineId"))
        known = lines.get(line_id, whole)
        if code_of(line.get("ReturnType")) == _EVEN_EXCHANGE and status in (_PAID, REFUNDED):
            lines[line_id] = Refund("NotRefunded", "", expected)  # goods for goods, no money
        elif known.state == "" and whole.state:
            lines[line_id] = whole
    return Refunds(status, whole, lines)


def _references_of_refunds(row: Mapping[str, Any]) -> dict[str, str]:
    """Invoice id -> reference of the successful Refund that paid it; "" as key where it names none."""
    found: dict[str, str] = {}
    for transaction in _refunds(row):
        reference = str(transaction.get("RequestId") or transaction.get("PaymentTransactionId") or "")
        details = rows_of(transaction, "PaymentTransactionDetail")
        for invoice_id in [str(each.get("ReferenceId") or "") for each in details] or [""]:
            found[invoice_id] = reference
    return found


def _refunds(row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for payment in rows_of(row, "Payment"):
        for method in rows_of(payment, "PaymentMethod"):
            for transaction in rows_of(method, "PaymentTransaction"):
                succeeded = code_of(transaction.get("PaymentResponseStatus")) == "Success"
                if succeeded and code_of(transaction.get("TransactionType")) == "Refund":
                    yield transaction


def _is_paid_out(invoice: Mapping[str, Any]) -> bool:
    total, processed = exact_number(invoice.get("InvoiceTotal")), exact_number(invoice.get("AmountProcessed"))
    return code_of(invoice.get("Status")) == "Closed" and bool(processed) and processed == total


def _covers(row: Mapping[str, Any]) -> bool:
    """Whether the refunds are as much as the return lines less the fees of the return."""
    back = sum(
        (exact_number(each.get("ProcessedAmount")) or Decimal(0) for each in _refunds(row)), Decimal(0)
    )
    due = Decimal(0)
    for line in rows_of(row, "OrderLine"):
        if line.get("IsReturn") is True and line.get("IsCancelled") is not True:
            due -= exact_number(line.get("OrderLineTotal")) or Decimal(0)
    for charge in rows_of(row, "OrderChargeDetail"):
        if charge.get("IsReturnCharge") is True:
            due -= exact_number(charge.get("ChargeTotal")) or Decimal(0)
    return due > 0 and abs(back) >= due
