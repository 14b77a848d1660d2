"""MAO's own figure: what is available to commerce (DOC: how-is-availability-computed).

location = max(0, on hand without error - protection per record - allocated) + future supply in the window
network  = max(0, sum over the view's locations - network protection [- back-ordered units])
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from .core import MANHATTAN, Json, World
from .manhattan_stock import (
    FUTURE,
    NETWORK,
    ON_HAND,
    Stock,
    Supply,
    View,
    find_view,
    plain_location,
    stock_of,
)
from .manhattan_totals import ZERO
from .manhattan_values import parse_moment


@dataclass(frozen=True, slots=True)
class Figure:
    """What is available, in base units; `by_type` is per LocationTypeId and before network protection."""

    total: Decimal
    on_hand: Decimal
    future: Decimal
    by_type: dict[str, Decimal]
    is_infinite: bool
    supplies: tuple[Supply, ...] = ()
    """Future supply that counts, earliest first."""


def true_available(world: World, view: str, item_id: str, location_id: str | None = None) -> int:
    """MAO's figure for an item in a view (by name), rounded down to whole base units; 0 where not eligible.

    The true figure, also of a view that is inactive or publishes no quantity. Raises Refused for an unknown
    view, ValueError when a location view is asked without a location or a network view with one.
    """
    found = find_view(world, view)
    if (found.kind == NETWORK) != (location_id is None):
        raise ValueError(f"{view} is a {found.kind} view")
    if location_id is None:
        figure: Figure | None = network_figure(world, found, item_id)
    else:
        figure = location_figure(world, found, item_id, plain_location(world, location_id))
    if figure is None:
        return 0
    return int(figure.total.to_integral_value(ROUND_FLOOR))


def free_units(world: World, item_id: str, location_id: str) -> Decimal:
    """Base units that allocation may take at a location: on hand, without error, not reserved."""
    stock = stock_of(world)
    if stock.is_infinite(item_id, location_id):
        return Decimal(10**9)
    on_hand = sum(
        (supply.quantity for supply in stock.supplies_at(item_id, location_id) if _is_on_hand(supply)), ZERO
    )
    return max(ZERO, on_hand - stock.reserved.get((item_id, location_id), ZERO))


def location_figure(
    world: World, view: View, item_id: str, location_id: str, *, store_exclusions: bool | None = None
) -> Figure | None:
    """The figure of one item at one location; None where the pair is not eligible in the view."""
    stock = stock_of(world)
    location = stock.locations.get(location_id)
    if location is None or location["LocationTypeId"] not in view.location_types:
        return None
    if item_id not in stock.items or not stock.is_eligible(item_id, location_id):
        return None
    if not _counts(stock, view, location_id, store_exclusions):
        return Figure(ZERO, ZERO, ZERO, {}, False)
    if stock.is_infinite(item_id, location_id):
        most = Decimal(world.settings.infinite_quantity)
        return Figure(most, most, ZERO, {}, True)
    withheld = stock.protection.get((item_id, location_id), ZERO)
    on_hand = future = ZERO
    expected = []
    now = world.now(MANHATTAN)
    for supply in stock.supplies_at(item_id, location_id):
        if _is_on_hand(supply):
            on_hand += supply.quantity - withheld
        elif view.future_days is not None and _is_expected(supply, now, view.future_days):
            future += max(ZERO, supply.quantity)
            expected.append(supply)
    on_hand = max(ZERO, on_hand - stock.reserved.get((item_id, location_id), ZERO))
    return Figure(on_hand + future, on_hand, future, {}, False, tuple(expected))


def network_figure(
    world: World,
    view: View,
    item_id: str,
    *,
    store_exclusions: bool | None = None,
    only: frozenset[str] | None = None,
) -> Figure:
    """The figure of one item over all locations of the view, or those of `only`; zero for an unknown item."""
    stock = stock_of(world)
    on_hand = future = ZERO
    by_type: dict[str, Decimal] = {}
    expected: list[Supply] = []
    for location_id in _places(stock, item_id):
        if only is not None and location_id not in only:
            continue
        at = location_figure(world, view, item_id, location_id, store_exclusions=store_exclusions)
        if at is None:
            continue
        kind = stock.locations[location_id]["LocationTypeId"]
        if at.is_infinite:
            return Figure(at.total, at.total, ZERO, {kind: at.total}, True)
        on_hand += at.on_hand
        future += at.future
        if at.total:
            by_type[kind] = by_type.get(kind, ZERO) + at.total
        expected += at.supplies
    less = network_protection(stock, view, item_id)
    if view.nets_backorders:
        less += stock.backordered.get(item_id, ZERO)
    total = max(ZERO, on_hand + future - less)
    expected.sort(key=lambda supply: supply.eta or "")
    return Figure(total, max(ZERO, on_hand - less), future, by_type, False, tuple(expected))


def network_protection(stock: Stock, view: View, item_id: str) -> Decimal:
    """Units that a network view withholds from an item."""
    return stock.network_protection.get(item_id, view.protection)


def next_arrival(world: World, item_id: str, location_id: str | None = None) -> str | None:
    """When the next future supply of an item is expected, as MAO writes it."""
    stock = stock_of(world)
    places = _places(stock, item_id) if location_id is None else (location_id,)
    etas = [
        supply.eta
        for place in places
        for supply in stock.supplies_at(item_id, place)
        if supply.supply_type in FUTURE and supply.eta and supply.quantity > 0
    ]
    return min(etas, key=parse_moment, default=None)


def items_of(world: World, view: View) -> Iterator[str]:
    """The items in the view's scope, by id."""
    stock = stock_of(world)
    return (item_id for item_id in sorted(stock.items) if stock.is_eligible(item_id, ""))


def status_of_figure(world: World, view: View, total: Decimal) -> Json:
    """Status and StatusCode of a figure by the view's thresholds."""
    if total <= view.out_at:
        return {"Status": "OUT_OF_STOCK", "StatusCode": 0}
    if total <= view.limited_at:
        return {"Status": "LIMITED_STOCK", "StatusCode": 1}
    return {"Status": world.settings.in_stock_status, "StatusCode": 2}


def _places(stock: Stock, item_id: str) -> list[str]:
    """Where the item may have stock: locations with a record, every one when its supply is infinite there."""
    places = list(stock.by_item.get(item_id, ()))
    if stock.infinite:
        places += [
            each for each in stock.locations if each not in places and stock.is_infinite(item_id, each)
        ]
    return places


def _counts(stock: Stock, view: View, location_id: str, store_exclusions: bool | None) -> bool:
    if location_id in stock.outages or (view.exclude_capacity_full and location_id in stock.capacity_full):
        return False
    excluded = view.store_exclusions if store_exclusions is None else store_exclusions
    return not (excluded and location_id in stock.excluded_stores)


def _is_on_hand(supply: Supply) -> bool:
    return supply.supply_type == ON_HAND and not supply.is_errored


def _is_expected(supply: Supply, now: datetime, days: float) -> bool:
    if supply.supply_type not in FUTURE or supply.is_errored or supply.eta is None:
        return False
    return parse_moment(supply.eta) <= now + timedelta(days=days)
