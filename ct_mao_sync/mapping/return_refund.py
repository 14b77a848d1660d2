"""Whether MAO has paid return lines back, and how much. All that is inferred about it stands here.

Confirmed (MAO docs: how payment processing works, returns overview): PaymentStatus 7000 = Refunded, 6000 =
awaiting, 0 = MAO does not pay; Return invoices; successful Refund transactions that refer to an invoice.
Inferred: that an invoice names its lines, and that AmountProcessed is filled when it is paid out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ct_mao_sync.mapping.availability import exact_number
from ct_mao_sync.mapping.mao_document import code_of, rows_of, text_of
from ct_mao_sync.mapping.order_state import status_id

REFUNDED = 7000
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Refund:
    """What is known of the money of one line. `reference`: of the transaction, else of the invoice.
    `expected` is False when MAO pays nobody (status 0): nothing is to be waited for."""

    done: bool = False
    reference: str = ""
    expected: bool = True


@dataclass(frozen=True, slots=True)
class Payment:
    """One refund that went out. `name`: the invoice's id, "" for the return as a whole. `amount`: positive,
    exact; None when MAO does not say. `line_ids`: the return lines it is for."""

    name: str
    amount: Decimal | None
    line_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Invoice:
    id: str
    parent_id: str
    amount: Decimal | None
    line_ids: tuple[str, ...]
    refund: Refund


@dataclass(frozen=True, slots=True)
class Refunds:
    """Of one return order."""

    whole: Refund
    """With `done`: everything is paid back."""
    invoices: tuple[_Invoice, ...]
    total: Decimal | None
    """What all refunds together paid; None when nobody says, or not for which order."""

    def of_line(self, line_id: str) -> Refund:
        """7000 can be the answer to earlier lines: where invoices name their lines, one without an invoice
        has not been paid back."""
        own = next((each for each in self.invoices if line_id in each.line_ids), None)
        if own is not None and own.refund.done:
            return own.refund
        if own is None and any(each.line_ids for each in self.invoices):
            return Refund(expected=self.whole.expected)
        return self.whole

    def of_order(self, parent_id: str, line_ids: Collection[str]) -> tuple[Payment, ...]:
        """The refunds of one parent order: an invoice is of one parent."""
        if not self.invoices and self.whole.done:
            return (Payment("", self.total, tuple(line_ids)),)
        found = []
        for invoice in self.invoices:
            if (invoice.refund.done or self.whole.done) and invoice.parent_id in (parent_id, ""):
                own = [line_id for line_id in invoice.line_ids if line_id in line_ids]
                found.append(Payment(invoice.id, invoice.amount, tuple(own or line_ids)))
        return tuple(found)


def refunds_of(row: Mapping[str, Any]) -> Refunds:
    """The refunds of a return order, by invoice where MAO tells."""
    status = status_id(code_of(row.get("PaymentStatus")))
    expected = status is not None and status != 0
    paid = _references_of_refunds(row)
    invoices = []
    any_open = False
    for invoice in rows_of(row, "Invoice"):
        if code_of(invoice.get("InvoiceType")) != "Return":
            continue
        any_open |= code_of(invoice.get("Status")) == "Open"
        invoice_id = str(invoice.get("InvoiceId") or "")
        done = invoice_id in paid or (expected and _is_paid_out(invoice))
        total = exact_number(invoice.get("InvoiceTotal"))
        invoices.append(
            _Invoice(
                invoice_id,
                text_of(invoice.get("ParentOrderId")),
                # Negative: given back. A fee that is higher than that is an invoice to the customer.
                None if total is None else max(-total, _ZERO),
                tuple(text_of(line.get("OrderLineId")) for line in rows_of(invoice, "InvoiceLine")),
                Refund(done, (paid.get(invoice_id) or invoice_id) if done else "", expected),
            )
        )
    parents = {
        line.get("ParentOrderId") for line in rows_of(row, "OrderLine") if line.get("IsReturn") is True
    }
    # 7000 with an open invoice is the answer to an earlier one.
    whole = status == REFUNDED and not any_open
    if paid and not invoices:
        whole = whole or _covers(row)
    references = [*(each.id for each in invoices), *paid.values()]
    return Refunds(
        Refund(whole, references[-1] if whole and references else "", expected),
        tuple(invoices),
        (sum((_processed(each) for each in _refunds(row)), _ZERO) or None) if len(parents) == 1 else None,
    )


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


def _processed(transaction: Mapping[str, Any]) -> Decimal:
    return abs(exact_number(transaction.get("ProcessedAmount")) or _ZERO)


def _is_paid_out(invoice: Mapping[str, Any]) -> bool:
    total, processed = exact_number(invoice.get("InvoiceTotal")), exact_number(invoice.get("AmountProcessed"))
    return code_of(invoice.get("Status")) == "Closed" and bool(processed) and processed == total


def _covers(row: Mapping[str, Any]) -> bool:
    """Refunds that refer to nothing we can see: whether they are as much as the return lines less the fees
    of the return."""
    back = sum((_processed(each) for each in _refunds(row)), _ZERO)
    due = _ZERO
    for line in rows_of(row, "OrderLine"):
        if line.get("IsReturn") is True and line.get("IsCancelled") is not True:
            due -= exact_number(line.get("OrderLineTotal")) or _ZERO
    for charge in rows_of(row, "OrderChargeDetail"):
        if charge.get("IsReturnCharge") is True:
            due -= exact_number(charge.get("ChargeTotal")) or _ZERO
    return due > 0 and back >= due
