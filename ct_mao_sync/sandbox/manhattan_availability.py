"""The availability endpoints (DOC: atc-rest-apis, publish-availability): network and location views.

A network row has a Quantity per location type and a TotalQuantity; a location row has a number. Rows come in
no particular order. An unknown or ineligible item is a zero row in a network view and no row in a location
view, so a caller must take a missing row for 0.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .core import MANHATTAN, Json, World
from .manhattan_available import (
    Figure,
    location_figure,
    network_figure,
    network_protection,
    next_arrival,
    status_of_figure,
)
from .manhattan_envelope import Refused
from .manhattan_stock import LOCATION, NETWORK, View, find_view, plain_location, shown_location, stock_of
from .manhattan_totals import ZERO
from .manhattan_values import render_moment

_FUTURE_DETAILS_MAX = 20
_VIEW_NAMES = ("ViewName", "ViewConfigName", "ViewDefinitionId", "ViewConfigId")
_MEMBERS = frozenset(
    {
        *_VIEW_NAMES,
        *("Items", "AvailabilityRules", "OrderAttributes", "IncludeStoreExclusions", "Preview", "CustomerId"),
        *("locations", "Locations", "source"),
    }
)


@dataclass(frozen=True, slots=True)
class Asked:
    """An availability request, read."""

    view: View
    items: tuple[str, ...]
    locations: tuple[str, ...] | None
    """LocationIds as sent; None: all of the view."""
    store_exclusions: bool | None


def read_network(world: World, body: Json) -> Asked:
    """The body of a network request; raises Refused."""
    locations = body.get("locations", body.get("Locations"))
    return _read(world, body, NETWORK, None if locations is None else _texts(locations, "locations"))


def read_location(world: World, body: Json) -> Asked:
    """The body of a location request; raises Refused, also when it names neither locations nor a rule."""
    locations = body.get("Locations")
    rules = body.get("AvailabilityRules")
    if not locations and not rules:
        raise Refused(
            "error.400", "Mandatory attribute location or regional availability rule missing in request"
        )
    return _read(world, body, LOCATION, _texts(locations, "Locations") if locations else None)


def _read(world: World, body: Json, kind: str, locations: tuple[str, ...] | None) -> Asked:
    for member in body:
        if member not in _MEMBERS:
            world.mao.dropped[f"availability.{member}"] += 1
    name = next((body[name] for name in _VIEW_NAMES if body.get(name)), None)
    if not isinstance(name, str):
        raise Refused("error.400", "ViewName is required", field="ViewName")
    view = find_view(world, name)
    if view.kind != kind:
        raise Refused("error.400", f"View {name} is not a {kind} view", field="ViewName")
    if not view.active:
        raise Refused("error.400", f"View {name} is not active", field="ViewName")
    items = _texts(body.get("Items"), "Items")
    if not items:
        raise Refused("error.400", "Items is required", field="Items")
    most = world.settings.availability_items_max
    if most is not None and len(items) > most:
        raise Refused("error.400", f"Items: at most {most} in one request, given {len(items)}", field="Items")
    exclusions = body.get("IncludeStoreExclusions")
    if exclusions is not None and not isinstance(exclusions, bool):
        raise Refused("error.400", "IncludeStoreExclusions must be true or false")
    return Asked(view, tuple(dict.fromkeys(items)), locations, exclusions)


def _texts(value: object, name: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise Refused("error.400", f"{name} must be a list of texts", field=name)
    return tuple(value)


def network_rows(world: World, asked: Asked) -> list[Json]:
    """One row for each item asked for."""
    only = asked.locations
    among = None if only is None else frozenset(plain_location(world, each) for each in only)
    rows = []
    for item_id in asked.items:
        figure = network_figure(
            world, asked.view, item_id, store_exclusions=asked.store_exclusions, only=among
        )
        rows.append(network_row(world, asked.view, item_id, figure))
    return _unsorted(rows)


def location_rows(world: World, asked: Asked) -> list[Json]:
    """One row for each eligible item and location asked for."""
    view = asked.view
    places = asked.locations if asked.locations is not None else tuple(stock_of(world).locations)
    plain = dict.fromkeys(plain_location(world, each) for each in places)
    rows = []
    for item_id in asked.items:
        for place in plain:
            figure = location_figure(world, view, item_id, place, store_exclusions=asked.store_exclusions)
            if figure is not None:
                rows.append(location_row(world, view, item_id, place, figure))
    return _unsorted(rows)


def network_row(world: World, view: View, item_id: str, figure: Figure) -> Json:
    """The row of an item in a network view."""
    stock = stock_of(world)
    row = _row(world, view, item_id, figure, None)
    shown = figure.by_type if view.publish_quantity else {}
    protected = network_protection(stock, view, item_id) if item_id in stock.items else ZERO
    return {
        **row,
        "TotalQuantity": _published(view, figure.total),
        "Quantity": {kind: float(units) for kind, units in shown.items()},
        "NetworkProtectionQuantity": {"Network": float(protected)} if protected else {},
        "IsInfiniteAvailability": True if figure.is_infinite else None,
    }


def location_row(world: World, view: View, item_id: str, location_id: str, figure: Figure) -> Json:
    """The row of an item at a location in a location view."""
    return {
        **_row(world, view, item_id, figure, location_id),
        "LocationId": shown_location(world, location_id, internal=False),
        "Quantity": _published(view, figure.total),
        "IsInfiniteAvailability": figure.is_infinite,
    }


def without_quantities(rows: Iterable[Json]) -> list[Json]:
    """The rows of a status request."""
    hidden = {"Quantity", "TotalQuantity", "NetworkProtectionQuantity", "TotalIncludingSubstituteItems"}
    return [{name: value for name, value in row.items() if name not in hidden} for row in rows]


def _row(world: World, view: View, item_id: str, figure: Figure, location_id: str | None) -> Json:
    status = status_of_figure(world, view, figure.total)
    row: Json = {
        "ItemId": item_id,
        **status,
        "NextAvailabilityDate": next_arrival(world, item_id, location_id)
        if status["StatusCode"] == 0 and view.future_days is None
        else None,
        "ViewName": view.name,
        "ViewId": view.id,
        "TransactionDateTime": render_moment(world.now(MANHATTAN)),
        "TotalIncludingSubstituteItems": _published(view, figure.total),
        "SubstituteItemsAvailable": False,
        "SubstitutionDetails": None,
    }
    if view.future_days is not None:
        row |= _future(world, view, figure)
    return row


def _future(world: World, view: View, figure: Figure) -> Mapping[str, Any]:
    supplies = [supply for supply in figure.supplies if supply.quantity > 0]
    first = supplies[0] if supplies else None
    on_hand = status_of_figure(world, view, figure.on_hand)
    return {
        "FirstAvailableFutureQuantity": float(first.quantity) if first else None,
        "FirstAvailableFutureDate": first.eta if first else None,
        "FutureQuantity": _published(view, figure.future),
        "FutureSupplyDetails": [
            {
                "Quantity": float(supply.quantity),
                "ETA": supply.eta,
                "SupplyTypeId": supply.supply_type,
                "ReferenceId": supply.reference_id,
            }
            for supply in supplies[:_FUTURE_DETAILS_MAX]
        ],
        "OnHandQuantity": _published(view, figure.on_hand),
        "OnHandStatus": on_hand["Status"],
        "OnHandStatusCode": on_hand["StatusCode"],
    }


def _published(view: View, units: Decimal) -> float:
    return float(units) if view.publish_quantity else 0.0


def _unsorted(rows: list[Json]) -> list[Json]:
    """Rows in an order of their own, the same for the same rows."""
    return sorted(rows, key=lambda row: zlib.crc32(f"{row['ItemId']}|{row.get('LocationId')}".encode()))
