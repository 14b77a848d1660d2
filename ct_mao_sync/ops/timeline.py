"""What the documents of both systems tell of an order's life, as moments on one line. Pure; no personal data:
ids, quantities, statuses and tracking numbers only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ct_mao_sync.engine.rows import Event
from ct_mao_sync.mapping.availability import parse_moment
from ct_mao_sync.mapping.milestones import milestone_of
from ct_mao_sync.mapping.order_base import normalise
from ct_mao_sync.mapping.order_state import status_id

Row = Mapping[str, Any]
SHOP, OMS, OURS = "commercetools", "MAO", "sync"

# Statuses of return lines (MAO docs: creating-and-updating-order).
_RETURN_STATUSES = {
    11000: "announced",
    13000: "waiting for approval",
    14000: "scanned by the carrier",
    15000: "received",
    18000: "returned",
    19000: "cancelled",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """`at` None = now: a present fact that bears no time."""

    at: datetime | None
    where: str
    """Which system says so."""
    text: str
    run: str = ""
    correlation_id: str = ""


def sorted_moments(moments: Sequence[Moment]) -> list[Moment]:
    """In the order of time; what is now comes last."""
    return sorted(moments, key=lambda m: (m.at is None, m.at or datetime.min.replace(tzinfo=UTC)))


def moments_of_events(events: Sequence[Event]) -> Iterator[Moment]:
    """What this tool wrote, refused, closed or discarded."""
    for event in events:
        detail = f": {event.detail}" if event.detail else ""
        text = f"{event.action} {event.subject}{detail}"
        yield Moment(event.at, OURS, text, event.run, event.correlation_id)


def moments_of_shop_order(order: Row) -> Iterator[Moment]:
    """A commercetools Order."""
    number = order.get("orderNumber") or order.get("id")
    lines = _rows(order, "lineItems")
    units = sum(int(line.get("quantity") or 0) for line in lines)
    yield Moment(
        parse_moment(order.get("createdAt")), SHOP, f"order {number} placed: {_units(units, len(lines))}"
    )
    for info in _rows(order, "syncInfo"):
        yield Moment(
            parse_moment(info.get("syncedAt")), SHOP, f"told of its export as {info.get('externalId')}"
        )
    infos = [order.get("shippingInfo"), *(s.get("shippingInfo") for s in _rows(order, "shipping"))]
    for delivery in (row for info in infos if isinstance(info, Mapping) for row in _rows(info, "deliveries")):
        items = sum(int(item.get("quantity") or 0) for item in _rows(delivery, "items"))
        parcels = [_tracking(parcel.get("trackingData") or {}) for parcel in _rows(delivery, "parcels")]
        name = delivery.get("key") or delivery.get("id")
        text = f"delivery {name}: {_units(items)}{_listed(parcels)}"
        yield Moment(parse_moment(delivery.get("createdAt")), SHOP, text)
    for info in _rows(order, "returnInfo"):
        for item in _rows(info, "items"):
            now = f"{item.get('shipmentState')}, {item.get('paymentState')}"
            name = info.get("returnTrackingId") or item.get("key") or item.get("id")
            units = int(item.get("quantity") or 0)
            text = f"return {name}: {_units(units)}, {now}"
            yield Moment(parse_moment(item.get("createdAt") or info.get("returnDate")), SHOP, text)
    states = [
        f"{name} {order[name]}"
        for name in ("orderState", "shipmentState", "paymentState")
        if isinstance(order.get(name), str)
    ]
    text = f"order {number} at version {order.get('version')}: {', '.join(states)}"
    yield Moment(parse_moment(order.get("lastModifiedAt")), SHOP, text)


def moments_of_mao_order(order: Row, *, archived: bool = False) -> Iterator[Moment]:
    """A MAO order, or a return, which is an order too (its lines have IsReturn)."""
    name = order.get("OrderId")
    lines = _rows(order, "OrderLine")
    is_return = any(line.get("IsReturn") for line in lines)
    word = "return" if is_return else "order"
    yield Moment(parse_moment(order.get("CreatedTimestamp")), OMS, f"{word} {name} created")
    for release in _rows(order, "Release"):
        place = release.get("ShipFromLocationId")
        text = f"release {release.get('ReleaseId')}" + (f" from {place}" if place else "")
        yield Moment(parse_moment(release.get("CreatedTimestamp")), OMS, text)
    for line in lines:
        for detail in _rows(line, "FulfillmentDetail"):
            milestone = milestone_of(detail.get("StatusId")) or "fulfilled"
            tracking = detail.get("TrackingNumber")
            text = (
                f"{normalise(detail.get('Quantity'))} x {line.get('ItemId')} {milestone}"
                + (f", package {detail['PackageId']}" if detail.get("PackageId") else "")
                + (f", tracking {tracking}" if tracking else "")
            )
            yield Moment(parse_moment(detail.get("FulfillmentDate")), OMS, text)
    for info in _rows(order, "OrderTrackingInfo"):
        if info.get("DeliveredDate"):
            text = f"{info.get('TrackingNumber')} delivered"
            yield Moment(parse_moment(info["DeliveredDate"]), OMS, text)
    held = ", ".join(str(hold.get("HoldTypeId")) for hold in _rows(order, "OrderHold") if _is_on(hold))
    text = f"{word} {name}: {_statuses(lines) or 'no lines'}"
    text += (f"; on hold: {held}" if held else "") + ("; archived" if archived else "")
    yield Moment(parse_moment(order.get("UpdatedTimestamp")), OMS, text)


def _statuses(lines: Sequence[Row]) -> str:
    """`2 lines shipped, 1 line released`: by the status that a line has reached as a whole."""
    counts = Counter(
        "cancelled" if line.get("IsCancelled") else _named(line.get("MinFulfillmentStatusId"))
        for line in lines
    )
    return ", ".join(f"{n} {'line' if n == 1 else 'lines'} {status}" for status, n in counts.most_common())


def _named(status: Any) -> str:
    number = status_id(status)
    return milestone_of(status) or _RETURN_STATUSES.get(number or 0) or f"at status {status}"


def _is_on(hold: Row) -> bool:
    return str(hold.get("StatusId") or "").partition(".")[0] == "1000"


def _units(units: int, lines: int = 0) -> str:
    text = f"{units} {'unit' if units == 1 else 'units'}"
    return f"{text} in {lines} {'line' if lines == 1 else 'lines'}" if lines else text


def _tracking(data: Row) -> str:
    return " ".join(str(data[name]) for name in ("carrier", "trackingId") if data.get(name))


def _listed(texts: Sequence[str]) -> str:
    said = [text for text in texts if text]
    return f", {', '.join(said)}" if said else ""


def _rows(row: Row, name: str) -> list[Row]:
    found = row.get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []
