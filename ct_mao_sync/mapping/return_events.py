"""What a payment service is told: units whose disposition is certain, and refunds that MAO has paid.

A disposition is told for each return item: items stay as they are, so the key of an event is the same
whenever it is computed, also after the state was lost. A refund is told as MAO paid it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from ct_mao_sync.mapping.return_allocate import Group
from ct_mao_sync.mapping.return_order import UNMAPPED, ReturnLine, WantedReturn
from ct_mao_sync.mapping.return_place import Place
from ct_mao_sync.mapping.return_shop import ShopOrder
from ct_mao_sync.models.commercetools import currency_fraction_digits

DISPOSED = "return-disposed"
REFUNDED = "return-refunded"


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """One line of the outbox but for its moment. `amount` and those of `lines` in minor units."""

    key: str
    event: str
    order_number: str
    order_id: str
    return_id: str
    currency: str
    amount: int
    exchange: bool
    lines: tuple[Mapping[str, Any], ...]

    def as_line(self, at: str) -> dict[str, Any]:
        return {
            "key": self.key,
            "event": self.event,
            "at": at,
            "orderNumber": self.order_number,
            "orderId": self.order_id,
            "returnId": self.return_id,
            "currency": self.currency,
            "amount": self.amount,
            "exchange": self.exchange,
            "lines": [dict(line) for line in self.lines],
        }


def disposed(
    wanted: WantedReturn,
    order: ShopOrder,
    line: ReturnLine,
    place: Place,
    key: str,
    groups: Sequence[Group],
    position: int,
) -> OutboxEvent:
    """The units behind one item; `position`: units of the line before it."""
    lines = _lines(wanted, line, place, groups, position)
    amount = sum(int(each["amount"]) for each in lines)
    return _event(wanted, order, DISPOSED, f"{order.id}:{key}:disposed", amount, lines)


def refunded(wanted: WantedReturn, order: ShopOrder, places: Mapping[str, Place]) -> Iterator[OutboxEvent]:
    """One event for each refund: what MAO says went out, fees and all, and the verified units it is for."""
    for payment in wanted.payments:
        lines: list[dict[str, Any]] = []
        for line in wanted.lines:
            place = places.get(line.line_id)
            if place is not None and line.line_id in payment.line_ids:
                verified = [group for group in groups_of(line, place) if group.fate]
                lines += _lines(wanted, line, place, verified, 0)
        if payment.amount is None:
            amount = sum(int(each["amount"]) for each in lines)
        else:
            amount = _minor(payment.amount, wanted.currency)
        name = f":{payment.name}" if payment.name else ""
        if amount:
            key = f"{order.id}:{wanted.return_id}{name}:refunded"
            yield _event(wanted, order, REFUNDED, key, amount, lines)


def gives_something_back(wanted: WantedReturn, line: ReturnLine) -> bool:
    """False when fees of the return ate all that its refund was to pay for this line: the customer got
    nothing, whatever MAO calls it."""
    amounts = [payment.amount for payment in wanted.payments if line.line_id in payment.line_ids]
    return not amounts or any(amount is None or amount > 0 for amount in amounts)


def groups_of(line: ReturnLine, place: Place) -> list[Group]:
    """The units of a return line in units of the shop."""
    return [
        Group(each.condition, each.disposition, each.fate, whole)
        for each in line.units
        if (whole := place.whole(each.quantity))
    ]


def worth(wanted: WantedReturn, line: ReturnLine, place: Place, before: int, units: int) -> int | None:
    """What units of a line give back, in minor units, when `before` units did already: rounded over the sum,
    so that the parts of a line are the line. None when MAO gives no price or no currency."""
    if line.unit_amount is None or not wanted.currency:
        return None
    of_one = line.unit_amount / place.factor
    return _minor(of_one * (before + units), wanted.currency) - _minor(of_one * before, wanted.currency)


def _minor(amount: Decimal, currency: str) -> int:
    digits = currency_fraction_digits(currency)
    return int(amount.scaleb(digits).to_integral_value(ROUND_HALF_EVEN))


def _lines(
    wanted: WantedReturn, line: ReturnLine, place: Place, groups: Sequence[Group], position: int
) -> list[dict[str, Any]]:
    lines = []
    for group in groups:
        lines.append(
            {
                "lineItemId": place.line.id,
                "sku": place.line.sku,
                "quantity": group.quantity,
                "condition": group.condition,
                "disposition": "" if group.fate == UNMAPPED else group.fate,
                "amount": worth(wanted, line, place, position, group.quantity) or 0,
            }
        )
        position += group.quantity
    return lines


def _event(
    wanted: WantedReturn, order: ShopOrder, event: str, key: str, amount: int, lines: Sequence[dict[str, Any]]
) -> OutboxEvent:
    return OutboxEvent(
        key,
        event,
        order.number,
        order.id,
        wanted.return_id,
        wanted.currency,
        amount,
        wanted.exchange,
        tuple(lines),
    )
