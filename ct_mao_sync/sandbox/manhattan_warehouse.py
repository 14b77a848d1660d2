"""From Released to Delivered: what warehouses, stores and carriers do with units."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from .core import Json
from .manhattan_cancel import add_history, cancel_line, finish_order
from .manhattan_envelope import Refused
from .manhattan_steps import Steps, lines_of
from .manhattan_store import line_not_permitted
from .manhattan_totals import ZERO, number, rows, status_of
from .manhattan_units import (
    Package,
    fulfill,
    move_units,
    open_parts,
    open_units,
    require_units,
    take_units,
    units_at,
    units_on_the_way,
)
from .manhattan_values import parse_moment, render_moment

IN_WAREHOUSE = (3700, 3600, 3500, 3000)
PROGRESS = {3500: (3000,), 3600: (3500, 3000), 3700: (3600, 3500, 3000)}
"""Where units go on to before they ship, and from where."""
_ARRIVES_AFTER = timedelta(days=3)


class WarehouseSteps(Steps):
    """The steps of a released order."""

    def process(
        self, order_id: str, line_id: str | None = None, quantity: Decimal | int | None = None
    ) -> None:
        """Released units are being worked on."""
        self._advance(order_id, line_id, quantity, PROGRESS[3500], 3500)

    def unprocess(
        self, order_id: str, line_id: str | None = None, quantity: Decimal | int | None = None
    ) -> None:
        """Work on units is given up; they are only released again."""
        self._advance(order_id, line_id, quantity, (3500,), 3000)

    def pick(self, order_id: str, line_id: str | None = None, quantity: Decimal | int | None = None) -> None:
        """Units are picked."""
        self._advance(order_id, line_id, quantity, PROGRESS[3600], 3600)

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
            for line in lines_of(order, line_id):
                units = move_units(self._world, line, PROGRESS[3700], 3700, quantity, moment)
                if units > 0 and package_id:
                    package = Package(package_id)
                    for release, release_line, part in open_parts(order, line, units):
                        fulfill(self._world, line, release, release_line, part, package, "3700", moment)

    def progress(
        self,
        order_id: str,
        release_id: str,
        target: int,
        *,
        line_id: str | None = None,
        quantity: Decimal | int | None = None,
        package: Package | None = None,
    ) -> None:
        """Units of one Release go on to a status before shipping; all that can when no quantity is given."""
        with self._changing(order_id) as (order, moment):
            for line in lines_of(order, line_id):
                parts = list(open_parts(order, line, Decimal("Infinity"), release_id=release_id))
                released = sum((part for _, _, part in parts), ZERO)
                there = sum((units_at(line, status) for status in PROGRESS[target]), ZERO)
                units = min(released, there) if quantity is None else Decimal(quantity)
                if units > released:
                    raise line_not_permitted(order_id, line["OrderLineId"], "Released")
                left = move_units(self._world, line, PROGRESS[target], target, units, moment)
                for release, release_line, part in parts if package else ():
                    packed = min(left, part)
                    if packed > 0 and package is not None:
                        left -= packed
                        fulfill(self._world, line, release, release_line, packed, package, "3700", moment)

    def transfer(
        self,
        order_id: str,
        line_id: str | None = None,
        quantity: Decimal | int | None = None,
        *,
        package_id: str | None = None,
        tracking: str | None = None,
    ) -> None:
        """Units of ship-to-store lines leave for their store. The line stays where it is: they are not
        fulfilled before they are picked up there.
        """
        with self._changing(order_id) as (order, moment):
            package = Package(package_id or f"MRG-{self._world.new_id()[:8]}", tracking)
            for line in lines_of(order, line_id):
                there = units_on_the_way(order, line)
                units = there if quantity is None else Decimal(quantity)
                if units > there:
                    raise line_not_permitted(order_id, line["OrderLineId"], "Released")
                for release, release_line, part in open_parts(order, line, units, merge=True):
                    _fulfil_release(line, release_line, part)
                    if self._world.settings.merge_leg_details:
                        fulfill(self._world, line, release, release_line, part, package, "7000", moment)
                    line["UpdatedTimestamp"] = moment

    def ship(
        self,
        order_id: str,
        line_id: str | None = None,
        quantity: Decimal | int | None = None,
        *,
        package_id: str | None = None,
        tracking: str | None = None,
        carrier: str | None = None,
        item_id: str | None = None,
        eta: str | None = None,
        release_id: str | None = None,
        dated: bool = True,
    ) -> None:
        """Units leave (or are picked up): status 7000, one FulfillmentDetail for line x package x release.

        item_id      what goes out instead of the line's own item
        release_id   only units of this Release
        dated        False leaves FulfillmentDate null, as some tenants do
        """
        package_id = package_id or f"PKG-{self._world.new_id()[:8]}"
        package = Package(package_id, tracking, carrier, item_id, eta, dated)
        with self._changing(order_id) as (order, moment):
            for line in lines_of(order, line_id):
                self.ship_units(order, line, quantity, package, moment, release_id=release_id)

    def ship_units(
        self,
        order: Json,
        line: Json,
        quantity: Decimal | int | None,
        package: Package,
        moment: str,
        *,
        release_id: str | None = None,
    ) -> None:
        """Ships units of one line, in place; all that can leave when no quantity is given."""
        if line.get("IsCancelled") or line.get("IsReturn"):
            return
        parts = list(open_parts(order, line, Decimal("Infinity"), release_id=release_id))
        released = sum((part for _, _, part in parts), ZERO)
        # What has not come from the warehouse yet cannot be handed out in the store.
        ready = min(
            released - units_on_the_way(order, line),
            sum((units_at(line, status) for status in IN_WAREHOUSE), ZERO),
        )
        units = max(ready, ZERO) if quantity is None else Decimal(quantity)
        if units > ready and not (self._world.settings.overage_allowed and parts):
            raise line_not_permitted(order["OrderId"], line["OrderLineId"], "Released")
        overage = max(ZERO, units - ready)
        moved = move_units(
            self._world, line, IN_WAREHOUSE, 7000, units - overage, moment, item_id=package.item_id
        )
        left = moved
        for release, release_line, there in parts:
            part = min(left, there)
            if part > 0:
                left -= part
                _fulfil_release(line, release_line, part)
                fulfill(self._world, line, release, release_line, part, package, "7000", moment)
        if overage > 0:
            self._ship_more(line, parts[-1], overage, package, moment)
        if moved > 0 and package.tracking is not None:
            self._track(order, package, parts[0][0], moment)

    def _ship_more(
        self, line: Json, part: tuple[Json, Json, Decimal], units: Decimal, package: Package, moment: str
    ) -> None:
        """More than was released: the line grows by what went out on top (inferred)."""
        release, release_line, _ = part
        line["Quantity"] = number(line["Quantity"]) + units
        row = next(each for each in rows(line, "QuantityDetail") if each["StatusId"] == "7000")
        row["Quantity"] = number(row["Quantity"]) + units
        release_line["FulfilledQuantity"] += units
        fulfill(self._world, line, release, release_line, units, package, "7000", moment)

    def update_package(
        self,
        order_id: str,
        package_id: str,
        *,
        tracking: str | None = None,
        carrier: str | None = None,
        eta: str | None = None,
    ) -> None:
        """The carrier's data of a package come late, or change."""
        given = {"TrackingNumber": tracking, "CarrierCode": carrier, "Eta": eta}
        changes = {name: value for name, value in given.items() if value is not None}
        with self._changing(order_id) as (order, moment):
            found = [
                (line, row)
                for line in lines_of(order, None)
                for row in rows(line, "FulfillmentDetail")
                if row["PackageId"] == package_id
            ]
            if not found:
                raise Refused("error.400", f"Package {package_id} does not exist", field="PackageId")
            for line, row in found:
                row |= {**changes, "UpdatedTimestamp": moment}
                line["UpdatedTimestamp"] = moment

    def deliver(
        self, order_id: str, line_id: str | None = None, quantity: Decimal | int | None = None
    ) -> None:
        """Shipped units arrive: status 7500."""
        with self._changing(order_id) as (order, moment):
            for line in lines_of(order, line_id):
                left = move_units(self._world, line, (7000,), 7500, quantity, moment)
                for row in rows(line, "FulfillmentDetail"):
                    if left >= row["Quantity"] and status_of(row["StatusId"]) == 7000:
                        left -= row["Quantity"]
                        row["StatusId"] = "7500"
                        row["UpdatedTimestamp"] = moment
            self._close_tracking(order, None, moment)

    def deliver_package(self, tracking: str, *, carrier: str | None = None) -> None:
        """A carrier reports a tracking number as delivered; which orders it belongs to MAO finds out."""
        shipped = list(self._tracked(tracking, carrier))
        if not shipped:
            raise Refused(
                "error.400", f"Nothing shipped with tracking number {tracking}", field="TrackingNumber"
            )
        if len(shipped) > 1:
            raise Refused("error.400", f"Tracking number {tracking} spans orders", field="TrackingNumber")
        with self._changing(shipped[0]) as (order, moment):
            for line in rows(order, "OrderLine"):
                for row in rows(line, "FulfillmentDetail"):
                    if row["TrackingNumber"] == tracking and status_of(row["StatusId"]) == 7000:
                        units = min(number(row["Quantity"]), units_at(line, 7000))
                        move_units(self._world, line, (7000,), 7500, units, moment)
                        row |= {"StatusId": "7500", "UpdatedTimestamp": moment}
            self._close_tracking(order, tracking, moment)

    def short(
        self,
        order_id: str,
        line_id: str,
        quantity: Decimal | int,
        *,
        cancel: bool = True,
        reason: str = "FulfillmentSystemShorted",
        release_id: str | None = None,
    ) -> None:
        """The warehouse does not find units: they are cancelled, or back-ordered to be allocated again."""
        with self._changing(order_id) as (order, moment):
            (line,) = lines_of(order, line_id)
            units = Decimal(quantity)
            require_units(line, IN_WAREHOUSE, units)
            parts = list(open_parts(order, line, units, release_id=release_id))
            if sum((part for _, _, part in parts), ZERO) < units:
                raise line_not_permitted(order_id, line_id, "Released")
            missing = list(open_parts(order, line, units, merge=True))
            for _, release_line, part in [*parts, *missing]:
                release_line["CancelledQuantity"] += part
                release_line["CancelledDate"] = moment
                _use_allocation(line, release_line, part)
            _drop_packed(order, line)
            if not cancel:
                move_units(self._world, line, IN_WAREHOUSE, 1500, units, moment)
                for row in rows(line, "QuantityDetail"):
                    if row["StatusId"] == "1500":
                        row |= {"Reason": {"ReasonId": reason}, "ReasonType": {"ReasonTypeId": "Short"}}
                line["LineShortCount"] = int(line.get("LineShortCount") or 0) + 1
                return
            if units >= number(line["Quantity"]):
                cancel_line(self._world, order, line, {"ReasonId": reason}, None)
                finish_order(order, {"ReasonId": reason}, None)
                return
            take_units(line, IN_WAREHOUSE, units, moment)
            line["Quantity"] = number(line["Quantity"]) - units
            line["UpdatedTimestamp"] = moment
            add_history(self._world, line, units, {"ReasonId": reason}, None)

    # --- tracking

    def _tracked(self, tracking: str, carrier: str | None) -> Iterator[str]:
        for key, order in self._world.mao.orders.items():
            details = [row for line in rows(order, "OrderLine") for row in rows(line, "FulfillmentDetail")]
            if any(
                row["TrackingNumber"] == tracking
                and carrier in (None, row["CarrierCode"])
                and status_of(row["StatusId"]) == 7000
                for row in details
            ):
                yield key

    def _track(self, order: Json, package: Package, release: Json, moment: str) -> None:
        if not self._world.settings.delivery_tracking:
            return
        infos = order["OrderTrackingInfo"] = rows(order, "OrderTrackingInfo")
        if any(info["TrackingNumber"] == package.tracking for info in infos):
            return
        infos.append(
            {
                "TrackingNumber": package.tracking,
                "CarrierCode": package.carrier or release["CarrierCode"],
                "ShippedDate": moment,
                "DeliveredDate": None,
                "EstimatedDeliveryDate": package.eta or render_moment(parse_moment(moment) + _ARRIVES_AFTER),
                "PackageStatus": {"PackageStatusId": "Open"},
                "OrderTrackingDetail": [],
            }
        )

    def _close_tracking(self, order: Json, tracking: str | None, moment: str) -> None:
        open_numbers = {
            row["TrackingNumber"]
            for line in rows(order, "OrderLine")
            for row in rows(line, "FulfillmentDetail")
            if status_of(row["StatusId"]) == 7000
        }
        for info in rows(order, "OrderTrackingInfo"):
            if tracking in (None, info["TrackingNumber"]) and info["TrackingNumber"] not in open_numbers:
                info |= {"DeliveredDate": moment, "PackageStatus": {"PackageStatusId": "Closed"}}


def _fulfil_release(line: Json, release_line: Json, units: Decimal) -> None:
    release_line["FulfilledQuantity"] += units
    _use_allocation(line, release_line, units)


def _use_allocation(line: Json, release_line: Json, units: Decimal) -> None:
    """Allocation.Quantity counts down when units ship or are missing."""
    for allocation in rows(line, "Allocation"):
        if allocation["AllocationId"] == release_line["AllocationId"]:
            allocation["Quantity"] = max(ZERO, number(allocation["Quantity"]) - units)


def _drop_packed(order: Json, line: Json) -> None:
    """No package holds more packed units than its release still expects."""
    left = {
        (release["ReleaseId"], row["ReleaseLineId"]): open_units(row)
        for release in rows(order, "Release")
        for row in rows(release, "ReleaseLine")
    }
    kept = []
    for row in rows(line, "FulfillmentDetail"):
        if row["StatusId"] == "3700":
            place = row["ReleaseId"], row["ReleaseLineId"]
            row["Quantity"] = min(row["Quantity"], left[place])
            left[place] -= row["Quantity"]
        if row["Quantity"] > 0:
            kept.append(row)
    if len(kept) < len(rows(line, "FulfillmentDetail")):
        line["FulfillmentDetail"] = kept
