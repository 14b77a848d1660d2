"""What warehouses, stores and MAO's own jobs do to an order: allocate, release, pick, pack, ship, deliver …

Each method takes the key of an order (its OrderId in the default organization), changes the order as the
default ship-to-home pipeline would, and raises Refused when the pipeline does not allow it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

from .core import MANHATTAN, Json, World
from .manhattan_cancel import add_history, cancel_line, decide_cancellations, finish_order, status_is_open
from .manhattan_envelope import Refused
from .manhattan_store import order_not_permitted, store_order, unknown_order
from .manhattan_totals import (
    ZERO,
    compute_order,
    is_on_hold,
    number,
    order_range,
    rows,
    status_of,
)
from .manhattan_units import fulfill, move_units, open_parts, require_units, take_units, units_at
from .manhattan_values import code_of, copy_json, parse_moment, render_moment

_IN_WAREHOUSE = (3700, 3600, 3500, 3000)
_DONE = frozenset({7000, 7500, 8000, 8500, 9000})
_STEPS = ("allocate", "release", "process", "pick", "pack", "ship", "deliver")


class Lifecycle:
    """Drives the orders of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def allocate(
        self,
        order_id: str,
        line_id: str | None = None,
        quantity: Decimal | int | None = None,
        *,
        location: str = "DC1",
    ) -> None:
        """Open or back-ordered units find stock at a location."""
        with self._changing(order_id) as (order, moment):
            _refuse_held(order)
            for line in _lines(order, line_id):
                if line.get("IsCancelled"):
                    continue
                units = move_units(self._world, line, (1500, 1600, 1000), 2000, quantity, moment)
                if units > 0 and code_of(line, "DeliveryMethod", "DeliveryMethodId") != "Email":
                    line.setdefault("Allocation", []).append(
                        {
                            "AllocationId": self._world.new_id(),
                            "AllocationType": "Delivery",
                            "ShipFromLocationId": location,
                            "ShipToLocationId": line.get("ShipToLocationId"),
                            "ItemId": line.get("ItemId"),
                            "Quantity": units,
                            "UOM": line.get("UOM"),
                            "Status": {"StatusId": "Open"},
                            "CreatedTimestamp": moment,
                        }
                    )

    def backorder(
        self, order_id: str, line_id: str | None = None, quantity: Decimal | int | None = None
    ) -> None:
        """Open or allocated units find no stock."""
        with self._changing(order_id) as (order, moment):
            for line in _lines(order, line_id):
                move_units(self._world, line, (1000, 2000), 1500, quantity, moment)
                _trim_allocations(line)

    def release(self, order_id: str, line_id: str | None = None, *, carrier: str = "UPS") -> None:
        """Allocated units go to the warehouse: one Release for each ship-from location."""
        with self._changing(order_id) as (order, moment):
            _refuse_held(order)
            if not order.get("IsConfirmed"):
                raise Refused("error.400", "Only confirmed orders are released")
            by_location: dict[str | None, list[tuple[Json, Json | None, Decimal]]] = {}
            for line in _lines(order, line_id):
                if line.get("IsCancelled") or units_at(line, 2000) <= 0:
                    continue
                open_allocations = [
                    each
                    for each in rows(line, "Allocation")
                    if status_is_open(each) and number(each["Quantity"]) > 0
                ]
                for allocation in open_allocations:
                    allocation["Status"] = {"StatusId": "Released"}
                    by_location.setdefault(allocation["ShipFromLocationId"], []).append(
                        (line, allocation, number(allocation["Quantity"]))
                    )
                if not open_allocations:
                    by_location.setdefault(None, []).append((line, None, units_at(line, 2000)))
                move_units(self._world, line, (2000,), 3000, None, moment)
            for location, parts in by_location.items():
                releases = order.setdefault("Release", [])
                releases.append(
                    {
                        "ReleaseId": f"{order['OrderId']}{len(releases) + 1}",
                        "ShipFromLocationId": location,
                        "ShipToLocationId": None,
                        "CarrierCode": carrier,
                        "ServiceLevelCode": "Ground",
                        "ShipViaId": f"{carrier}GR",
                        "DeliveryMethodId": code_of(parts[0][0], "DeliveryMethod", "DeliveryMethodId"),
                        "DestinationAction": "Delivery",
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
                )

    def process(
        self, order_id: str, line_id: str | None = None, quantity: Decimal | int | None = None
    ) -> None:
        """Released units are being worked on."""
        self._advance(order_id, line_id, quantity, (3000,), 3500)

    def pick(self, order_id: str, line_id: str | None = None, quantity: Decimal | int | None = None) -> None:
        """Units are picked."""
        self._advance(order_id, line_id, quantity, (3500, 3000), 3600)

    def pack(
        self,
        order_id: str,
        line_id: str | None = None,
        quantity: Decimal | int | None = None,
        *,
        package_id: str | None = None,
    ) -> None:
        """Units are packed; with a package a FulfillmentDetail row appears, not shipped yet."""
        with self._changing(order_id) as (order, moment):
            for line in _lines(order, line_id):
                units = move_units(self._world, line, (3600, 3500, 3000), 3700, quantity, moment)
                if units > 0 and package_id:
                    for release, release_line, part in open_parts(order, line, units):
                        fulfill(
                            self._world, line, release, release_line, part, package_id, None, "3700", moment
                        )

    def ship(
        self,
        order_id: str,
        line_id: str | None = None,
        quantity: Decimal | int | None = None,
        *,
        package_id: str | None = None,
        tracking: str | None = None,
        dated: bool = True,
    ) -> None:
        """Units leave (or are picked up): status 7000, one FulfillmentDetail for line x package x release.

        dated   False leaves FulfillmentDate null, as some tenants do
        """
        with self._changing(order_id) as (order, moment):
            package_id = package_id or f"PKG-{self._world.new_id()[:8]}"
            for line in _lines(order, line_id):
                units = move_units(self._world, line, _IN_WAREHOUSE, 7000, quantity, moment)
                for release, release_line, part in open_parts(order, line, units):
                    release_line["FulfilledQuantity"] += part
                    for allocation in rows(line, "Allocation"):
                        if allocation["AllocationId"] == release_line["AllocationId"]:
                            allocation["Quantity"] = max(ZERO, number(allocation["Quantity"]) - part)
                    fulfill(
                        self._world,
                        line,
                        release,
                        release_line,
                        part,
                        package_id,
                        tracking,
                        "7000",
                        moment,
                        dated=dated,
                    )

    def deliver(
        self, order_id: str, line_id: str | None = None, quantity: Decimal | int | None = None
    ) -> None:
        """Shipped units arrive: status 7500."""
        with self._changing(order_id) as (order, moment):
            for line in _lines(order, line_id):
                left = move_units(self._world, line, (7000,), 7500, quantity, moment)
                for row in rows(line, "FulfillmentDetail"):
                    if left >= row["Quantity"] and status_of(row["StatusId"]) == 7000:
                        left -= row["Quantity"]
                        row["StatusId"] = "7500"
                        row["UpdatedTimestamp"] = moment

    def short(
        self,
        order_id: str,
        line_id: str,
        quantity: Decimal | int,
        *,
        cancel: bool = True,
        reason: str = "FulfillmentSystemShorted",
    ) -> None:
        """The warehouse does not find units: they are cancelled, or back-ordered to be allocated again."""
        with self._changing(order_id) as (order, moment):
            (line,) = _lines(order, line_id)
            units = Decimal(quantity)
            require_units(line, _IN_WAREHOUSE, units)
            for _, release_line, part in open_parts(order, line, units):
                release_line["CancelledQuantity"] += part
                release_line["CancelledDate"] = moment
                for allocation in rows(line, "Allocation"):
                    if allocation["AllocationId"] == release_line["AllocationId"]:
                        allocation["Quantity"] = max(ZERO, number(allocation["Quantity"]) - part)
            if not cancel:
                move_units(self._world, line, _IN_WAREHOUSE, 1500, units, moment)
                for row in rows(line, "QuantityDetail"):
                    if row["StatusId"] == "1500":
                        row |= {"Reason": {"ReasonId": reason}, "ReasonType": {"ReasonTypeId": "Short"}}
                line["LineShortCount"] = int(line.get("LineShortCount") or 0) + 1
                return
            if units >= number(line["Quantity"]):
                cancel_line(self._world, order, line, {"ReasonId": reason}, None)
                finish_order(order, {"ReasonId": reason}, None)
                return
            take_units(line, _IN_WAREHOUSE, units, moment)
            line["Quantity"] = number(line["Quantity"]) - units
            line["UpdatedTimestamp"] = moment
            add_history(self._world, line, units, {"ReasonId": reason}, None)

    def cancel_units(
        self, order_id: str, line_id: str, quantity: Decimal | int, *, reason: str = "CancelLine"
    ) -> None:
        """Somebody in MAO cancels unreleased units of a line."""
        with self._changing(order_id) as (order, moment):
            (line,) = _lines(order, line_id)
            units = Decimal(quantity)
            require_units(line, (1500, 1600, 1000, 2000), units)
            if units >= number(line["Quantity"]):
                cancel_line(self._world, order, line, {"ReasonId": reason}, None)
                finish_order(order, {"ReasonId": reason}, None)
                return
            take_units(line, (1500, 1600, 1000, 2000), units, moment)
            _trim_allocations(line)
            line["Quantity"] = number(line["Quantity"]) - units
            line["UpdatedTimestamp"] = moment
            add_history(self._world, line, units, {"ReasonId": reason}, None)

    def resolve_hold(self, order_id: str, hold_type_id: str) -> None:
        """Somebody in MAO resolves a hold."""
        with self._changing(order_id) as (order, _):
            hold = next(
                (each for each in rows(order, "OrderHold") if each["HoldTypeId"] == hold_type_id), None
            )
            if hold is None:
                raise Refused("error.400", f"Order has no hold {hold_type_id}")
            hold["StatusId"] = "2000"

    def edit(self, order_id: str, change: Callable[[Json], None]) -> None:
        """Somebody in MAO changes the order in place by `change`; computed members follow."""
        with self._changing(order_id) as (order, _):
            change(order)

    def archive(self, order_id: str) -> None:
        """The order leaves the active database: search and GET no longer find it."""
        store = self._world.mao
        if order_id not in store.orders:
            raise unknown_order(order_id)
        store.archived[order_id] = store.orders.pop(order_id)
        store.previous.pop(order_id, None)

    def unarchive(self, order_id: str) -> None:
        """The order is reinstated."""
        store = self._world.mao
        if order_id not in store.archived:
            raise unknown_order(order_id)
        store.orders[order_id] = store.archived.pop(order_id)

    def next_step(self, order_id: str) -> str:
        """Drives the whole order one step further; gives the step's name, "" when nothing is left to do."""
        order = self._order(order_id)
        span = order_range(order)
        if span is None or span[0] in _DONE - {7000} or is_on_hold(order):
            return ""
        low = span[0]
        for step, reached in zip(_STEPS, (2000, 3000, 3500, 3600, 3700, 7000, 7500), strict=True):
            if low < reached:
                if step == "release" and not order.get("IsConfirmed"):
                    return ""
                getattr(self, step)(order_id)
                return step
        return ""

    def tick(self) -> None:
        """What is due by now: late header timestamps, late cancellations, archiving, automatic steps."""
        world = self._world
        settings = world.settings
        if world.mao.cancellations:
            decide_cancellations(world)
        now = world.now(MANHATTAN)
        if settings.header_lag_s > 0:
            self._stamp_headers()
        if settings.auto_advance_s is not None:
            step = timedelta(seconds=settings.auto_advance_s)
            for key, changed_at in list(world.mao.changed_at.items()):
                if key in world.mao.orders and changed_at + step <= now:
                    self.next_step(key)
        if settings.archive_after_days is not None:
            age = timedelta(days=settings.archive_after_days)
            for key, order in list(world.mao.orders.items()):
                span = order_range(order)
                if span is not None and span[0] in _DONE and world.mao.changed_at[key] + age <= now:
                    self.archive(key)

    # --- pieces

    def _order(self, order_id: str) -> Json:
        order = self._world.mao.orders.get(order_id)
        if order is None:
            raise unknown_order(order_id)
        return order

    @contextmanager
    def _changing(self, order_id: str) -> Iterator[tuple[Json, str]]:
        with self._world.lock:
            order = copy_json(self._order(order_id))
            moment = render_moment(self._world.now(MANHATTAN))
            yield order, moment
            if self._world.settings.header_lag_s > 0:
                self._world.mao.facts.setdefault(order_id, {})["header_due"] = moment
            else:
                order["UpdatedTimestamp"] = moment
            compute_order(order, self._world.new_id)
            store_order(self._world, order_id, order)

    def _stamp_headers(self) -> None:
        world = self._world
        due_until = world.now(MANHATTAN) - timedelta(seconds=world.settings.header_lag_s)
        for key, facts in world.mao.facts.items():
            due = facts.get("header_due")
            if due is None or parse_moment(due) > due_until or key not in world.mao.orders:
                continue
            del facts["header_due"]
            order = dict(world.mao.orders[key])
            stamp = parse_moment(due) + timedelta(seconds=world.settings.header_lag_s)
            order["UpdatedTimestamp"] = render_moment(max(stamp, parse_moment(order["UpdatedTimestamp"])))
            world.mao.orders[key] = order

    def _advance(
        self,
        order_id: str,
        line_id: str | None,
        quantity: Decimal | int | None,
        sources: tuple[int, ...],
        target: int,
    ) -> None:
        with self._changing(order_id) as (order, moment):
            for line in _lines(order, line_id):
                move_units(self._world, line, sources, target, quantity, moment)


def _lines(order: Json, line_id: str | None) -> list[Json]:
    lines = [each for each in rows(order, "OrderLine") if line_id in (None, each["OrderLineId"])]
    if not lines:
        raise Refused("error.400", f"Order line {line_id} does not exist", field="OrderLineId")
    return lines


def _trim_allocations(line: Json) -> None:
    """Open allocations hold no more than the units that are allocated."""
    allocated = units_at(line, 2000)
    for allocation in rows(line, "Allocation"):
        if status_is_open(allocation):
            allocation["Quantity"] = min(number(allocation["Quantity"]), allocated)
            allocated -= allocation["Quantity"]


def _refuse_held(order: Json) -> None:
    if is_on_hold(order):
        raise order_not_permitted(order["OrderId"], "On Hold")
