"""What orders do to stock: allocated units are reserved, shipped units leave, back-ordered ones wait.

Read from the order itself whenever it is stored, so that no way of changing it can be forgotten. Units count
while they are allocated, released, in process, picked or packed (2000 to 3700); open ones (1000) do not.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeVar

from .core import Json, World
from .manhattan_stock import ON_HAND, Claims, Stock, adjust_supply, plain_location, stock_of
from .manhattan_totals import MERGE, ZERO, number, rows, status_of

_RESERVED = frozenset({2000, 3000, 3500, 3600, 3700})
_BACKORDERED = frozenset({1500, 1600})
_SHIPPED = 7000

Key = TypeVar("Key")


def book_order(world: World, key: str, order: Json) -> None:
    """Brings reservations and on-hand supply in line with an order that has just been stored."""
    stock = stock_of(world)
    if not stock.locations:
        return
    before = stock.claims.get(key, ({}, {}, {}))
    after = _claims(world, stock, order)
    if after == before:
        return
    stock.claims[key] = after
    _shift(stock.reserved, before[0], after[0])
    _shift(stock.backordered, before[2], after[2])
    for place, units in after[1].items():
        gone = units - before[1].get(place, ZERO)
        if gone > 0 and (*place, ON_HAND, "") in stock.supplies:
            adjust_supply(world, *place, -gone)


def book_orders(world: World) -> None:
    """Books every order of the world; for a tenant whose stock is set up after its orders."""
    for key, order in world.mao.orders.items():
        book_order(world, key, order)


def _claims(world: World, stock: Stock, order: Json) -> Claims:
    reserved: dict[tuple[str, str], Decimal] = {}
    shipped: dict[tuple[str, str], Decimal] = {}
    backordered: dict[str, Decimal] = {}
    releases = {release["ReleaseId"]: release for release in rows(order, "Release")}
    for line in rows(order, "OrderLine"):
        item_id = line.get("ItemId")
        if line.get("IsReturn") or not item_id:
            continue
        factor = stock.factor(item_id, line.get("UOM"))
        held = ZERO
        for row in rows(line, "QuantityDetail"):
            status = status_of(row["StatusId"])
            if status in _RESERVED:
                held += number(row["Quantity"])
            elif status in _BACKORDERED and number(row["Quantity"]) > 0:
                _add(backordered, item_id, number(row["Quantity"]) * factor)
        # What is sourced elsewhere and picked up in a store never belongs to the stock of that store.
        merges = any(allocation["AllocationType"] == MERGE for allocation in rows(line, "Allocation"))
        for allocation in rows(line, "Allocation"):
            if merges and allocation["AllocationType"] != MERGE:
                continue
            part = min(number(allocation["Quantity"]), held)
            if part > 0 and allocation.get("ShipFromLocationId"):
                held -= part
                place = item_id, plain_location(world, allocation["ShipFromLocationId"])
                _add(reserved, place, part * factor)
        for detail in () if merges else rows(line, "FulfillmentDetail"):
            location_id = releases.get(detail["ReleaseId"], {}).get("ShipFromLocationId")
            if location_id and status_of(detail["StatusId"]) >= _SHIPPED:
                place = detail.get("ItemId") or item_id, plain_location(world, location_id)
                _add(shipped, place, number(detail["Quantity"]) * factor)
        for release in releases.values() if merges else ():
            for row in rows(release, "ReleaseLine"):
                if release["DestinationAction"] == MERGE and row["OrderLineId"] == line["OrderLineId"]:
                    place = item_id, plain_location(world, release["ShipFromLocationId"])
                    _add(shipped, place, number(row["FulfilledQuantity"]) * factor)
    return reserved, shipped, backordered


def _add(totals: dict[Key, Decimal], key: Key, units: Decimal) -> None:
    totals[key] = totals.get(key, ZERO) + units


def _shift(totals: dict[Key, Decimal], before: dict[Key, Decimal], after: dict[Key, Decimal]) -> None:
    for key in {**before, **after}:
        left = totals.get(key, ZERO) + after.get(key, ZERO) - before.get(key, ZERO)
        if left:
            totals[key] = left
        else:
            totals.pop(key, None)
