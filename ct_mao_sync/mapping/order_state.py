"""What a MAO order that was read tells about itself: statuses, quantities, holds.

Status ids are decimal texts ("3000", "7000.000", "3600.100"); the integer part counts
(DOC: creating-and-updating-order, extended statuses).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

RELEASED = 3000
PACKED = 3700
FULFILLED = 7000
CANCELLED = 9000

REQUESTED = "Requested"
REQUEST_FAILED = frozenset({"Failure", "Partial Cancellation"})

# Shipped from a warehouse: a late cancellation is possible until the parcel is packed; everything else
# until it is handed over (DOC: lateordercancellation).
_SHIP_TO_HOME = "ShipToAddress"


def status_id(value: Any) -> int | None:
    """Integer part of a status id, None when there is none."""
    if value is None or value == "":
        return None
    try:
        return int(Decimal(str(value)))
    except (InvalidOperation, ValueError, OverflowError):
        return None


def min_status(node: Mapping[str, Any]) -> int | None:
    return status_id(node.get("MinFulfillmentStatusId"))


def max_status(node: Mapping[str, Any]) -> int | None:
    return status_id(node.get("MaxFulfillmentStatusId"))


def is_cancelled(node: Mapping[str, Any]) -> bool:
    """An order or a line is cancelled: the flag, or every unit at 9000."""
    return node.get("IsCancelled") is True or max_status(node) == CANCELLED


def is_terminal(order: Mapping[str, Any]) -> bool:
    """Nothing of the order can be changed any more: every unit is shipped or beyond, or cancelled."""
    if is_cancelled(order):
        return True
    lowest = min_status(order)
    if lowest is not None and lowest >= FULFILLED:
        return True
    lines = [line for line in order.get("OrderLine") or () if not line.get("IsReturn")]
    return bool(lines) and all(is_line_terminal(line) for line in lines)


def is_line_terminal(line: Mapping[str, Any]) -> bool:
    lowest = min_status(line)
    return is_cancelled(line) or (lowest is not None and lowest >= FULFILLED)


def is_line_late_cancellable(line: Mapping[str, Any]) -> bool:
    """Whether MAO may still take back the whole line after its release. One line too far makes it refuse
    all lines of a save (DOC: creating-and-updating-order, "Host sending full updates")."""
    method = line.get("DeliveryMethod")
    if isinstance(method, Mapping):
        method = method.get("DeliveryMethodId")
    return (max_status(line) or 0) < (PACKED if method == _SHIP_TO_HOME else FULFILLED)


def active_hold(order: Mapping[str, Any], hold_type_id: str) -> bool:
    """True while the hold is applied (StatusId 1000; 2000 = resolved. DOC: order-hold-and-unhold)."""
    for hold in order.get("OrderHold") or ():
        hold_type = hold.get("HoldTypeId") or (hold.get("HoldType") or {}).get("HoldTypeId")
        if hold_type == hold_type_id:
            status = status_id(hold.get("StatusId") or (hold.get("Status") or {}).get("StatusId"))
            # A hold whose status is not shown counts only while the order itself says that it is held.
            if order.get("IsOnHold") is True if status is None else status < 2000:
                return True
    return False


def cancellation_request(line: Mapping[str, Any]) -> str:
    """State of a late cancellation: "", Requested, Success, Failure or Partial Cancellation
    (DOC: lateordercancellation)."""
    value = line.get("CancellationRequestStatus")
    if isinstance(value, Mapping):
        value = value.get("CancellationRequestStatusId")
    return str(value or "")
