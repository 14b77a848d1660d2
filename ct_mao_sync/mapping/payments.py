"""Payments as references: MAO learns what was paid and must not pay, settle or refund anything itself."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ct_mao_sync.mapping.address import map_address
from ct_mao_sync.mapping.money import Currency
from ct_mao_sync.mapping.source import OrderSource, row_id
from ct_mao_sync.models.commercetools import Money, PaymentReference, Transaction

_TRANSACTION_TYPES = {"Authorization": "Authorization", "Charge": "Settlement"}
_KNOWN_METHODS = {
    "creditcard": "Credit Card",
    "card": "Credit Card",
    "paypal": "PayPal",
    "giftcard": "Gift Card",
}


def map_payments(source: OrderSource) -> list[dict[str, Any]]:
    """`Payment[]` of the create: one method per commercetools payment, with its successful transactions
    when the payment was expanded. Empty when the order has none."""
    info = source.order.payment_info
    if info is None or not info.payments:
        return []
    methods = [_map_method(source, reference) for reference in info.payments]
    return [{"ProcessingMode": {"ProcessingModeId": "ExternalProcessing"}, "PaymentMethod": methods}]


def is_paid(source: OrderSource) -> bool:
    """By the order's paymentState, or with `orders.paid_by = "payments"` also when successful charges
    cover the order's gross total."""
    order, rules = source.order, source.rules
    if order.payment_state in rules.paid_states:
        return True
    if rules.paid_by != "payments":
        return False
    due = order.taxed_price.total_gross if order.taxed_price else order.total_price
    charged = sum(
        transaction.amount.amount
        for reference in (order.payment_info.payments if order.payment_info else ())
        for transaction in (reference.obj.transactions if reference.obj else ())
        if transaction.type == "Charge"
        and transaction.state == "Success"
        and transaction.amount.currency_code == due.currency_code
    )
    return charged >= due.amount


def render_moment(moment: datetime) -> str:
    """MAO's dates: UTC, without a zone (`2026-01-10T10:00:00.123`)."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")


def _map_method(source: OrderSource, reference: PaymentReference) -> dict[str, Any]:
    payment = reference.obj
    method: dict[str, Any] = {
        "PaymentMethodId": row_id(reference.id),
        "PaymentType": {
            "PaymentTypeId": _payment_type(payment.payment_method_info.method if payment else None)
        },
    }
    if payment and payment.payment_method_info.payment_interface:
        method["GatewayId"] = payment.payment_method_info.payment_interface
    if payment and payment.amount_planned:
        method["Amount"] = _amount(source, payment.amount_planned)
        method["CurrencyCode"] = payment.amount_planned.currency_code
    else:
        method["CurrencyCode"] = source.currency.code
    billing = source.order.billing_address
    address = map_address(billing) if billing else {}
    if address:
        method["BillingAddress"] = {"Address": address}
    transactions = [
        _map_transaction(source, transaction)
        for transaction in (payment.transactions if payment else ())
        if transaction.state == "Success" and transaction.type in _TRANSACTION_TYPES
    ]
    if transactions:
        method["PaymentTransaction"] = transactions
    return method


def _map_transaction(source: OrderSource, transaction: Transaction) -> dict[str, Any]:
    amount = _amount(source, transaction.amount)
    row: dict[str, Any] = {
        "PaymentTransactionId": row_id(transaction.id),
        "TransactionType": {"PaymentTransactionTypeId": _TRANSACTION_TYPES[transaction.type]},
        "Status": {"PaymentTransactionStatusId": "Closed"},
        "PaymentResponseStatus": {"PaymentResponseStatusId": "Success"},
        "RequestedAmount": amount,
        "ProcessedAmount": amount,
    }
    if transaction.interaction_id:
        row["RequestId"] = row["RequestToken"] = transaction.interaction_id
    if transaction.timestamp:
        row["TransactionDate"] = render_moment(transaction.timestamp)
    return row


def _amount(source: OrderSource, money: Money) -> Decimal:
    if money.currency_code == source.currency.code:
        return source.currency.decimal(money.cent_amount)
    digits = money.currency_digits
    return Currency(money.currency_code, digits, digits).decimal(money.cent_amount)


def _payment_type(method: str | None) -> str:
    """MAO's PaymentType in the words of the shop: `credit_card` and `CREDIT_CARD` are a Credit Card."""
    words = (method or "").replace("_", " ").replace("-", " ").split()
    if not words:
        return "Credit Card"
    known = _KNOWN_METHODS.get("".join(words).lower())
    if known:
        return known
    # A word that mixes cases (iDEAL, PayPal) is a name and stays as it is.
    return " ".join(word.capitalize() if word.islower() or len(words) > 1 else word for word in words)
