"""What MAO computes on an order: statuses from units, totals from money, prorated discounts, holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import ROUND_DOWN, Decimal
from typing import Any

from .core import Json
from .manhattan_values import code_of

STATUS_NAMES = {
    1000: "Open",
    1500: "Back Ordered",
    1600: "Awaiting Procurement",
    2000: "Allocated",
    3000: "Released",
    3500: "In Process",
    3600: "Picked",
    3700: "Packed",
    7000: "Fulfilled",
    7500: "Delivered",
    8000: "Pending Return",
    8500: "Returned",
    9000: "Canceled",
    11000: "Pending Return",
    13000: "Pending Approval",
    14000: "Carrier Scanned",
    15000: "Received",
    18000: "Returned",
    19000: "Canceled",
}
MERGE = "Merge"
"""DestinationAction and AllocationType of the leg that brings units to the store they are picked up in."""
RELEASED = 3000
CANCELED = 9000
ZERO = Decimal(0)
_CENT = Decimal("0.01")


def status_of(value: object) -> int:
    """A status id by its integer part: "2000.100" is 2000."""
    return int(Decimal(str(value)))


def status_name(status: int) -> str:
    return STATUS_NAMES.get(status, str(status))


def number(value: object) -> Decimal:
    """A stored number; nothing is zero."""
    if isinstance(value, Decimal):
        return value
    return ZERO if value is None else Decimal(str(value))


def rows(document: Json, name: str) -> list[Json]:
    """A child list, empty when there is none."""
    value = document.get(name)
    return value if isinstance(value, list) else []


def line_range(line: Json) -> tuple[int, int]:
    """The lowest and the highest status of the line's units; 9000 when it is cancelled."""
    if line.get("IsCancelled"):
        canceled = 19000 if line.get("IsReturn") else CANCELED
        return canceled, canceled
    statuses = [
        status_of(row["StatusId"]) for row in rows(line, "QuantityDetail") if number(row["Quantity"]) > 0
    ]
    if not statuses:
        start = 11000 if line.get("IsReturn") else 1000
        return start, start
    return min(statuses), max(statuses)


def order_range(order: Json) -> tuple[int, int] | None:
    """The lowest and the highest status over the sale lines; cancelled ones count only if all are."""
    return _range([line for line in rows(order, "OrderLine") if not line.get("IsReturn")])


def _range(lines: list[Json]) -> tuple[int, int] | None:
    ranges = [line_range(line) for line in lines]
    alive = [each for each in ranges if each[0] not in (CANCELED, 19000)] or ranges
    return (min(low for low, _ in alive), max(high for _, high in alive)) if alive else None


def status_text(low: int, high: int) -> str:
    return status_name(high) if low == high else f"Partially {status_name(high)}"


def compute_order(order: Json, new_id: Callable[[], str]) -> None:
    """Brings every computed member of the order up to date, in place."""
    lines = rows(order, "OrderLine")
    _prorate(order, lines, new_id)
    for line in lines:
        _compute_line(line)
    sale = _range([line for line in lines if not line.get("IsReturn")])
    returned = _range([line for line in lines if line.get("IsReturn")])
    for process, span in (("Fulfillment", sale), ("Return", returned)):
        order[f"Min{process}StatusId"] = str(span[0]) if span else None
        order[f"Max{process}StatusId"] = str(span[1]) if span else None
        order[f"{process}Status"] = status_text(*span) if span else None
    charges = [row for row in rows(order, "OrderChargeDetail") if not row.get("IsInformational")]
    taxes = rows(order, "OrderTaxDetail")
    order["OrderSubTotal"] = sum((number(line["OrderLineSubTotal"]) for line in lines), ZERO)
    order["TotalCharges"] = _total(charges, lambda amount: amount > 0) + _sum(lines, "TotalCharges")
    order["TotalDiscounts"] = _total(charges, lambda amount: amount < 0) + _sum(lines, "TotalDiscounts")
    order["TotalTaxes"] = _taxes(taxes, informational=False) + _sum(lines, "TotalTaxes")
    order["TotalInformationalTaxes"] = _taxes(taxes, informational=True) + _sum(
        lines, "TotalInformationalTaxes"
    )
    order["OrderTotal"] = (
        order["OrderSubTotal"] + order["TotalCharges"] + order["TotalDiscounts"] + order["TotalTaxes"]
    )
    order["OrderLineCount"] = sum(1 for line in lines if not line.get("IsReturn"))
    order["ReturnLineCount"] = sum(1 for line in lines if line.get("IsReturn"))
    order["CancelLineCount"] = sum(1 for line in lines if line.get("IsCancelled"))
    order["IsOnHold"] = is_on_hold(order)


def is_on_hold(order: Json) -> bool:
    """True while any hold of the order is applied (1000)."""
    return any(status_of(hold.get("StatusId", "1000")) == 1000 for hold in rows(order, "OrderHold"))


def _compute_line(line: Json) -> None:
    low, high = line_range(line)
    line["MinFulfillmentStatusId"], line["MaxFulfillmentStatusId"] = str(low), str(high)
    line["MinFulfillmentStatus"] = {"StatusId": str(low)}
    line["MaxFulfillmentStatus"] = {"StatusId": str(high)}
    line["FulfillmentStatus"] = status_text(low, high)
    own = [
        row
        for row in rows(line, "OrderLineChargeDetail")
        if not row.get("IsInformational") and not row.get("HeaderChargeDetailId")
    ]
    taxes = rows(line, "OrderLineTaxDetail")
    line["OrderLineSubTotal"] = number(line.get("Quantity")) * number(line.get("UnitPrice"))
    line["TotalCharges"] = _total(own, lambda amount: amount > 0)
    line["TotalDiscounts"] = _total(own, lambda amount: amount < 0)
    line["TotalDiscountOnItem"] = _total(
        [row for row in own if code_of(row, "DiscountOn", "DiscountOnId") == "ItemPrice"],
        lambda amount: amount < 0,
    )
    line["TotalTaxes"] = _taxes(taxes, informational=False)
    line["TotalInformationalTaxes"] = _taxes(taxes, informational=True)
    line["OrderLineTotal"] = (
        line["OrderLineSubTotal"] + line["TotalCharges"] + line["TotalDiscounts"] + line["TotalTaxes"]
    )
    line["IsOnHold"] = any(
        status_of(hold.get("StatusId", "1000")) == 1000 for hold in rows(line, "OrderLineHold")
    )


def _prorate(order: Json, lines: list[Json], new_id: Callable[[], str]) -> None:
    """Spreads header discounts over the lines as rows of MAO's own (HeaderChargeDetailId)."""
    alive = [line for line in lines if not line.get("IsCancelled") and not line.get("IsReturn")]
    weights = [max(ZERO, number(line.get("Quantity")) * number(line.get("UnitPrice"))) for line in alive]
    whole = sum(weights, ZERO)
    discounts = [
        row
        for row in rows(order, "OrderChargeDetail")
        if number(row.get("ChargeTotal")) < 0
        and code_of(row, "DiscountOn", "DiscountOnId") == "Order"
        and not row.get("IsInformational")
    ]
    known: dict[tuple[int, str], str] = {}
    for line in lines:
        children = rows(line, "OrderLineChargeDetail")
        if not any(row.get("HeaderChargeDetailId") for row in children):
            continue
        known |= {
            (id(line), row["HeaderChargeDetailId"]): row["ChargeDetailId"]
            for row in children
            if row.get("HeaderChargeDetailId")
        }
        line["OrderLineChargeDetail"] = [row for row in children if not row.get("HeaderChargeDetailId")]
    for discount in discounts if whole > 0 else ():
        total = number(discount["ChargeTotal"])
        left = total
        for index, (line, weight) in enumerate(zip(alive, weights, strict=True)):
            last = index == len(alive) - 1
            share = left if last else (total * weight / whole).quantize(_CENT, ROUND_DOWN)
            left -= share
            header_id = discount["ChargeDetailId"]
            line.setdefault("OrderLineChargeDetail", [])
            if line["OrderLineChargeDetail"] is None:
                line["OrderLineChargeDetail"] = []
            line["OrderLineChargeDetail"].append(
                {
                    "ChargeDetailId": known.get((id(line), header_id)) or new_id().replace("-", ""),
                    "HeaderChargeDetailId": header_id,
                    "ChargeType": discount.get("ChargeType"),
                    "DiscountOn": discount.get("DiscountOn"),
                    "ChargeReferenceId": discount.get("ChargeReferenceId"),
                    "ChargeTotal": share,
                    "RequestedAmount": share,
                    "IsProrated": True,
                    "IsInformational": False,
                }
            )


def _sum(documents: Iterable[Json], name: str) -> Decimal:
    return sum((number(document.get(name)) for document in documents), ZERO)


def _total(charges: Iterable[Json], wanted: Callable[[Decimal], bool]) -> Decimal:
    amounts = (number(row.get("ChargeTotal")) for row in charges)
    return sum((amount for amount in amounts if wanted(amount)), ZERO)


def _taxes(taxes: Iterable[Json], *, informational: bool) -> Decimal:
    return sum(
        (number(row.get("TaxAmount")) for row in taxes if bool(row.get("IsInformational")) is informational),
        ZERO,
    )


def calculated_values(line: Json) -> Json:
    """The string totals that a GET adds to a line; the misspelt names are MAO's."""
    units = dict.fromkeys((1500, 2000, 3000, 7000, 7500), ZERO)
    for row in rows(line, "QuantityDetail"):
        status = status_of(row["StatusId"])
        base = next((each for each in (7500, 7000, 3000, 2000, 1500) if status >= each), None)
        if base is not None:
            units[base] += number(row["Quantity"])
    cancelled = _sum(rows(line, "OrderLineCancelHistory"), "CancelQuantity")
    quantity = number(line.get("Quantity"))
    texts: dict[str, Any] = {
        "OrginalOrderedQuantity": quantity + cancelled,
        "OrderedQuantity": quantity,
        "TotalBackorderedQuantity": units[1500],
        "TotalAllocatedQuantity": units[2000],
        "TotalReleasedQuantity": units[3000],
        "TotalShippedQuantity": units[7000] + units[7500],
        "TotalDeliveredQuantity": units[7500],
        "TotalCancelledQuantity": cancelled,
        "NewEffectiveQuantity": quantity,
    }
    if line.get("IsReturn"):
        texts["RecievedQuantity"] = _sum(rows(line, "ReturnDetail"), "Quantity")
    return {name: f"{value:f}" for name, value in texts.items()}
