"""Units of a line moving between statuses, and the release lines and packages they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from .core import Json, World
from .manhattan_store import line_not_permitted
from .manhattan_totals import MERGE, ZERO, line_range, number, rows, status_name, status_of


def quantity_row(world: World, line: Json, status: str, quantity: Decimal, moment: str) -> Json:
    """A row of QuantityDetail."""
    return {
        "QuantityDetailId": world.new_id(),
        "ItemId": line.get("ItemId"),
        "Quantity": quantity,
        "UOM": line.get("UOM"),
        "StatusId": status,
        "Status": {"StatusId": status},
        "CreatedTimestamp": moment,
        "UpdatedTimestamp": moment,
    }


def units_at(line: Json, status: int) -> Decimal:
    """The units of the line in a status, extended statuses included."""
    return sum(
        (
            number(row["Quantity"])
            for row in rows(line, "QuantityDetail")
            if status_of(row["StatusId"]) == status
        ),
        ZERO,
    )


def require_units(line: Json, sources: tuple[int, ...], units: Decimal) -> None:
    """Raises Refused when the line has fewer units in the given statuses."""
    if sum((units_at(line, status) for status in sources), ZERO) < units:
        low, high = line_range(line)
        raise line_not_permitted("", line["OrderLineId"], status_name(high if low == high else low))


def take_units(
    line: Json, sources: tuple[int, ...], units: Decimal, moment: str
) -> list[tuple[object, Decimal]]:
    """Takes units out of the given statuses, in that order; gives what was taken as (ItemId, units).

    Raises Refused when there are not as many.
    """
    require_units(line, sources, units)
    left = units
    taken_of = []
    for status in sources:
        for row in rows(line, "QuantityDetail"):
            if left > 0 and status_of(row["StatusId"]) == status:
                taken = min(left, number(row["Quantity"]))
                if taken <= 0:
                    continue
                row["Quantity"] = number(row["Quantity"]) - taken
                row["UpdatedTimestamp"] = moment
                left -= taken
                taken_of.append((row.get("ItemId"), taken))
    return taken_of


def move_units(
    world: World,
    line: Json,
    sources: tuple[int, ...],
    target: int,
    quantity: Decimal | int | None,
    moment: str,
    *,
    item_id: str | None = None,
) -> Decimal:
    """Moves units between statuses; all there are when no quantity is given. Gives the units moved.

    item_id   the item that takes the place of theirs from now on (a substitution); None: they keep theirs
    """
    if line.get("IsCancelled"):
        return ZERO
    available = sum((units_at(line, status) for status in sources), ZERO)
    units = available if quantity is None else Decimal(quantity)
    if units <= 0:
        return ZERO
    for item, part in take_units(line, sources, units, moment):
        _put_units(world, line, target, item_id or item, part, moment)
    line["UpdatedTimestamp"] = moment
    return units


def _put_units(world: World, line: Json, target: int, item_id: object, units: Decimal, moment: str) -> None:
    """Adds units to the row of their status and item."""
    for row in rows(line, "QuantityDetail"):
        if row["StatusId"] == str(target) and row.get("ItemId") == item_id:
            row["Quantity"] = number(row["Quantity"]) + units
            row["UpdatedTimestamp"] = moment
            return
    row = quantity_row(world, line, str(target), units, moment)
    if item_id != line.get("ItemId"):
        row |= {"ItemId": item_id, "SubstitutionType": "Item", "SubstitutionRatio": 1}
    line["QuantityDetail"].append(row)


@dataclass(frozen=True, slots=True)
class Package:
    """What a warehouse says of the box that units go into.

    tracking   TrackingNumber
    carrier    CarrierCode; None: the release's
    item_id    what is inside instead of the line's own item
    eta        expected arrival, as MAO writes moments
    dated      False leaves FulfillmentDate null, as some tenants do
    """

    id: str
    tracking: str | None = None
    carrier: str | None = None
    item_id: str | None = None
    eta: str | None = None
    dated: bool = True


def fulfill(
    world: World,
    line: Json,
    release: Json,
    release_line: Json,
    units: Decimal,
    package: Package,
    status: str,
    moment: str,
) -> None:
    """Writes the FulfillmentDetail row of line x package x release x item; packed units become shipped."""
    details = line.setdefault("FulfillmentDetail", [])
    item_id = package.item_id or line.get("ItemId")

    def row_at(wanted: str) -> Json | None:
        for row in details:
            place = row["ReleaseId"], row["ReleaseLineId"], row["PackageId"], row["ItemId"], row["StatusId"]
            if place == (release["ReleaseId"], release_line["ReleaseLineId"], package.id, item_id, wanted):
                found: Json = row
                return found
        return None

    shipped = status == "7000"
    packed = row_at("3700") if shipped else None
    detail_id = world.new_id() if packed is None or packed["Quantity"] > units else ""
    if packed is not None:
        packed["Quantity"] -= min(units, packed["Quantity"])
        if not detail_id:
            detail_id = packed["FulfillmentDetailId"]
            details.remove(packed)
    row = row_at(status)
    if row is not None:
        row["Quantity"] += units
        row["UpdatedTimestamp"] = moment
        if package.tracking is not None:
            row["TrackingNumber"] = package.tracking
        return
    details.append(
        {
            "FulfillmentDetailId": detail_id,
            "FulfillmentId": release["ReleaseId"],
            "ItemId": item_id,
            "Quantity": units,
            "UOM": line.get("UOM"),
            "PackageId": package.id,
            "PackageDetailId": f"{package.id}-{release_line['ReleaseLineId']}",
            "ReleaseId": release["ReleaseId"],
            "ReleaseLineId": release_line["ReleaseLineId"],
            "TrackingNumber": package.tracking,
            "CarrierCode": package.carrier or release["CarrierCode"],
            "ServiceLevelCode": release["ServiceLevelCode"],
            "ShipViaId": release["ShipViaId"],
            "ShipmentId": None,
            "FulfillmentDate": moment if shipped and package.dated else None,
            "Eta": package.eta,
            "ReturnTrackingNumber": None,
            "SerialNumber": "",
            "StatusId": status,
            "CreatedTimestamp": moment,
            "UpdatedTimestamp": moment,
        }
    )


def open_units(release_line: Json) -> Decimal:
    """Units of a release line that are neither fulfilled nor cancelled."""
    left: Decimal = (
        release_line["Quantity"] - release_line["FulfilledQuantity"] - release_line["CancelledQuantity"]
    )
    return left


def open_parts(
    order: Json, line: Json, units: Decimal, *, merge: bool = False, release_id: str | None = None
) -> Iterator[tuple[Json, Json, Decimal]]:
    """The release lines that units of the line belong to, oldest release first, and how many of each.

    merge   the legs that bring units to their store instead of those that bring them to the customer
    """
    for release in rows(order, "Release"):
        if (release["DestinationAction"] == MERGE) is not merge:
            continue
        if release_id not in (None, release["ReleaseId"]):
            continue
        for release_line in rows(release, "ReleaseLine"):
            if units <= 0 or release_line["OrderLineId"] != line["OrderLineId"]:
                continue
            part = min(units, open_units(release_line))
            if part > 0:
                units -= part
                yield release, release_line, part


def units_on_the_way(order: Json, line: Json) -> Decimal:
    """Released units of a ship-to-store line that have not left for their store yet."""
    return sum((part for _, _, part in open_parts(order, line, Decimal("Infinity"), merge=True)), ZERO)
