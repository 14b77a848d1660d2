"""What a commercetools order must look like, computed from scratch from what MAO has: by the rules of the
status job, never from the product's own mapping."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

Json = Mapping[str, Any]

MILESTONES = (
    *("open", "backordered", "allocated", "released", "in_process", "picked", "packed", "shipped"),
    *("delivered", "returned"),
)
_MILESTONE_OF = {
    1000: "open",
    1500: "backordered",
    1600: "backordered",
    2000: "allocated",
    3000: "released",
    3500: "in_process",
    3600: "picked",
    3700: "packed",
    7000: "shipped",
    7500: "delivered",
    8000: "shipped",
    8500: "returned",
}
_HANDED_OVER = ("Email", "PickUpAtStore", "ShipToStore")
"""Nobody reports a delivery after these: fulfilled is as far as they go."""
_SHIPPED = MILESTONES.index("shipped")


@dataclass
class Expected:
    """`units` by line item and milestone ("cancelled" too); `deliveries` by ReleaseId or PackageId."""

    units: dict[str, Counter[str]] = field(default_factory=dict)
    deliveries: dict[str, Counter[str]] = field(default_factory=dict)
    parcels: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    tracking: dict[tuple[str, str], tuple[str | None, str]] = field(default_factory=dict)
    shipment_state: str = ""
    order_state: str = ""
    is_finished: bool = False

    def shipped(self, line_id: str) -> int:
        return sum(self.units[line_id][name] for name in MILESTONES[_SHIPPED:])


def expected_of(order: Json, mao: Json, *, per: str) -> Expected:
    """`order` gives its lines and their quantities only; all else is MAO's."""
    found = Expected()
    merges = {r["ReleaseId"] for r in mao.get("Release") or () if r["DestinationAction"] == "Merge"}
    own: dict[str, list[Json]] = defaultdict(list)
    wanted = {line["id"] for line in order["lineItems"]}
    for row in mao["OrderLine"]:
        ids = [str(row.get(name) or "")[:36] for name in ("OrderLineId", "AlternateOrderLineId")]
        line_id = next((id for id in ids if id in wanted), None)
        if line_id and not row.get("IsReturn"):
            own[line_id].append(row)
    for line in order["lineItems"]:
        units: Counter[str] = Counter()
        kept = Decimal(0)
        for row in own[line["id"]]:
            kept += row["Quantity"]
            method = row["DeliveryMethod"]["DeliveryMethodId"]
            for detail in row["QuantityDetail"]:
                milestone = _MILESTONE_OF[int(Decimal(detail["StatusId"]))]
                if milestone == "shipped" and method in _HANDED_OVER:
                    milestone = "delivered"
                units[milestone] += int(detail["Quantity"])
            if method != "Email":
                _add_deliveries(found, order, line["id"], row, merges, per)
        units["cancelled"] = line["quantity"] - int(kept)
        found.units[line["id"]] = +units
    found.shipment_state, found.order_state = _states(found)
    everything = sum(found.units.values(), Counter())
    found.is_finished = set(everything) <= {"delivered", "returned", "cancelled"}
    return found


def _add_deliveries(
    found: Expected, order: Json, line_id: str, row: Json, merges: set[str], per: str
) -> None:
    if not order.get("shippingInfo") and not order.get("shipping"):
        return
    for detail in row.get("FulfillmentDetail") or ():
        if int(Decimal(detail["StatusId"])) < 7000 or detail["ReleaseId"] in merges:
            continue
        package = detail["PackageId"]
        delivery = package if per == "package" else detail["ReleaseId"]
        found.deliveries.setdefault(delivery, Counter())[line_id] += int(detail["Quantity"])
        found.parcels.setdefault((delivery, package), Counter())[line_id] += int(detail["Quantity"])
        found.tracking[delivery, package] = detail["TrackingNumber"], detail["CarrierCode"]


def _states(found: Expected) -> tuple[str, str]:
    """shipmentState and orderState by the product's own tables."""
    everything = sum(found.units.values(), Counter())
    live = everything.total() - everything["cancelled"]
    if live == 0:
        return "Canceled", "Cancelled"

    def at_least(milestone: str) -> int:
        return sum(everything[name] for name in MILESTONES[MILESTONES.index(milestone) :])

    order_state = (
        "Complete" if at_least("delivered") == live else "Confirmed" if at_least("allocated") else ""
    )
    if at_least("delivered") == live:
        return "Delivered", order_state
    if at_least("shipped") == live:
        return "Shipped", order_state
    if at_least("shipped"):
        return "Partial", order_state
    if everything["backordered"]:
        return "Backorder", order_state
    return ("Ready" if at_least("packed") == live else "Pending"), order_state


def expected_line_states(units: Mapping[str, int], configured: Mapping[str, str]) -> Counter[str]:
    """Units by State key: each at its milestone's State, or at that of the nearest one before it."""
    found: Counter[str] = Counter()
    for milestone, count in units.items():
        if milestone == "cancelled":
            found[configured.get("cancelled", "Initial")] += count
            continue
        # A back-ordered unit has passed nothing but its beginning.
        before = MILESTONES[: MILESTONES.index(milestone) + 1]
        way = [name for name in before if name != "backordered" or milestone == "backordered"]
        found[next((configured[name] for name in reversed(way) if name in configured), "Initial")] += count
    return +found
