"""A tenant with stock and a project with entries for it, by seed."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from .commercetools_inventory import add_entry
from .commercetools_orders import add_documents
from .core import COMMERCETOOLS, MANHATTAN, Json, World
from .generate import timestamp
from .generate_catalog import BUNDLE, BUNDLE_PARTS, GIFTS, PRODUCTS, document_id, random_id
from .generate_documents import generate_world_documents
from .manhattan_available import true_available
from .manhattan_reservations import book_orders
from .manhattan_stock import LOCATION, View, add_item, add_location, add_view, set_supply, stock_of

NETWORK_VIEW = "Ship To Home"
LOCATION_VIEW = "Store Pickup"
LOCATIONS = {"DC-ATL": "dc-atlanta", "DC-DRE": "dc-dresden", "DC-OSA": "dc-osaka", "ST-17": "store-17"}
"""MAO LocationId -> key of the channel that stands for it."""
_KEY = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class Stocked:
    """What `stock_world` made: `locations` is LocationId -> channel key, `entries` the ids of the entries."""

    items: tuple[str, ...]
    locations: Mapping[str, str]
    network_view: str = NETWORK_VIEW
    location_view: str = LOCATION_VIEW
    entries: tuple[str, ...] = field(default=(), repr=False)


def stock_world(
    world: World,
    seed: int,
    *,
    items: Sequence[str] | int | None = None,
    locations: Mapping[str, str] | None = None,
    quantity_max: int = 200,
    entries: Sequence[str] = ("location",),
    entries_agree: bool = True,
    protected: bool = True,
    future: bool = True,
) -> Stocked:
    """Fills both sides with stock. The same arguments and world give the same stock.

    items           ItemIds (= SKUs), how many to make up, or None for everything the generated orders sell
    locations       MAO LocationId -> channel key; `LOCATIONS` when None. One that begins with ST is a store
    quantity_max    a supply record has up to so many units; about one in eight has none, some have few
    entries         for which figures there are InventoryEntries: "location" (one for each channel), "network"
                    (one without channel), both, or none
    entries_agree   the entries show MAO's figures; else something else
    protected       some item-locations are protected
    future          some items have a purchase order on its way
    Besides the two views in use there are "Old Web" (inactive) and "Status Only" (publishes no quantity).
    """
    with world.lock:
        rng = random.Random(f"stock/{seed}")
        names = _items(items)
        places = dict(LOCATIONS if locations is None else locations)
        for location_id in places:
            add_location(
                world, location_id, "Stores" if location_id.startswith("ST") else "DistributionCenters"
            )
        for name in (NETWORK_VIEW, "Old Web", "Status Only"):
            id = document_id("view", name)
            view = View(name, id=id, active=name != "Old Web", publish_quantity=name != "Status Only")
            add_view(world, view)
        add_view(world, View(LOCATION_VIEW, kind=LOCATION, id=document_id("view", LOCATION_VIEW)))
        for item_id in names:
            add_item(world, item_id)
            _supply(world, rng, item_id, list(places), quantity_max, protected, future)
        book_orders(world)
        channels = _channels(world, places.values())
        made = [
            each["id"]
            for item_id in names
            for each in _entries(world, rng, item_id, places, channels, entries, entries_agree)
        ]
        return Stocked(names, places, entries=tuple(made))


def entry_key(sku: str, channel_key: str = "") -> str:
    """The usual key of an entry: sku and channel, with a number where characters had to be replaced."""
    plain = f"{sku}_{channel_key}" if channel_key else sku
    key = _KEY.sub("-", plain)
    return key if key == plain else f"{key}-{random.Random(plain).getrandbits(32):08x}"


def _items(items: Sequence[str] | int | None) -> tuple[str, ...]:
    if items is None:
        sold = (*PRODUCTS, *GIFTS, BUNDLE, *BUNDLE_PARTS)
        return (*(product.sku for product in sold), "SKU-SCREW-1000", "SKU-CABLE-METER")
    if isinstance(items, int):
        return tuple(f"ITEM-{number:06d}" for number in range(1, items + 1))
    return tuple(items)


def _supply(
    world: World,
    rng: random.Random,
    item_id: str,
    places: list[str],
    quantity_max: int,
    protected: bool,
    future: bool,
) -> None:
    stock = stock_of(world)
    for location_id in places:
        draw = rng.random()
        quantity = 0 if draw < 0.12 else rng.randint(1, 5 if draw < 0.3 else quantity_max)
        set_supply(world, item_id, location_id, quantity)
        if protected and rng.random() < 0.1:
            stock.protection[item_id, location_id] = Decimal(rng.randint(1, 3))
    if future and rng.random() < 0.15:
        eta = world.now(MANHATTAN) + timedelta(days=rng.randint(2, 40))
        place = rng.choice(places)
        purchase = f"PO-{rng.randint(1000, 9999)}"
        set_supply(
            world,
            item_id,
            place,
            rng.randint(10, 100),
            supply_type="On Order",
            eta=eta,
            reference_id=purchase,
        )


def _channels(world: World, keys: Iterable[str]) -> dict[str, str]:
    """Channel key -> id; the channels that the project lacks are made."""
    shared = generate_world_documents()["channels"]
    add_documents(world, (("channels", each) for each in shared))
    known = {str(each["key"]): str(each["id"]) for each in world.ct.channels.values() if each.get("key")}
    stamp = timestamp(world.now(COMMERCETOOLS))
    for key in keys:
        if key not in known:
            id = document_id("channel", key)
            head = {"id": id, "version": 1, "createdAt": stamp, "lastModifiedAt": stamp, "key": key}
            world.ct.channels[id] = {**head, "roles": ["InventorySupply"], "name": {"en": key}}
            known[key] = id
    return known


def _entries(
    world: World,
    rng: random.Random,
    item_id: str,
    places: Mapping[str, str],
    channels: Mapping[str, str],
    kinds: Sequence[str],
    agree: bool,
) -> list[Json]:
    wanted: list[tuple[str, int]] = []
    if "network" in kinds:
        wanted.append(("", true_available(world, NETWORK_VIEW, item_id)))
    if "location" in kinds:
        wanted += [
            (key, true_available(world, LOCATION_VIEW, item_id, place)) for place, key in places.items()
        ]
    stamp = timestamp(world.now(COMMERCETOOLS))
    made = []
    for channel_key, figure in wanted:
        quantity = figure if agree else rng.randint(0, 50)
        entry: Json = {
            "id": random_id(rng),
            "version": rng.randint(1, 40),
            "createdAt": stamp,
            "lastModifiedAt": stamp,
            "key": entry_key(item_id, channel_key),
            "sku": item_id,
            "quantityOnStock": quantity,
            "availableQuantity": quantity,
        }
        if channel_key:
            entry["supplyChannel"] = {"typeId": "channel", "id": channels[channel_key]}
        made.append(add_entry(world, entry))
    return made
