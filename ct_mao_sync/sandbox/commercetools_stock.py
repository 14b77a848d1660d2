"""Figures of InventoryEntries: what orders do to them, and how long that takes to show.

The platform decides whether something can be sold on figures of its own; quantityOnStock and
availableQuantity follow within some seconds. A direct update sees and sets the true figures at once
(commercetools docs: inventory checks and consistency).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .commercetools_orders import add_order
from .core import COMMERCETOOLS, Json, World
from .generate import timestamp

EntryKey = tuple[str, str]
"""(sku, channel id); "" = the entry without channel."""


@dataclass(slots=True)
class Hidden:
    """A true quantityOnStock that does not show yet."""

    quantity: int
    due_at: datetime


@dataclass(slots=True)
class EntryIndex:
    """Finds entries by key, sku and channel; kept by whoever changes them."""

    by_key: dict[str, str] = field(default_factory=dict)
    by_place: dict[EntryKey, str] = field(default_factory=dict)
    by_sku: dict[str, set[str]] = field(default_factory=dict)
    places: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Entry id -> (key, sku, channel id) as indexed."""
    hidden: dict[str, Hidden] = field(default_factory=dict)
    reserved: dict[str, int] = field(default_factory=dict)
    """Entry id -> units reserved by carts (ReserveOnCart)."""

    def put(self, entry: Json) -> None:
        self.drop(entry["id"])
        channel_id = channel_of(entry)
        key = entry.get("key") or ""
        self.places[entry["id"]] = key, entry["sku"], channel_id
        if key:
            self.by_key[key] = entry["id"]
        self.by_place[entry["sku"], channel_id] = entry["id"]
        self.by_sku.setdefault(entry["sku"], set()).add(entry["id"])

    def drop(self, id: str) -> None:
        known = self.places.pop(id, None)
        if known is None:
            return
        key, sku, channel_id = known
        if self.by_key.get(key) == id:
            del self.by_key[key]
        if self.by_place.get((sku, channel_id)) == id:
            del self.by_place[sku, channel_id]
        self.by_sku[sku].discard(id)


def entries_of(world: World) -> EntryIndex:
    """The index of the world's entries, made again when documents were added behind its back."""
    index = world.ct.extra.get("entries")
    if not isinstance(index, EntryIndex):
        index = world.ct.extra["entries"] = EntryIndex()
    if len(index.places) != len(world.ct.inventory):
        for id in [each for each in index.places if each not in world.ct.inventory]:
            index.drop(id)
        for entry in world.ct.inventory.values():
            index.put(entry)
    return index


def channel_of(document: Json) -> str:
    """The id of an entry's or a line's supplyChannel, "" when it has none."""
    channel = document.get("supplyChannel")
    return str(channel["id"]) if channel else ""


def find_entry(world: World, sku: str, channel_id: str = "") -> Json | None:
    """The entry of (sku, channel), the one without channel for ""."""
    id = entries_of(world).by_place.get((sku, channel_id))
    return world.ct.inventory.get(id) if id else None


def true_quantity(world: World, entry: Json) -> int:
    """quantityOnStock as the platform itself counts it, whatever shows."""
    hidden = entries_of(world).hidden.get(entry["id"])
    return hidden.quantity if hidden else int(entry["quantityOnStock"])


def reserve_in_carts(world: World, entry_id: str, units: int) -> Json:
    """So many units are reserved by carts (ReserveOnCart): availableQuantity falls, quantityOnStock stays."""
    with world.lock:
        entries_of(world).reserved[entry_id] = units
        return show(world, entry_id, int(world.ct.inventory[entry_id]["quantityOnStock"]))


def show(world: World, entry_id: str, quantity: int) -> Json:
    """A copy of the entry with these figures takes its place; the version stays."""
    reserved = entries_of(world).reserved.get(entry_id, 0)
    entry = {**world.ct.inventory[entry_id], "quantityOnStock": quantity}
    entry["availableQuantity"] = quantity - reserved
    world.ct.inventory[entry_id] = entry
    return entry


def reveal(world: World, entry: Json) -> Json:
    """The entry with its true figures, which from now on show."""
    hidden = entries_of(world).hidden.pop(entry["id"], None)
    return show(world, entry["id"], hidden.quantity) if hidden else entry


def settle_figures(world: World) -> None:
    """Lets the figures show whose time has come."""
    index = world.ct.extra.get("entries")
    if not isinstance(index, EntryIndex) or not index.hidden:
        return
    now = world.now(COMMERCETOOLS)
    for id in [each for each, hidden in index.hidden.items() if hidden.due_at <= now]:
        if id in world.ct.inventory:
            reveal(world, world.ct.inventory[id])
        else:
            del index.hidden[id]


def place_order(world: World, order: Json) -> bool:
    """A customer orders: the Order is added and the entries of its lines fall, by their inventory mode.

    None leaves stock alone; TrackOnly lowers it, below zero if need be; ReserveOnOrder needs enough (or an
    entry with restockableInDays); ReserveOnCart also gives back the cart's reservation. A line with a supply
    channel takes from the entry of that channel, one without from the entry without channel. False, and
    nothing happened, when the platform refuses with OutOfStock. Raises ValueError as `add_order` does.
    """
    with world.lock:
        settle_figures(world)
        wanted: dict[str, int] = {}
        checked: set[str] = set()
        from_carts: dict[str, int] = {}
        for line, mode in tracked_lines(order):
            entry = find_entry(world, line["variant"].get("sku", ""), channel_of(line))
            if entry is None:
                return False
            wanted[entry["id"]] = wanted.get(entry["id"], 0) + line["quantity"]
            if mode == "ReserveOnOrder":
                checked.add(entry["id"])
            elif mode == "ReserveOnCart":
                from_carts[entry["id"]] = from_carts.get(entry["id"], 0) + line["quantity"]
        index = entries_of(world)
        for id in checked:
            entry = world.ct.inventory[id]
            free = true_quantity(world, entry) - index.reserved.get(id, 0)
            if wanted[id] > free and entry.get("restockableInDays") is None:
                return False
        add_order(world, order)
        for id, units in from_carts.items():
            index.reserved[id] = max(0, index.reserved.get(id, 0) - units)
        for id, units in wanted.items():
            _sell(world, id, units)
        return True


def tracked_lines(order: Json) -> Iterator[tuple[Json, str]]:
    """The lines that touch stock and their mode: the line's own, else the order's."""
    for line in order["lineItems"]:
        mode = line.get("inventoryMode") or order.get("inventoryMode") or "None"
        if mode != "None":
            yield line, mode


def _sell(world: World, entry_id: str, units: int) -> None:
    index = entries_of(world)
    entry = world.ct.inventory[entry_id]
    quantity = true_quantity(world, entry) - units
    now = world.now(COMMERCETOOLS)
    moved = {**entry, "version": entry["version"] + 1, "lastModifiedAt": timestamp(now)}
    world.ct.inventory[entry_id] = moved
    lag_s = world.settings.inventory_lag_s
    if lag_s <= 0:
        show(world, entry_id, quantity)
        return
    due_at = now + timedelta(seconds=world.rng.uniform(0, lag_s))
    before = index.hidden.get(entry_id)
    index.hidden[entry_id] = Hidden(quantity, max(due_at, before.due_at) if before else due_at)
