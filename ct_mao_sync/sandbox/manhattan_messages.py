"""MAO's availability messages, made from the world's present state: JSON documents, one for each line.

Alerts tell that the status of an item in a network view changed; delta syncs that item-locations of a
location view changed; full syncs are StartSync, n x SyncDetails, EndSync with one TransactionNumber. The
counts are as in DOC: publish-availability; the names `MessageType`, `SyncType` and `AvailabilityDetails` are
inferred.
"""

from __future__ import annotations

from collections.abc import Iterator

from .core import MANHATTAN, Json, World
from .manhattan_availability import location_row, network_row
from .manhattan_available import Figure, items_of, location_figure, network_figure
from .manhattan_envelope import Refused
from .manhattan_stock import LOCATION, NETWORK, Stock, View, find_view, shown_location, stock_of
from .manhattan_totals import ZERO
from .manhattan_values import render_moment

PAGE_SIZE = 500


def network_alerts(world: World, view_name: str) -> list[Json]:
    """An alert for each item whose status in a network view changed since the last call, or is new.

    Raises Refused for an unknown or inactive view and for a location view (there are no alerts of those).
    """
    stock, view = stock_of(world), _view(world, view_name, NETWORK)
    alerts = []
    for item_id in items_of(world, view):
        row = network_row(world, view, item_id, network_figure(world, view, item_id))
        code = row["StatusCode"]
        if stock.alerted.get((view.name, item_id)) != code:
            stock.alerted[view.name, item_id] = code
            alerts.append({"MessageType": "Alert", "TransactionNumber": _number(world), **row})
    return alerts


def location_delta_sync(world: World, view_name: str, *, page_size: int = PAGE_SIZE) -> list[Json]:
    """SyncDetails of every item-location of a location view that changed since the last call.

    One final value each; a pair that is no longer eligible comes as out of stock, 0. The first call gives
    everything. Raises Refused as `network_alerts` does, here for a network view.
    """
    stock, view = stock_of(world), _view(world, view_name, LOCATION)
    changed: dict[str, list[Json]] = {}
    for item_id in sorted(stock.items):
        for location_id in stock.locations:
            place = (view.name, item_id, location_id)
            figure = _listed(world, stock, view, item_id, location_id)
            now = None if figure is None else figure.total
            if stock.published.get(place) == now:
                continue
            gone = Figure(ZERO, ZERO, ZERO, {}, False)
            if figure is not None or stock.published.get(place):
                row = location_row(world, view, item_id, location_id, figure or gone)
                changed.setdefault(location_id, []).append(row)
            stock.published[place] = now
    head = {"MessageType": "SyncDetails", "SyncType": "Delta", "TransactionNumber": _number(world)}
    return list(_location_pages(world, view, head, changed, page_size, non_zero=False))


def full_sync(
    world: World,
    view_name: str,
    *,
    page_size: int = PAGE_SIZE,
    non_zero: bool = False,
    send_empty_pages: bool = False,
) -> list[Json]:
    """A full sync of a network or location view: StartSync, SyncDetails …, EndSync.

    non_zero   records of 0 are left out, and so are pages that then are empty, unless `send_empty_pages`:
               an item that is absent has 0, and pages may be missing although the sync is complete
    Raises Refused for an unknown or inactive view.
    """
    view = _view(world, view_name)
    head: Json = {"SyncType": "Full", "TransactionNumber": _number(world)}
    if view.kind == NETWORK:
        return _network_sync(world, view, head, page_size, non_zero, send_empty_pages)
    stock = stock_of(world)
    places: dict[str, list[Json]] = {
        location_id: []
        for location_id, location in stock.locations.items()
        if location["LocationTypeId"] in view.location_types
    }
    for item_id in sorted(stock.items):
        for location_id, rows in places.items():
            figure = _listed(world, stock, view, item_id, location_id)
            if figure is not None and (view.syncs_infinite or not figure.is_infinite):
                rows.append(location_row(world, view, item_id, location_id, figure))
    shown = [shown_location(world, each, internal=False) for each in places]
    counts = {"SyncCount": len(places), "TotalPages": len(places), "TotalCount": len(places)}
    edge = {**head, **_named(world, view), **counts, "LocationIds": shown}
    details = {**head, "MessageType": "SyncDetails"}
    pages = _location_pages(world, view, details, places, page_size, non_zero, send_empty_pages)
    return [{"MessageType": "StartSync", **edge}, *pages, {"MessageType": "EndSync", **edge}]


def _network_sync(
    world: World, view: View, head: Json, page_size: int, non_zero: bool, send_empty_pages: bool
) -> list[Json]:
    items = list(items_of(world, view))
    chunks = [items[start : start + page_size] for start in range(0, len(items), page_size)]
    counts = {"TotalCount": len(items), "TotalPages": len(chunks)}
    edge = {**head, **_named(world, view), **counts}
    messages: list[Json] = [{"MessageType": "StartSync", **edge}]
    for page, chunk in enumerate(chunks):
        rows = []
        infinite = 0
        for item_id in chunk:
            figure = network_figure(world, view, item_id)
            if figure.is_infinite and not view.syncs_infinite:
                infinite += 1
            elif figure.total or not non_zero:
                rows.append(network_row(world, view, item_id, figure))
        if rows or infinite or send_empty_pages or not non_zero:
            messages.append(
                {
                    "MessageType": "SyncDetails",
                    **head,
                    **_named(world, view),
                    "CurrentPage": page,
                    "CurrentCount": len(rows),
                    **counts,
                    "ExcludedInfiniteSupplyCount": infinite,
                    "AvailabilityDetails": rows,
                }
            )
    return [*messages, {"MessageType": "EndSync", **edge}]


def _location_pages(
    world: World,
    view: View,
    head: Json,
    places: dict[str, list[Json]],
    page_size: int,
    non_zero: bool,
    send_empty_pages: bool = False,
) -> Iterator[Json]:
    for position, (location_id, rows) in enumerate(places.items()):
        chunks = [rows[start : start + page_size] for start in range(0, len(rows), page_size)]
        for page, chunk in enumerate(chunks):
            kept = [row for row in chunk if not non_zero or row["StatusCode"] or row["Quantity"]]
            if not kept and non_zero and not send_empty_pages:
                continue
            yield {
                **head,
                **_named(world, view),
                "LocationId": shown_location(world, location_id, internal=False),
                "CurrentCount": position,
                "CurrentPage": position,
                "TotalCount": len(places),
                "TotalPages": len(places),
                "ItemCountForLocation": len(rows),
                "CurrentItemCount": len(kept),
                "CurrentItemPage": page,
                "TotalItemPages": len(chunks),
                "AvailabilityDetails": kept,
            }


def _listed(world: World, stock: Stock, view: View, item_id: str, location_id: str) -> Figure | None:
    """The figure of a pair that has an inventory record; None when it has none or is not eligible."""
    has_record = location_id in stock.by_item.get(item_id, ()) or stock.is_infinite(item_id, location_id)
    return location_figure(world, view, item_id, location_id) if has_record else None


def _view(world: World, name: str, kind: str = "") -> View:
    view = find_view(world, name)
    if not view.active:
        raise Refused("error.400", f"View {name} is not active", field="ViewName")
    if kind and view.kind != kind:
        raise Refused("error.400", f"View {name} is not a {kind} view", field="ViewName")
    return view


def _named(world: World, view: View) -> Json:
    moment = render_moment(world.now(MANHATTAN))
    return {
        "ViewName": view.name,
        "ViewConfigName": view.name,
        "ViewId": view.id,
        "TransactionDateTime": moment,
    }


def _number(world: World) -> str:
    return f"TN{world.rng.getrandbits(48):015d}"
