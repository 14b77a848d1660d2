"""Before the warehouse: units find stock or none, lines are split, and what has stock is released."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from .core import Json
from .manhattan_cancel import status_is_open
from .manhattan_envelope import Refused
from .manhattan_steps import Steps, lines_of, refuse_held
from .manhattan_totals import MERGE, ZERO, number, rows
from .manhattan_units import move_units, quantity_row, require_units, take_units, units_at
from .manhattan_values import code_of, copy_json

UNRELEASED = (1500, 1600, 1000, 2000)
_UNALLOCATED = (1500, 1600, 1000)


class AllocationSteps(Steps):
    """The steps from Open to Released."""

    def allocate(
        self,
        order_id: str,
        line_id: str | None = None,
        quantity: Decimal | int | None = None,
        *,
        location: str = "DC1",
    ) -> None:
        """Open or back-ordered units find stock at a location.

        A ship-to-store line that is sourced elsewhere gets two allocations: Merge brings the units to the
        store, Pickup hands them out there.
        """
        with self._changing(order_id) as (order, moment):
            refuse_held(order)
            for line in lines_of(order, line_id):
                if line.get("IsCancelled") or line.get("IsReturn"):
                    continue
                units = move_units(self._world, line, _UNALLOCATED, 2000, quantity, moment)
                if units > 0 and code_of(line, "DeliveryMethod", "DeliveryMethodId") != "Email":
                    for kind, source, target in _legs(line, location):
                        line.setdefault("Allocation", []).append(
                            {
                                "AllocationId": self._world.new_id(),
                                "AllocationType": kind,
                                "ShipFromLocationId": source,
                                "ShipToLocationId": target,
                                "ItemId": line.get("ItemId"),
                                "Quantity": units,
                                "UOM": line.get("UOM"),
                                "Status": {"StatusId": "Open"},
                                "CreatedTimestamp": moment,
                            }
                        )

    def deallocate(
        self, order_id: str, line_id: str | None = None, quantity: Decimal | int | None = None
    ) -> None:
        """Allocated units lose their stock."""
        with self._changing(order_id) as (order, moment):
            for line in lines_of(order, line_id):
                move_units(self._world, line, (2000,), 1500, quantity, moment)
                trim_allocations(line)

    def backorder(
        self, order_id: str, line_id: str | None = None, quantity: Decimal | int | None = None
    ) -> None:
        """Open or allocated units find no stock."""
        with self._changing(order_id) as (order, moment):
            for line in lines_of(order, line_id):
                move_units(self._world, line, (1000, 2000), 1500, quantity, moment)
                trim_allocations(line)

    def split_line(
        self, order_id: str, line_id: str, quantity: Decimal | int, *, new_line_id: str | None = None
    ) -> str:
        """Somebody in MAO moves unreleased units to a line of their own, to be allocated afresh; its id.

        The new line keeps the AlternateOrderLineId (inferred: no sample of a split line is public).
        """
        new_id = new_line_id or self._world.new_id()
        with self._changing(order_id) as (order, moment):
            (line,) = lines_of(order, line_id)
            units = Decimal(quantity)
            require_units(line, UNRELEASED, units)
            if not 0 < units < number(line["Quantity"]):
                raise Refused("error.400", "A split leaves units in both lines", field="Quantity")
            take_units(line, UNRELEASED, units, moment)
            trim_allocations(line)
            line["Quantity"] = number(line["Quantity"]) - units
            line["UpdatedTimestamp"] = moment
            lists = ("OrderLineChargeDetail", "OrderLineTaxDetail", "OrderLineCancelHistory")
            own = (*lists, "Allocation", "FulfillmentDetail")
            new = copy_json(line) | {
                **{name: [] for name in own if name in line},
                "OrderLineId": new_id,
                "AlternateOrderLineId": line.get("AlternateOrderLineId") or line["OrderLineId"],
                "Quantity": units,
                "CreatedTimestamp": moment,
            }
            new["QuantityDetail"] = [quantity_row(self._world, new, "1000", units, moment)]
            order["OrderLine"].append(new)
        return new_id

    def release(self, order_id: str, line_id: str | None = None, *, carrier: str = "UPS") -> None:
        """Allocated units go to the warehouse: one Release for each location they leave and what becomes
        of them there.
        """
        with self._changing(order_id) as (order, moment):
            refuse_held(order)
            if not order.get("IsConfirmed"):
                raise Refused("error.400", "Only confirmed orders are released")
            legs: dict[_Leg, list[tuple[Json, Json | None, Decimal]]] = {}
            for line in lines_of(order, line_id):
                if line.get("IsCancelled") or units_at(line, 2000) <= 0:
                    continue
                allocations = [
                    each
                    for each in rows(line, "Allocation")
                    if status_is_open(each) and number(each["Quantity"]) > 0
                ]
                for allocation in allocations:
                    allocation["Status"] = {"StatusId": "Released"}
                    part = (line, allocation, number(allocation["Quantity"]))
                    legs.setdefault(_leg_of(line, allocation), []).append(part)
                if not allocations:
                    legs.setdefault(_leg_of(line, None), []).append((line, None, units_at(line, 2000)))
                move_units(self._world, line, (2000,), 3000, None, moment)
            releases = order.setdefault("Release", [])
            for leg, parts in legs.items():
                releases.append(
                    _release(f"{order['OrderId']}{len(releases) + 1}", leg, parts, carrier, moment)
                )


@dataclass(frozen=True, slots=True)
class _Leg:
    """What the lines of one Release have in common."""

    source: str | None
    target: str | None
    action: str
    method: str | None


def _legs(line: Json, location: str) -> list[tuple[str, str, str | None]]:
    """(AllocationType, ShipFromLocationId, ShipToLocationId) of the allocations at a location."""
    method = code_of(line, "DeliveryMethod", "DeliveryMethodId")
    store = line.get("ShipToLocationId")
    if method == "ShipToStore" and store and store != location:
        return [(MERGE, location, store), ("Pickup", store, store)]
    return [("Pickup" if method in ("ShipToStore", "PickUpAtStore") else "Delivery", location, store)]


def _leg_of(line: Json, allocation: Json | None) -> _Leg:
    method = code_of(line, "DeliveryMethod", "DeliveryMethodId")
    if allocation is None:
        return _Leg(None, None, "Delivery", method)
    action = allocation["AllocationType"]
    target = allocation["ShipToLocationId"] if action != "Delivery" else None
    return _Leg(allocation["ShipFromLocationId"], target, action, method)


def _release(
    release_id: str,
    leg: _Leg,
    parts: list[tuple[Json, Json | None, Decimal]],
    carrier: str,
    moment: str,
) -> Json:
    return {
        "ReleaseId": release_id,
        "ShipFromLocationId": leg.source,
        "ShipToLocationId": leg.target,
        "CarrierCode": carrier,
        "ServiceLevelCode": "Ground",
        "ShipViaId": f"{carrier}GR",
        "DeliveryMethodId": leg.method,
        "DestinationAction": leg.action,
        "ReleaseLine": [
            {
                "ReleaseLineId": str(index),
                "OrderLineId": line["OrderLineId"],
                "AllocationId": allocation["AllocationId"] if allocation else None,
                "ItemId": line.get("ItemId"),
                "Quantity": units,
                "FulfilledQuantity": ZERO,
                "CancelledQuantity": ZERO,
                "CancelledDate": None,
                "UOM": line.get("UOM"),
            }
            for index, (line, allocation, units) in enumerate(parts, 1)
        ],
        "CreatedTimestamp": moment,
    }


def trim_allocations(line: Json) -> None:
    """Open allocations hold no more than the units that are allocated."""
    allocated = dict.fromkeys((True, False), units_at(line, 2000))
    for allocation in rows(line, "Allocation"):
        if status_is_open(allocation):
            merge = allocation["AllocationType"] == MERGE
            allocation["Quantity"] = min(number(allocation["Quantity"]), allocated[merge])
            allocated[merge] -= allocation["Quantity"]
