"""What MAO's inventory knows: items, locations, supply records, views, protection, exclusions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from .core import MANHATTAN, Json, World
from .manhattan_envelope import Refused
from .manhattan_totals import ZERO
from .manhattan_values import render_moment

ON_HAND = "On Hand Available"
FUTURE = ("In Transit", "On Order")
SUPPLY_TYPES = (ON_HAND, "On Hand Available Soon", "On Hand Unavailable", *FUTURE)
NETWORK = "network"
LOCATION = "location"
EVERYWHERE = ""
"""In place of a LocationId: at every location."""

SupplyKey = tuple[str, str, str, str]
Claims = tuple[dict[tuple[str, str], Decimal], dict[tuple[str, str], Decimal], dict[str, Decimal]]

_MEMBERS = {
    "OrgId": "org",
    "ItemId": "item_id",
    "LocationId": "shown_location_id",
    "Quantity": "quantity",
    "UOM": "uom",
    "ETA": "eta",
    "ReferenceTypeId": "reference_type",
    "ReferenceId": "reference_id",
    "IsErrored": "is_errored",
    "CreatedTimestamp": "created",
    "UpdatedTimestamp": "updated",
}


@dataclass(frozen=True, slots=True)
class Supply:
    """One perpetual supply record. Quantities in base units; moments as MAO writes them.

    `get` reads a member by its name on the wire, so that a search need not render every record.
    """

    org: str
    item_id: str
    location_id: str
    supply_type: str
    quantity: Decimal
    uom: str
    created: str
    updated: str
    changed_at: datetime
    shown_location_id: str
    eta: str | None = None
    reference_id: str | None = None
    is_errored: bool = False

    @property
    def key(self) -> SupplyKey:
        return self.item_id, self.location_id, self.supply_type, self.reference_id or ""

    @property
    def reference_type(self) -> str | None:
        return None if self.reference_id is None else "PO"

    def get(self, name: str, default: Any = None) -> Any:
        if name == "SupplyType":
            return {"SupplyTypeId": self.supply_type}
        attribute = _MEMBERS.get(name)
        return default if attribute is None else getattr(self, attribute)

    def as_json(self) -> Json:
        row: Json = {name: getattr(self, attribute) for name, attribute in _MEMBERS.items()}
        return {**row, "SupplyType": {"SupplyTypeId": self.supply_type}, "SegmentId": None, "Messages": None}


@dataclass(frozen=True, slots=True)
class View:
    """An ATC view.

    kind                network or location
    store_exclusions    excluded stores do not count, unless the request says otherwise
    nets_backorders     back-ordered units of the whole tenant lower its figure (network only)
    future_days         future supply that arrives within so many days counts; None: on hand only
    protection          units withheld from each item (network only); `Stock.network_protection` overrides
    out_at, limited_at  up to so many units the status is out of stock, limited
    syncs_infinite      full syncs contain items of infinite supply
    """

    name: str
    kind: str = NETWORK
    id: str = ""
    active: bool = True
    publish_quantity: bool = True
    location_types: tuple[str, ...] = ("DistributionCenters", "Stores")
    store_exclusions: bool = True
    exclude_capacity_full: bool = True
    nets_backorders: bool = False
    future_days: float | None = None
    protection: Decimal = ZERO
    out_at: int = 0
    limited_at: int = 5
    syncs_infinite: bool = True


@dataclass(slots=True)
class Stock:
    """Stock of the tenant; in use as soon as it has a location. LocationIds here are without prefix."""

    revision: int = 0
    """Higher after each change of an item, a location or a supply record."""
    items: dict[str, Json] = field(default_factory=dict)
    """ItemId -> the row of the item master."""
    locations: dict[str, Json] = field(default_factory=dict)
    """LocationId -> the row of the inventory location."""
    views: dict[str, View] = field(default_factory=dict)
    supplies: dict[SupplyKey, Supply] = field(default_factory=dict)
    previous: dict[SupplyKey, Supply] = field(default_factory=dict)
    """The revision before the last one, which a lagging search still shows."""
    by_item: dict[str, dict[str, list[SupplyKey]]] = field(default_factory=dict)
    units: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    """(ItemId, UOM) -> base units in one; 1 where nothing is said."""
    protection: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    """(ItemId, LocationId) -> units withheld from each on-hand record."""
    network_protection: dict[str, Decimal] = field(default_factory=dict)
    infinite: set[tuple[str, str]] = field(default_factory=set)
    """(ItemId, LocationId or EVERYWHERE) of infinite supply."""
    ineligible: set[tuple[str, str]] = field(default_factory=set)
    """(ItemId, LocationId or EVERYWHERE) outside every view."""
    excluded_stores: set[str] = field(default_factory=set)
    outages: set[str] = field(default_factory=set)
    capacity_full: set[str] = field(default_factory=set)
    reserved: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    """(ItemId, LocationId) -> base units allocated to orders and not shipped."""
    backordered: dict[str, Decimal] = field(default_factory=dict)
    claims: dict[str, Claims] = field(default_factory=dict)
    """Key of an order -> what it has reserved, shipped and back-ordered."""
    published: dict[tuple[str, str, str], Decimal | None] = field(default_factory=dict)
    """(view, ItemId, LocationId) -> the figure of the last delta sync."""
    alerted: dict[tuple[str, str], int] = field(default_factory=dict)
    """(view, ItemId) -> the StatusCode of the last alert."""

    def supplies_at(self, item_id: str, location_id: str) -> Iterator[Supply]:
        for key in self.by_item.get(item_id, {}).get(location_id, ()):
            yield self.supplies[key]

    def factor(self, item_id: str, uom: str | None) -> Decimal:
        """Base units in one `uom` of the item."""
        return self.units.get((item_id, uom or ""), Decimal(1))

    def is_infinite(self, item_id: str, location_id: str) -> bool:
        return bool(self.infinite) and not self.infinite.isdisjoint(
            ((item_id, EVERYWHERE), (item_id, location_id))
        )

    def is_eligible(self, item_id: str, location_id: str) -> bool:
        return not self.ineligible or self.ineligible.isdisjoint(
            ((item_id, EVERYWHERE), (item_id, location_id))
        )


def stock_of(world: World) -> Stock:
    """The stock of the world's tenant, empty at first."""
    stock = world.mao.extra.get("stock")
    if stock is None:
        stock = world.mao.extra["stock"] = Stock()
    assert isinstance(stock, Stock)
    return stock


def shown_location(world: World, location_id: str, *, internal: bool) -> str:
    """The LocationId as the tenant writes it, in orders and supply (`internal`) or in availability."""
    places = ("internal", "all") if internal else ("all",)
    if world.settings.location_prefix in places:
        return f"{world.settings.organization}:{location_id}"
    return location_id


def plain_location(world: World, location_id: str) -> str:
    """The LocationId without the organization's prefix."""
    return location_id.removeprefix(f"{world.settings.organization}:")


def add_item(world: World, item_id: str, *, base_uom: str = "EACH", **more: Any) -> Json:
    """An item of the item master, which MAO's inventory copies at once; `more` are further members."""
    stamp = render_moment(world.now(MANHATTAN))
    row: Json = {
        "ItemId": item_id,
        "Description": item_id,
        "ShortDescription": None,
        "Style": None,
        "Color": None,
        "Size": None,
        "Brand": None,
        "ProductClass": None,
        "BaseUOM": base_uom,
        "IsGiftCard": False,
        "ItemCode": [],
        "CreatedTimestamp": stamp,
        "UpdatedTimestamp": stamp,
        "Messages": None,
        **more,
    }
    stock = stock_of(world)
    stock.items[item_id] = row
    stock.revision += 1
    return row


def add_location(
    world: World, location_id: str, location_type: str = "DistributionCenters", name: str = ""
) -> Json:
    """A location of MAO's inventory: DistributionCenters, Stores, Suppliers or another type."""
    stamp = render_moment(world.now(MANHATTAN))
    row: Json = {
        "LocationId": shown_location(world, location_id, internal=True),
        "DisplayId": location_id,
        "LocationName": name or location_id,
        "LocationStatusId": "1",
        "LocationTypeId": location_type,
        "CreatedTimestamp": stamp,
        "UpdatedTimestamp": stamp,
        "Messages": None,
    }
    stock = stock_of(world)
    stock.locations[location_id] = row
    stock.revision += 1
    return row


def set_supply(
    world: World,
    item_id: str,
    location_id: str,
    quantity: Decimal | int,
    *,
    supply_type: str = ON_HAND,
    eta: datetime | None = None,
    reference_id: str | None = None,
    errored: bool | None = None,
) -> Supply:
    """Brings a supply record to `quantity` base units, made when it is new; None keeps its error flag.

    An unknown item or location becomes an empty shell (DOC: how-supply-works).
    """
    stock = stock_of(world)
    location_id = plain_location(world, location_id)
    if item_id not in stock.items:
        add_item(world, item_id)
    if location_id not in stock.locations:
        add_location(world, location_id, "Others")
    now = world.now(MANHATTAN)
    stamp = render_moment(now)
    key = (item_id, location_id, supply_type, reference_id or "")
    before = stock.supplies.get(key)
    if before is None:
        supply = Supply(
            org=world.settings.organization,
            item_id=item_id,
            location_id=location_id,
            supply_type=supply_type,
            quantity=Decimal(quantity),
            uom=stock.items[item_id]["BaseUOM"],
            created=stamp,
            updated=stamp,
            changed_at=now,
            shown_location_id=shown_location(world, location_id, internal=True),
            eta=render_moment(eta) if eta else None,
            reference_id=reference_id,
            is_errored=bool(errored),
        )
        stock.by_item.setdefault(item_id, {}).setdefault(location_id, []).append(key)
    else:
        supply = replace(
            before,
            quantity=Decimal(quantity),
            updated=stamp,
            changed_at=now,
            eta=render_moment(eta) if eta else before.eta,
            is_errored=before.is_errored if errored is None else errored,
        )
        if (now - before.changed_at).total_seconds() >= world.settings.search_lag_s:
            stock.previous[key] = before
    stock.supplies[key] = supply
    stock.revision += 1
    return supply


def adjust_supply(world: World, item_id: str, location_id: str, delta: Decimal | int) -> Supply:
    """Adds to (or takes from) the on-hand record of an item at a location; it may go below zero."""
    key = (item_id, plain_location(world, location_id), ON_HAND, "")
    before = stock_of(world).supplies.get(key)
    return set_supply(world, item_id, location_id, (before.quantity if before else ZERO) + Decimal(delta))


def mark_errored(world: World, item_id: str, location_id: str, *, errored: bool = True) -> None:
    """Marks the on-hand records of an item at a location with an error, or resolves it."""
    for supply in list(stock_of(world).supplies_at(item_id, plain_location(world, location_id))):
        if supply.supply_type not in FUTURE and supply.is_errored != errored:
            set_supply(
                world,
                item_id,
                location_id,
                supply.quantity,
                supply_type=supply.supply_type,
                reference_id=supply.reference_id,
                errored=errored,
            )


def add_view(world: World, view: View) -> View:
    """A view, in place of one of that name; its id is made when it has none."""
    if not view.id:
        view = replace(view, id=world.new_id())
    stock_of(world).views[view.name] = view
    return view


def change_view(world: World, name: str, **changes: Any) -> View:
    """A view configured differently; raises Refused when there is none of that name."""
    return add_view(world, replace(find_view(world, name), **changes))


def find_view(world: World, name_or_id: str) -> View:
    """The view of that name or id; raises Refused."""
    views = stock_of(world).views
    view = views.get(name_or_id) or next((each for each in views.values() if each.id == name_or_id), None)
    if view is None:
        raise Refused("error.400", f"View {name_or_id} does not exist", field="ViewName")
    return view
