"""What a MAO return order tells, a parent order at a time: units, conditions, what becomes of them, money.

A return is an order with lines of IsReturn; it can mix returns of several orders, and sale lines of an
exchange, which are MAO's own and not looked at (MAO docs: how returns work). The unit level is the truth:
QuantityDetail says how many came back and were verified, ReturnDetail in which condition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.availability import exact_number, parse_moment
from ct_mao_sync.mapping.item_units import ItemUnits
from ct_mao_sync.mapping.mao_document import code_of, quantity_of, rows_of, status_value, text_of
from ct_mao_sync.mapping.order_state import is_cancelled, max_status, min_status, status_id
from ct_mao_sync.mapping.return_refund import Payment, Refund, refunds_of

# Statuses of return lines (MAO docs: creating-and-updating-order). 13000 and 14000 have not come back.
RECEIVED = 15000
VERIFIED = 18000
RETURN_CANCELLED = 19000

BACK_IN_STOCK = "BackInStock"
UNUSABLE = "Unusable"
KEPT = "Kept"
"""Nothing was to come back: the customer keeps the goods (IsReceiptExpected false)."""
UNMAPPED = "unmapped"

_HOLD_APPLIED = 1000  # DOC: order-hold-and-unhold
_ZERO = Decimal(0)

# Only what is read here: answers of big orders are large (order reference 7).
RETURN_TEMPLATE: Mapping[str, Any] = {
    "OrderId": None,
    "AlternateOrderId": None,
    "CurrencyCode": None,
    "CreatedTimestamp": None,
    "UpdatedTimestamp": None,
    "PaymentStatus": {"StatusId": None},
    "ReturnTrackingDetail": {"ReturnTrackingNumber": None},
    "OrderChargeDetail": {"ChargeTotal": None, "IsReturnCharge": None},
    "OrderLine": {
        "OrderLineId": None,
        "ItemId": None,
        "IsReturn": None,
        "IsCancelled": None,
        "IsReceiptExpected": None,
        "ParentOrderId": None,
        "ParentOrderLineId": None,
        "Quantity": None,
        "UOM": None,
        "UnitPrice": None,
        "OrderLineTotal": None,
        "ReturnType": {"ReturnTypeId": None},
        "MinFulfillmentStatusId": None,
        "MaxFulfillmentStatusId": None,
        "UpdatedTimestamp": None,
        "OrderLineAdditional": {
            "ReturnReason": None,
            "ItemCondition": {"ItemConditionId": None},
            "ItemDisposition": None,
        },
        "OrderLineHold": {"HoldTypeId": None, "StatusId": None},
        "QuantityDetail": {"Quantity": None, "UOM": None, "StatusId": None, "UpdatedTimestamp": None},
        "ReturnDetail": {
            "ReturnDetailId": None,
            "ItemId": None,
            "Quantity": None,
            "UOM": None,
            "ReceivedItemCondition": {"ItemConditionId": None},
            "CreatedTimestamp": None,
            "UpdatedTimestamp": None,
        },
    },
    "Invoice": {
        "InvoiceId": None,
        "InvoiceType": {"InvoiceTypeId": None},
        "ParentOrderId": None,
        "InvoiceTotal": None,
        "AmountProcessed": None,
        "Status": {"StatusId": None},
        "InvoiceLine": {"OrderLineId": None},
    },
    "Payment": {
        "PaymentMethod": {
            "PaymentTransaction": {
                "PaymentTransactionId": None,
                "TransactionType": {"PaymentTransactionTypeId": None},
                "PaymentResponseStatus": {"PaymentResponseStatusId": None},
                "ProcessedAmount": None,
                "RequestId": None,
                "TransactionDate": None,
                "PaymentTransactionDetail": {"ReferenceId": None},
            }
        }
    },
}


@dataclass(frozen=True, slots=True)
class ReturnRules:
    """Every setting the mapping of returns depends on, and nothing else."""

    disposition: Mapping[str, str]
    """MAO condition or disposition -> BackInStock or Unusable."""
    uom: Mapping[str, int | Decimal]
    add_when: str = "received"
    payment_state: bool = True
    standalone: str = "ignore"
    comment: str = ""
    item_type: str = ""
    item_fields: Mapping[str, str] | None = None
    wait_for_delivery: bool = True
    match_by_item: bool = False
    items: ItemUnits | None = None
    """For `match_by_item`: which SKUs sell an item."""
    recreate: bool = False
    """A person asks to add again what somebody deleted in commercetools."""


@dataclass(frozen=True, slots=True)
class Units:
    """Units that came back in one condition and have one fate, in the return line's unit of measure.

    fate   "" while not verified, BackInStock, Unusable, Kept, or unmapped"""

    condition: str
    disposition: str
    fate: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class ReturnLine:
    """One return line. `unit_amount`: what one unit gives back, positive, exact; None when MAO does not say.
    `expected`: units announced. `strange`: units that came back as another item than was sold. `finished`:
    nothing more is to come, and no variance is left to be settled."""

    line_id: str
    parent_line_id: str
    item: str
    uom: str
    expected: Decimal
    units: tuple[Units, ...]
    strange: Decimal
    finished: bool
    reason: str
    unit_amount: Decimal | None
    came_at: datetime | None
    refund: Refund


@dataclass(frozen=True, slots=True)
class WantedReturn:
    """What one return order says about one parent order."""

    entity: str
    return_id: str
    parent_id: str
    lines: tuple[ReturnLine, ...]
    tracking_id: str
    currency: str
    exchange: bool
    created_at: datetime | None
    payments: tuple[Payment, ...] = ()
    """What MAO has paid back for this order."""


def entity_of(return_id: str, parent_id: str) -> str:
    """A return of several orders is several records: each parent order is one atomic update of its own, and
    what one of them refuses does not hold back the others."""
    return f"{return_id}|{parent_id}"


def return_id_of(entity: str) -> str:
    return entity.rpartition("|")[0]


def parent_ids_of(row: Mapping[str, Any]) -> list[str]:
    """The parent orders of a return order, each once; "" for lines without one. Empty: no return."""
    found: dict[str, None] = {}
    for line in rows_of(row, "OrderLine"):
        if line.get("IsReturn") is True:
            found[text_of(line.get("ParentOrderId"))] = None
    return list(found)


def newest_ms(row: Mapping[str, Any]) -> int:
    """The newest timestamp anywhere in a return order, in milliseconds: its version. The header's own lags
    its lines'."""
    newest = max(_moments(row), default=None)
    return int(newest.timestamp() * 1000) if newest else 0


def map_return(row: Mapping[str, Any], parent_id: str, rules: ReturnRules) -> WantedReturn | Rejection:
    """The part of a return order that belongs to one parent order. Rejection `source-invalid`."""
    return_id = text_of(row.get("OrderId"))
    refunds = refunds_of(row)
    lines: list[ReturnLine] = []
    for line in rows_of(row, "OrderLine"):
        if line.get("IsReturn") is not True or text_of(line.get("ParentOrderId")) != parent_id:
            continue
        mapped = _map_line(line, return_id, rules, refunds.of_line(text_of(line.get("OrderLineId"))))
        if isinstance(mapped, Rejection):
            return mapped
        lines.append(mapped)
    numbers = [text_of(each.get("ReturnTrackingNumber")) for each in rows_of(row, "ReturnTrackingDetail")]
    return WantedReturn(
        entity_of(return_id, parent_id),
        return_id,
        parent_id,
        tuple(lines),
        ", ".join(dict.fromkeys(number for number in numbers if number)),
        text_of(row.get("CurrencyCode")),
        any(line.get("IsReturn") is not True for line in rows_of(row, "OrderLine"))
        or any("Exchange" in code_of(line.get("ReturnType")) for line in rows_of(row, "OrderLine")),
        parse_moment(row.get("CreatedTimestamp")),
        refunds.of_order(parent_id, [line.line_id for line in lines]),
    )


def _map_line(
    line: Mapping[str, Any], return_id: str, rules: ReturnRules, refund: Refund
) -> ReturnLine | Rejection:
    line_id = text_of(line.get("OrderLineId"))
    what = f"return {return_id} line {line_id}"
    uom = text_of(line.get("UOM"))
    expected = quantity_of(line.get("Quantity"))
    by_status = _units_by_status(line, uom, rules)
    if not line_id or expected is None or by_status is None:
        return Rejection(
            "source-invalid",
            f"{what}: its quantities are not what MAO documents",
            field="OrderLine.QuantityDetail",
            hint=f"look at return {return_id} in MAO; then: ct-mao-sync replay-errors --entity {return_id}",
        )
    verified = by_status.get(VERIFIED, _ZERO)
    came = verified + by_status.get(RECEIVED, _ZERO)
    if is_return_cancelled(line):
        expected = came = verified = _ZERO
    additional = line.get("OrderLineAdditional")
    additional = additional if isinstance(additional, Mapping) else {}
    parts, strange = _by_condition(line, additional, came, uom, rules)
    # The customer keeps it, unless it was sent back after all.
    keeps = line.get("IsReceiptExpected") is False and not rows_of(line, "ReturnDetail")
    disposition = code_of(additional.get("ItemDisposition"))
    held = any(_is_applied(hold) for hold in rows_of(line, "OrderLineHold"))
    units: list[Units] = []
    fates = {condition: _fate(condition, disposition, keeps, rules) for condition, _ in parts}
    # MAO does not say which units of a line are the verified ones. While some are not, only a line whose
    # units all go the same way is told.
    certain = verified >= came or len(set(fates.values())) == 1
    left = verified if certain else _ZERO
    for condition, quantity in parts:
        done = min(left, quantity)
        left -= done
        if done > 0:
            units.append(Units(condition, disposition, fates[condition], done))
        if quantity > done:
            units.append(Units(condition, disposition, "", quantity - done))
    total = exact_number(line.get("OrderLineTotal"))
    price = exact_number(line.get("UnitPrice"))
    quantity = quantity_of(line.get("Quantity")) or _ZERO
    amount = abs(total) / quantity if total is not None and quantity > 0 else None
    if amount is None and price is not None:
        amount = abs(price)
    return ReturnLine(
        line_id=line_id,
        parent_line_id=text_of(line.get("ParentOrderLineId")),
        item=text_of(line.get("ItemId")),
        uom=uom,
        expected=expected,
        units=tuple(units),
        strange=strange,
        finished=not held and came >= expected and verified >= came,
        reason=code_of(additional.get("ReturnReason")),
        unit_amount=amount,
        came_at=_came_at(line),
        refund=refund,
    )


def is_return_cancelled(line: Mapping[str, Any]) -> bool:
    return is_cancelled(line) or max_status(line) == RETURN_CANCELLED


def _fate(condition: str, disposition: str, keeps: bool, rules: ReturnRules) -> str:
    """MAO's disposition decides, else the condition; not everybody fills in both."""
    if keeps:
        return KEPT
    for name in (disposition, condition):
        if name and name in rules.disposition:
            return rules.disposition[name]
    return UNMAPPED


def _units_by_status(line: Mapping[str, Any], uom: str, rules: ReturnRules) -> dict[int, Decimal] | None:
    """None when nobody can tell. Rows of units that left stay, with a quantity of zero."""
    found: dict[int, Decimal] = {}
    rows = rows_of(line, "QuantityDetail")
    for row in rows:
        quantity = _converted(row, uom, rules)
        status = status_id(status_value(row))
        if quantity is None or status is None:
            return None
        if quantity > 0:
            found[status] = found.get(status, _ZERO) + quantity
    if not rows:
        lowest, highest, quantity = min_status(line), max_status(line), quantity_of(line.get("Quantity"))
        if lowest is None or lowest != highest or quantity is None:
            return None
        return {lowest: quantity}
    return found


def _by_condition(
    line: Mapping[str, Any], additional: Mapping[str, Any], came: Decimal, uom: str, rules: ReturnRules
) -> tuple[list[tuple[str, Decimal]], Decimal]:
    """The units that came back, by received condition, and those that are another item than the line's.
    MAO keeps one ReturnDetail for item and condition; it may hold more than the line accepted."""
    details = sorted(rows_of(line, "ReturnDetail"), key=lambda row: str(row.get("CreatedTimestamp")))
    item = text_of(line.get("ItemId"))
    by_condition: dict[str, Decimal] = {}
    strange, left = _ZERO, came
    for row in details:
        quantity = _converted(row, uom, rules) or _ZERO
        if text_of(row.get("ItemId")) not in ("", item):
            strange += quantity
            continue
        taken = min(left, quantity)
        if taken > 0:
            condition = code_of(row.get("ReceivedItemCondition"))
            by_condition[condition] = by_condition.get(condition, _ZERO) + taken
            left -= taken
    strange = min(strange, left)
    left -= strange
    if left > 0:
        condition = code_of(additional.get("ItemCondition"))
        by_condition[condition] = by_condition.get(condition, _ZERO) + left
    return list(by_condition.items()), strange


def _came_at(line: Mapping[str, Any]) -> datetime | None:
    """When the latest units came, as far as MAO tells."""
    for rows in (rows_of(line, "ReturnDetail"), rows_of(line, "QuantityDetail"), [line]):
        found = [
            moment
            for row in rows
            if (moment := parse_moment(row.get("UpdatedTimestamp") or row.get("CreatedTimestamp")))
        ]
        if found:
            return max(found)
    return None


def _moments(node: Any) -> Iterator[datetime]:
    if isinstance(node, Mapping):
        if moment := parse_moment(node.get("UpdatedTimestamp")):
            yield moment
        for value in node.values():
            if isinstance(value, list | Mapping):
                yield from _moments(value)
    elif isinstance(node, list):
        for each in node:
            yield from _moments(each)


def _converted(row: Mapping[str, Any], uom: str, rules: ReturnRules) -> Decimal | None:
    quantity = quantity_of(row.get("Quantity"))
    own = text_of(row.get("UOM"))
    if quantity is None or not own or own == uom:
        return quantity
    factor, sold = rules.uom.get(own), rules.uom.get(uom)
    return None if factor is None or sold is None else quantity * Decimal(factor) / Decimal(sold)


def _is_applied(hold: Mapping[str, Any]) -> bool:
    status = status_id(status_value(hold))
    return status is None or status == _HOLD_APPLIED
