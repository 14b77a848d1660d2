"""Order events: what fulfilment systems tell MAO (DOC: how does ship event work, short, status update).

Ship and PickUp, Short, StatusUpdate, FulfillmentUpdate. The vendor's pages contradict each other on a list
with a bad event in it; here events are processed one by one, up to the first that is refused.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from .core import Json, World
from .manhattan_envelope import Refused
from .manhattan_lifecycle import Lifecycle
from .manhattan_totals import MERGE, number, rows
from .manhattan_units import Package
from .manhattan_values import code_of
from .manhattan_warehouse import PROGRESS

RECEIVE_EVENTS = "/order/api/order/orderevent/receive"
_DELIVERED = 7500
_KINDS = ("Ship", "PickUp", "Short", "StatusUpdate", "FulfillmentUpdate")


def receive_events(world: World, lifecycle: Lifecycle, body: Json) -> Json:
    """Takes the events of one call in order; raises Refused at the first that cannot take place."""
    events = body.get("OrderEvent")
    if not isinstance(events, list) or not events or not all(isinstance(each, dict) for each in events):
        raise Refused("error.400", "OrderEvent is required", field="OrderEvent")
    for event in events:
        _receive(world, lifecycle, event)
    return {"ExternalMessageId": body.get("ExternalMessageId")}


def _receive(world: World, lifecycle: Lifecycle, event: Json) -> None:
    kind = event.get("EventTypeId")
    if kind not in _KINDS:
        raise Refused("error.400", f"EventTypeId {kind} is not supported", field="EventTypeId")
    info = event.get("FulfillmentInfo")
    if kind == "FulfillmentUpdate":
        _update(world, lifecycle, info or {})
    elif kind == "StatusUpdate" and _status(event) == _DELIVERED:
        tracking, carrier = (_text(info or {}, name) for name in ("TrackingNumber", "CarrierCode"))
        lifecycle.deliver_package(tracking, carrier=carrier)
    else:
        key, release = _release_of(world, event)
        if kind == "StatusUpdate":
            _progress(lifecycle, key, release, event, info or {})
        elif kind == "Short":
            _short(world, lifecycle, key, release, event)
        elif not isinstance(info, dict):
            raise Refused("error.400", "FulfillmentInfo is required", field="FulfillmentInfo")
        else:
            _ship(lifecycle, key, release, event, info)


def _ship(lifecycle: Lifecycle, key: str, release: Json, event: Json, info: Json) -> None:
    row = _release_line(release, event)
    units, item_id = _quantity(event), _text(event, "Item")
    if release["DestinationAction"] == MERGE:
        package_id, tracking = info.get("PackageId"), info.get("TrackingNumber")
        lifecycle.transfer(key, row["OrderLineId"], units, package_id=package_id, tracking=tracking)
        return
    lifecycle.ship(
        key,
        row["OrderLineId"],
        units,
        package_id=info.get("PackageId") or release["ReleaseId"],
        tracking=info.get("TrackingNumber"),
        carrier=info.get("CarrierCode"),
        item_id=None if item_id == row["ItemId"] else item_id,
        release_id=release["ReleaseId"],
    )


def _short(world: World, lifecycle: Lifecycle, key: str, release: Json, event: Json) -> None:
    row = _release_line(release, event)
    units, given = _quantity(event), event.get("ShortReasonId")
    reason = str(given or "FulfillmentSystemShorted")
    known = world.settings.short_reasons
    if given is not None and known is not None and reason not in known:
        raise Refused("error.400", f"ShortReasonId {reason} does not exist", field="ShortReasonId")
    again = reason in world.settings.reallocate_on_short
    lifecycle.short(
        key,
        row["OrderLineId"],
        units,
        cancel=not again,
        reason=reason,
        release_id=release["ReleaseId"],
    )


def _progress(lifecycle: Lifecycle, key: str, release: Json, event: Json, info: Json) -> None:
    """Units of a release go on in the warehouse; line and quantity are optional."""
    target = _status(event)
    if target not in PROGRESS:
        raise Refused("error.400", f"StatusId {event.get('StatusId')} is not supported", field="StatusId")
    package = None
    if info.get("PackageId") and info.get("PackageDetailId"):
        package = Package(info["PackageId"], info.get("TrackingNumber"), info.get("CarrierCode"))
    lifecycle.progress(
        key,
        release["ReleaseId"],
        target,
        line_id=_release_line(release, event)["OrderLineId"] if event.get("ReleaseLineId") else None,
        quantity=_quantity(event) if event.get("Quantity") is not None else None,
        package=package,
    )


def _update(world: World, lifecycle: Lifecycle, info: Json) -> None:
    package_id = _text(info, "PackageId")
    keys = [
        key
        for key, order in world.mao.orders.items()
        for line in rows(order, "OrderLine")
        if any(row["PackageId"] == package_id for row in rows(line, "FulfillmentDetail"))
    ]
    if not keys:
        raise Refused("error.400", f"Package {package_id} does not exist", field="PackageId")
    for key in dict.fromkeys(keys):
        lifecycle.update_package(
            key, package_id, tracking=info.get("TrackingNumber"), carrier=info.get("CarrierCode")
        )


def _release_of(world: World, event: Json) -> tuple[str, Json]:
    """The key of the order and its Release; OrderId and line alone are not permitted."""
    release_id = _text(event, "ReleaseId")
    for key, order in world.mao.orders.items():
        for release in rows(order, "Release"):
            if release["ReleaseId"] == release_id:
                return key, release
    raise Refused("error.400", f"Release {release_id} does not exist", field="ReleaseId")


def _release_line(release: Json, event: Json) -> Json:
    id = _text(event, "ReleaseLineId")
    for row in rows(release, "ReleaseLine"):
        if row["ReleaseLineId"] == id:
            return row
    raise Refused("error.400", f"Release line {id} does not exist", field="ReleaseLineId")


def _status(event: Json) -> int:
    given = event.get("StatusId") or code_of(event, "Status", "StatusId")
    try:
        return int(Decimal(str(given)))
    except InvalidOperation:
        raise Refused("error.400", "StatusId is required", field="StatusId") from None


def _quantity(event: Json) -> Decimal:
    try:
        units = number(event.get("Quantity"))
    except InvalidOperation:
        units = Decimal(0)
    if units <= 0:
        raise Refused("error.400", "Quantity must be greater than 0", field="Quantity")
    return units


def _text(document: Json, name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise Refused("error.400", f"{name} is required", field=name)
    return value
