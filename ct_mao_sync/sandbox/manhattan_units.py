"""Units of a line moving between statuses, and the release lines and packages they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from .core import Json, World
from .manhattan_store import line_not_permitted
from .manhattan_totals import ZERO, line_range, number, rows, status_name, status_of


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


def take_units(line: Json, sources: tuple[int, ...], units: Decimal, moment: str) -> None:
    """Takes units out of the given statuses, in that order; raises Refused when there are not as many."""
    require_units(line, sources, units)
    left = units
    for status in sources:
        for row in rows(line, "QuantityDetail"):
            if left > 0 and status_of(row["StatusId"]) == status:
                taken = min(left, number(row["Quantity"]))
                row["Quantity"] = number(row["Quantity"]) - taken
                row["UpdatedTimestamp"] = moment
                left -= taken


def move_units(
    world: World,
    line: Json,
    sources: tuple[int, ...],
    target: int,
    quantity: Decimal | int | None,
    moment: str,
) -> Decimal:
    """Moves units between statuses; all there are when no quantity is given. Gives the units moved."""
    if line.get("IsCancelled"):
        return ZERO
    available = sum((units_at(line, status) for status in sources), ZERO)
    units = available if quantity is None else Decimal(quantity)
    if units <= 0:
        return ZERO
    take_units(line, sources, units, moment)
    row = next(
        (each for each in rows(line, "QuantityDetail") if each["StatusId"] == str(target)),
        None,
    )
    if row is None:
        line["QuantityDetail"].append(quantity_row(world, line, str(target), units, moment))
    else:
        row["Quantity"] = number(row["Quantity"]) + units
        row["UpdatedTimestamp"] = moment
    line["UpdatedTimestamp"] = moment
    return units


def fulfill(
    world: World,
    line: Json,
    release: Json,
    release_line: Json,
    units: Decimal,
    package_id: str,
    tracking: str | None,
    status: str,
    moment: str,
    *,
    dated: bool = True,
) -> None:
    """Writes the FulfillmentDetail row of line x release x package; a packed row becomes the shipped one."""
    details = line.setdefault("FulfillmentDetail", [])
    packed = next(
        (
            each
            for each in details
            if each["ReleaseId"] == release["ReleaseId"]
            and each["PackageId"] == package_id
            and each["StatusId"] == "3700"
        ),
        None,
    )
    if packed is not None and status == "7000":
        details.remove(packed)
    shipped = status == "7000"
    details.append(
        {
            "FulfillmentDetailId": packed["FulfillmentDetailId"] if packed else world.new_id(),
            "FulfillmentId": release["ReleaseId"],
            "ItemId": line.get("ItemId"),
            "Quantity": units,
            "UOM": line.get("UOM"),
            "PackageId": package_id,
            "PackageDetailId": f"{package_id}-{release_line['ReleaseLineId']}",
            "ReleaseId": release["ReleaseId"],
            "ReleaseLineId": release_line["ReleaseLineId"],
            "TrackingNumber": tracking,
            "CarrierCode": release["CarrierCode"],
            "ServiceLevelCode": release["ServiceLevelCode"],
            "ShipViaId": release["ShipViaId"],
            "ShipmentId": None,
            "FulfillmentDate": moment if shipped and dated else None,
            "Eta": None,
            "ReturnTrackingNumber": None,
            "SerialNumber": "",
            "StatusId": status,
            "CreatedTimestamp": moment,
            "UpdatedTimestamp": moment,
        }
    )


def open_parts(order: Json, line: Json, units: Decimal) -> Iterator[tuple[Json, Json, Decimal]]:
    """The release lines that units of the line belong to, oldest release first, and how many of each."""
    for release in rows(order, "Release"):
        for release_line in rows(release, "ReleaseLine"):
            if units <= 0 or release_line["OrderLineId"] != line["OrderLineId"]:
                continue
            open_units = (
                release_line["Quantity"]
                - release_line["FulfilledQuantity"]
                - release_line["CancelledQuantity"]
            )
            part = min(units, open_units)
            if part > 0:
                units -= part
                yield release, release_line, part
