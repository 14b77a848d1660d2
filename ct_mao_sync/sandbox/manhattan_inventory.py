"""The inventory and item endpoints of MAO: availability, supply and item search, supply events."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from .core import MANHATTAN, Json, Request, Response, World
from .manhattan_availability import (
    location_rows,
    network_rows,
    read_location,
    read_network,
    without_quantities,
)
from .manhattan_envelope import Refused, success
from .manhattan_fields import Code
from .manhattan_search import Matches, read_search, rows_of
from .manhattan_stock import FUTURE, ON_HAND, Supply, plain_location, set_supply, stock_of
from .manhattan_totals import ZERO
from .manhattan_values import parse_moment

Answer = Callable[[Request, str], Response]
Read = Callable[[Request], Json]

_AVAILABILITY = "/inventory/api/availability"
_TIMES = {"CreatedTimestamp": "d", "UpdatedTimestamp": "d"}
_SUPPLY = {
    **dict.fromkeys(["OrgId", "ItemId", "LocationId", "UOM", "ReferenceTypeId", "ReferenceId"], "s"),
    **_TIMES,
    "SupplyType": Code("SupplyTypeId"),
    "Quantity": "n",
    "ETA": "d",
    "IsErrored": "b",
}
_ITEM = {
    **dict.fromkeys(["ItemId", "Description", "ShortDescription", "Style", "Color", "Size", "Brand"], "s"),
    **dict.fromkeys(["ProductClass", "BaseUOM"], "s"),
    **_TIMES,
    "IsGiftCard": "b",
}
_LOCATION = {
    **dict.fromkeys(["LocationId", "DisplayId", "LocationName", "LocationTypeId", "LocationStatusId"], "s"),
    **_TIMES,
}
_ON_HAND_EVENTS = frozenset({"adjustment", "movement", "receipt", "fulfillment", "inverror"})
_FUTURE_EVENTS = {"pocreate": "On Order", "asncreate": "In Transit"}


def inventory_routes(world: World, read_json: Read) -> dict[str, tuple[str, Answer]]:
    """The endpoints of stock, by path: method and answer. `read_json` reads a body or raises Refused."""

    def availability(path: str) -> Answer:
        def answer(request: Request, org: str) -> Response:
            body = read_json(request)
            if "/location/" in path:
                rows = location_rows(world, read_location(world, body))
                if not rows and world.settings.no_rows_as_null:
                    return success(None)
            else:
                rows = network_rows(world, read_network(world, body))
            return success(rows if path.endswith("detail") else without_quantities(rows))

        return answer

    def search(found: Callable[[float], Iterable[Any]], fields: Mapping[str, Any], key: str) -> Answer:
        matches = Matches()

        def answer(request: Request, org: str) -> Response:
            settings = world.settings
            asked = read_search(
                read_json(request),
                now=world.now(MANHATTAN),
                size_default=settings.search_size_default,
                size_max=settings.search_size_max,
                by_key=settings.search_pages_by_key,
                fields=fields,
                key=key,
            )
            lag_s = max(settings.search_lag_s, float(request.headers.get("x-sandbox-stale-s", "0")))
            page, total = rows_of(
                asked,
                lambda: found(lag_s),
                known=None if lag_s > 0 else matches,  # what is late is seen without a change
                revision=stock_of(world).revision,
            )
            page = [row.as_json() if isinstance(row, Supply) else row for row in page]
            return success(page or None, header={"totalCount": total})

        return answer

    items = search(lambda lag_s: stock_of(world).items.values(), _ITEM, "ItemId")
    locations = search(lambda lag_s: stock_of(world).locations.values(), _LOCATION, "LocationId")
    supplies = search(lambda lag_s: _visible(world, lag_s), _SUPPLY, "ItemId")
    paths = ("availabilitydetail", "availabilitystatus")
    places = (*(f"{_AVAILABILITY}/{each}" for each in paths),)
    places += tuple(f"{_AVAILABILITY}/location/{each}" for each in paths)
    return {
        **{path: ("POST", availability(path)) for path in places},
        "/inventory/api/inventory/supply/search": ("POST", supplies),
        "/inventory/api/inventory/supply/supplyEvent": (
            "POST",
            lambda request, org: success(apply_supply_events(world, read_json(request))),
        ),
        "/inventory/api/inventory/location/search": ("POST", locations),
        "/inventory/api/item/item/search": ("POST", items),
        "/item/api/item/item/search": ("POST", items),
    }


def _visible(world: World, lag_s: float) -> Iterable[Supply]:
    """Supply records as a search sees them: the latest changes are missing."""
    stock = stock_of(world)
    present = stock.supplies.values()
    if lag_s <= 0:
        return present
    seen_until = world.now(MANHATTAN) - timedelta(seconds=lag_s)
    shown = (
        supply if supply.changed_at <= seen_until else stock.previous.get(supply.key) for supply in present
    )
    return [supply for supply in shown if supply is not None]


def apply_supply_events(world: World, body: Json) -> list[Json]:
    """Applies {"SupplyEvent": […]} as a warehouse sends it; gives the records it changed.

    QuantityAdjustmentType A adds, S subtracts, R replaces; without one a Quantity is added and an
    AbsoluteQuantity replaces. Raises Refused, and then nothing of the request took place.
    """
    events = body.get("SupplyEvent")
    if not isinstance(events, list) or not events:
        raise Refused("error.400", "SupplyEvent is required", field="SupplyEvent")
    most = world.settings.supply_events_max
    if len(events) > most:
        raise Refused("error.400", f"SupplyEvent: at most {most} in one request, given {len(events)}")
    read = [_read_event(event) for event in events]
    return [_apply_event(world, *event).as_json() for event in read]


def _read_event(event: object) -> tuple[str, str, str, Json, Json]:
    if not isinstance(event, dict):
        raise Refused("error.400", "SupplyEvent must be a list of objects", field="SupplyEvent")
    kind = str(event.get("TransactionTypeId", "")).lower()
    if kind not in _ON_HAND_EVENTS and kind not in _FUTURE_EVENTS:
        raise Refused("error.400", f"TransactionTypeId {kind or 'is required'}", field="TransactionTypeId")
    definition = event.get("SupplyDefinition")
    if not isinstance(definition, dict):
        raise Refused("error.400", "SupplyDefinition is required", field="SupplyDefinition")
    names = []
    for name in ("ItemId", "LocationId"):
        value = definition.get(name)
        if not isinstance(value, str) or not value:
            raise Refused("error.400", f"{name} is required", field=name)
        names.append(value)
    data = definition.get("SupplyData") or {}
    for name in ("Quantity", "AbsoluteQuantity"):
        value = data.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, Decimal))):
            raise Refused("error.400", f"{name} must be a number", field=name)
    if data.get("ETA") is not None:
        _moment(data["ETA"])
    return kind, names[0], names[1], definition, {**data, "ResetError": event.get("ResetError")}


def _apply_event(
    world: World, kind: str, item_id: str, location_id: str, definition: Json, data: Json
) -> Supply:
    stock = stock_of(world)
    supply_type = (definition.get("SupplyType") or {}).get("SupplyTypeId")
    supply_type = supply_type or _FUTURE_EVENTS.get(kind, ON_HAND)
    reference_id = definition.get("ReferenceId") if supply_type in FUTURE else None
    key = (item_id, plain_location(world, location_id), supply_type, reference_id or "")
    before = stock.supplies.get(key)
    base = before.quantity if before else ZERO
    units = Decimal(data.get("Quantity") or 0) * stock.factor(item_id, data.get("UOM"))
    way = str(data.get("QuantityAdjustmentType") or "A").upper()
    if data.get("AbsoluteQuantity") is not None:
        quantity = Decimal(data["AbsoluteQuantity"]) * stock.factor(item_id, data.get("UOM"))
    elif way == "R":
        quantity = units
    else:
        quantity = base + (-units if way == "S" or kind == "fulfillment" else units)
    errored = True if data.get("ErrorCodeId") or kind == "inverror" else None
    return set_supply(
        world,
        item_id,
        location_id,
        quantity,
        supply_type=supply_type,
        reference_id=reference_id,
        eta=_moment(data["ETA"]) if data.get("ETA") else None,
        errored=False if data.get("ResetError") else errored,
    )


def _moment(text: object) -> datetime:
    try:
        return parse_moment(str(text))
    except ValueError:
        raise Refused("error.400", f"ETA {text} is not a date-time", field="ETA") from None


def supply_event(
    item_id: str, location_id: str, quantity: int, *, way: str = "A", kind: str = "Adjustment"
) -> Json:
    """The body of a supply event on the on-hand record: way A adds, S subtracts, R replaces."""
    definition = {
        "ItemId": item_id,
        "LocationId": location_id,
        "SupplyType": {"SupplyTypeId": ON_HAND},
        "SupplyData": {"Quantity": quantity, "QuantityAdjustmentType": way, "UOM": "EACH"},
    }
    event = {"TransactionTypeId": kind, "ResetError": False, "SupplyDefinition": definition}
    document: Json = json.loads(json.dumps({"SupplyEvent": [event]}))
    return document
