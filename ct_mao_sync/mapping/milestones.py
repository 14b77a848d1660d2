"""MAO's status of a unit as a milestone.

Ids are decimal texts ("3000", "7000.000", "3600.100"); extended statuses are told by the integer part, and
names are the tenant's to change, so they are never looked at (MAO docs: creating-and-updating-order).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ct_mao_sync.mapping.order_state import status_id

OPEN = "open"
BACKORDERED = "backordered"
ALLOCATED = "allocated"
RELEASED = "released"
IN_PROCESS = "in_process"
PICKED = "picked"
PACKED = "packed"
SHIPPED = "shipped"
DELIVERED = "delivered"
RETURNED = "returned"
CANCELLED = "cancelled"

MILESTONES = (
    OPEN,
    BACKORDERED,
    ALLOCATED,
    RELEASED,
    IN_PROCESS,
    PICKED,
    PACKED,
    SHIPPED,
    DELIVERED,
    RETURNED,
    CANCELLED,
)
"""In the order in which a unit passes them."""

# Statuses of sale lines (MAO docs: creating-and-updating-order). 8000 is a shipped unit that somebody means
# to return: it has not come back, and the return can be taken back.
_MILESTONE_OF: Mapping[int, str] = MappingProxyType(
    {
        0: OPEN,
        1000: OPEN,
        1500: BACKORDERED,
        1600: BACKORDERED,
        2000: ALLOCATED,
        3000: RELEASED,
        3500: IN_PROCESS,
        3600: PICKED,
        3700: PACKED,
        7000: SHIPPED,
        7500: DELIVERED,
        8000: SHIPPED,
        8500: RETURNED,
        9000: CANCELLED,
    }
)
GONE = (RETURNED, DELIVERED, SHIPPED)
"""Milestones of units that have left the warehouse, the most advanced first; there is no way back."""
BEFORE_SHIPPING = (PACKED, PICKED, IN_PROCESS, RELEASED, ALLOCATED, BACKORDERED, OPEN)
"""The others on the way, the most advanced first; units go in both directions."""


def milestone_of(value: Any) -> str | None:
    """The milestone of a status id of a sale line; None for what is none (return lines have 11000 to 19000)
    and for a base status that the product does not document."""
    status = status_id(value)
    return None if status is None else _MILESTONE_OF.get(status)
