"""Deliveries and Parcels of an order, as MAO has shipped it.

A Delivery is a release (or a package), a Parcel a package; their keys come from MAO's ids, so that writing
one twice is impossible. Only what has a key of ours is changed. What is shown as delivered is never less
than before, and all Deliveries together are never more than was ordered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from ct_mao_sync.mapping.availability import parse_moment
from ct_mao_sync.mapping.locations import Locations
from ct_mao_sync.mapping.milestones import CANCELLED
from ct_mao_sync.mapping.shop_order import (
    OURS,
    ShopDelivery,
    ShopOrder,
    ShopParcel,
    ShopShipping,
    ShopTarget,
)
from ct_mao_sync.mapping.source import short_hash
from ct_mao_sync.mapping.status_lines import LineCount, PlacedShipment

Action = dict[str, Any]

KEY_LENGTH_MAX = 256  # commercetools docs: Delivery, Parcel; 2 to 256 of [A-Za-z0-9_-]
_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9_-]")

# commercetools docs: BaseAddress. Custom fields of an address belong to whoever set them.
_ADDRESS_FIELDS = (
    "key",
    "country",
    "title",
    "salutation",
    "firstName",
    "lastName",
    "streetName",
    "streetNumber",
    "additionalStreetInfo",
    "postalCode",
    "city",
    "region",
    "state",
    "company",
    "department",
    "building",
    "apartment",
    "pOBox",
    "phone",
    "mobile",
    "email",
    "fax",
    "additionalAddressInfo",
    "externalId",
)


@dataclass(frozen=True, slots=True)
class Carrier:
    """What a MAO CarrierCode is called in the shop; `url` holds {tracking}, "" = no address."""

    name: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    per: str = "release"
    """Or "package"."""
    carriers: Mapping[str, Carrier] = field(default_factory=dict)
    type_key: str = ""
    """Of the custom type that new Deliveries get, "" = none."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """location, channel, release -> name of the custom field that tells it."""
    locations: Locations = field(default_factory=lambda: Locations({}))


@dataclass(frozen=True, slots=True)
class PlannedDeliveries:
    actions: list[Action]
    exceeded: dict[str, tuple[int, int]]
    """Line item id -> (units that MAO shipped, units that could be shown)."""


@dataclass(slots=True)
class _Parcel:
    items: dict[str, int] = field(default_factory=dict)
    tracking: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Delivery:
    shipping: ShopShipping
    target: ShopTarget | None
    release_id: str = ""
    location_id: str = ""
    items: dict[str, int] = field(default_factory=dict)
    parcels: dict[str, _Parcel] = field(default_factory=dict)


def mao_key(*parts: str) -> str:
    """`mao-` and the parts; what a key cannot hold is replaced, and a hash keeps it apart from others."""
    text = OURS + "-".join(parts)
    clean = _NOT_IN_KEYS.sub("_", text)
    if clean == text and len(text) <= KEY_LENGTH_MAX:
        return text
    return f"{clean[: KEY_LENGTH_MAX - 9]}-{short_hash(text)}"


def plan_deliveries(order: ShopOrder, counts: Sequence[LineCount], rules: DeliveryRules) -> PlannedDeliveries:
    """The actions that are missing; none for an order without shippingInfo, which takes no Deliveries
    (commercetools docs: addDelivery)."""
    if not order.shippings:
        return PlannedDeliveries([], {})
    placed = [
        (count, shipment, *_keys(order, shipment, rules)) for count in counts for shipment in count.shipments
    ]
    named = {delivery_key for _, _, delivery_key, _ in placed}
    fixed = [delivery for delivery in order.deliveries if not _is_movable(delivery, named, rules)]
    room = {
        count.line.id: count.line.quantity
        - count.units.get(CANCELLED, 0)
        - sum(delivery.items.get(count.line.id, 0) for delivery in fixed)
        for count in counts
    }
    wanted: dict[str, _Delivery] = {}
    shipped: dict[str, int] = {}
    shown: dict[str, int] = {}
    for count, each, delivery_key, parcel_key in placed:
        line_id = count.line.id
        shipped[line_id] = shipped.get(line_id, 0) + each.units
        units = min(each.units, max(0, room[line_id] - shown.get(line_id, 0)))
        if units:
            shown[line_id] = shown.get(line_id, 0) + units
            delivery = wanted.setdefault(delivery_key, _Delivery(_shipping(order, each.target), each.target))
            delivery.release_id = delivery.release_id or each.shipment.release_id
            delivery.location_id = delivery.location_id or each.shipment.location_id
            _add(delivery, parcel_key, line_id, units, each, rules)
    exceeded = {
        line_id: (units, shown.get(line_id, 0))
        for line_id, units in shipped.items()
        if units > shown.get(line_id, 0)
    }
    return PlannedDeliveries(_differences(order, wanted, shown, named, rules), exceeded)


def plan_estimates(order: ShopOrder, counts: Sequence[LineCount]) -> list[Action]:
    """The window in which what is on its way is expected, for each shipping; left as it is when MAO has no
    estimate (any more)."""
    found: dict[str | None, list[datetime]] = {}
    for count in counts:
        for each in count.shipments:
            if each.shipment.estimated_at is not None and order.shippings:
                key = _shipping(order, each.target).key
                found.setdefault(key, []).append(each.shipment.estimated_at)
    actions: list[Action] = []
    for shipping in order.shippings:
        moments = found.get(shipping.key)
        if not moments:
            continue
        window = {"from": min(moments), "until": max(moments)}
        if {name: parse_moment(text) for name, text in shipping.estimated.items()} == window:
            continue
        action: Action = {"action": "setEstimatedDelivery"}
        if shipping.key is not None:
            action["shippingKey"] = shipping.key
        action["estimatedDelivery"] = {name: _render(moment) for name, moment in window.items()}
        actions.append(action)
    return actions


def _render(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


# ---- keys ------------------------------------------------------------------------------------------


def _keys(order: ShopOrder, each: PlacedShipment, rules: DeliveryRules) -> tuple[str, str]:
    """Of the Delivery and of the Parcel. Units of one release that go to several addresses, or belong to
    several shippings of the order, are Deliveries of their own."""
    shipment, target = each.shipment, each.target
    where: list[str] = []
    if order.is_multiple:
        where.append(_shipping(order, target).key or "")
    if target is not None and target.address_key and _has_several_addresses(order, target):
        where.append(target.address_key)
    if rules.per == "package" or not shipment.release_id:
        key = mao_key(shipment.package_id, *where)
        return key, key
    return (
        mao_key(shipment.release_id, *where),
        mao_key(shipment.release_id, *where, shipment.package_id),
    )


def _has_several_addresses(order: ShopOrder, target: ShopTarget) -> bool:
    keys = {
        other.address_key
        for line in order.lines
        for other in line.targets.values()
        if not order.is_multiple or other.shipping_key == target.shipping_key
    }
    return len(keys) > 1


def _shipping(order: ShopOrder, target: ShopTarget | None) -> ShopShipping:
    """The shipping that a Delivery belongs to; an unknown one cannot be told from the first."""
    key = target.shipping_key if target else ""
    return next((each for each in order.shippings if each.key == key), order.shippings[0])


def _is_movable(delivery: ShopDelivery, named: set[str], rules: DeliveryRules) -> bool:
    """Whether its units may be shown elsewhere: not those of other tools, nor of a Delivery of ours that MAO
    does not name any more but in which others keep something."""
    return delivery.is_ours and (delivery.key in named or not _is_shared(delivery, rules))


def _is_shared(delivery: ShopDelivery, rules: DeliveryRules) -> bool:
    has_theirs = delivery.custom_fields is not None and (
        not rules.fields or not delivery.custom_fields <= set(rules.fields.values())
    )
    return has_theirs or any(
        parcel.has_custom or not parcel.key.startswith(OURS) for parcel in delivery.parcels
    )


def _add(
    delivery: _Delivery, parcel_key: str, line_id: str, units: int, each: PlacedShipment, rules: DeliveryRules
) -> None:
    parcel = delivery.parcels.setdefault(parcel_key, _Parcel())
    for holder in (delivery.items, parcel.items):
        holder[line_id] = holder.get(line_id, 0) + units
    shipment = each.shipment
    if shipment.tracking_number:
        parcel.tracking["trackingId"] = shipment.tracking_number
    carrier = rules.carriers.get(shipment.carrier_code)
    name = carrier.name if carrier else shipment.carrier_code
    if name:
        parcel.tracking["carrier"] = name
    if carrier and carrier.url and shipment.tracking_number:
        # TrackingData has no field for an address; this one is free text (commercetools docs: TrackingData).
        parcel.tracking["providerTransaction"] = carrier.url.replace(
            "{tracking}", quote(shipment.tracking_number, safe="")
        )


# ---- differences -----------------------------------------------------------------------------------


def _differences(
    order: ShopOrder,
    wanted: Mapping[str, _Delivery],
    shown: Mapping[str, int],
    named: set[str],
    rules: DeliveryRules,
) -> list[Action]:
    present = {delivery.key: delivery for delivery in order.deliveries if delivery.is_ours}
    missing = _missing(present.values(), shown, named, rules)
    removals: list[Action] = []
    changes: list[Action] = []
    additions: list[Action] = []
    for key, delivery in present.items():
        if not _is_movable(delivery, named, rules):
            continue
        target = wanted.get(key)
        items = dict(target.items) if target else {}
        keeps: set[str] = set()
        for line_id, units in delivery.items.items():
            # MAO tells of fewer units than are shown: what was shipped stays where it is.
            kept = min(missing.get(line_id, 0), max(0, units - items.get(line_id, 0)))
            if kept:
                items[line_id] = items.get(line_id, 0) + kept
                missing[line_id] -= kept
                keeps.add(line_id)
        if not items:
            if not _is_shared(delivery, rules):
                removals.append({"action": "removeDelivery", "deliveryKey": key})
            continue
        if items != delivery.items:
            changes.append({"action": "setDeliveryItems", "deliveryKey": key, "items": _render_items(items)})
        parcels = target.parcels if target else {}
        gone, changed = _parcel_differences(delivery, parcels, items, keeps)
        removals += gone
        changes += changed
    for key, delivery_wanted in wanted.items():
        if key not in present:
            additions.append(_addition(order, key, delivery_wanted, rules))
    return [*removals, *changes, *additions]


def _missing(present: Any, shown: Mapping[str, int], named: set[str], rules: DeliveryRules) -> dict[str, int]:
    """Line item id -> units that are shown now and would not be any more."""
    now: dict[str, int] = {}
    for delivery in present:
        if _is_movable(delivery, named, rules):
            for line_id, units in delivery.items.items():
                now[line_id] = now.get(line_id, 0) + units
    return {line_id: max(0, units - shown.get(line_id, 0)) for line_id, units in now.items()}


def _parcel_differences(
    delivery: ShopDelivery, wanted: Mapping[str, _Parcel], items: Mapping[str, int], keeps: set[str]
) -> tuple[list[Action], list[Action]]:
    """Parcels to be removed, and the other changes, of one Delivery of ours that is to hold `items`. Units of
    the lines in `keeps` stay in the parcels they are in, as far as the Delivery still has them."""
    removals: list[Action] = []
    changes: list[Action] = []
    present = {parcel.key: parcel for parcel in delivery.parcels if parcel.key.startswith(OURS)}
    targets = {key: dict(parcel.items) for key, parcel in wanted.items()}
    for line_id in keeps:
        left = items[line_id] - sum(target.get(line_id, 0) for target in targets.values())
        for key, parcel in present.items():
            target = targets.get(key, {})
            more = min(left, parcel.items.get(line_id, 0) - target.get(line_id, 0))
            if more > 0:
                targets.setdefault(key, target)[line_id] = target.get(line_id, 0) + more
                left -= more
    for key, parcel in present.items():
        if key in targets:
            changes += _parcel_changes(parcel, targets[key], wanted.get(key))
        elif not parcel.has_custom:
            removals.append({"action": "removeParcelFromDelivery", "parcelKey": key})
    for key, new in wanted.items():
        if key not in present:
            action: Action = {"action": "addParcelToDelivery", "deliveryKey": delivery.key, "parcelKey": key}
            changes.append({**action, **_render_parcel(new)})
    return removals, changes


def _parcel_changes(parcel: ShopParcel, items: Mapping[str, int], wanted: _Parcel | None) -> list[Action]:
    changes: list[Action] = []
    if items != parcel.items:
        changes.append({"action": "setParcelItems", "parcelKey": parcel.key, "items": _render_items(items)})
    # What MAO does not say (any more), or others added, stays.
    tracking = {**parcel.tracking, **(wanted.tracking if wanted else {})}
    if tracking != parcel.tracking:
        changes.append({"action": "setParcelTrackingData", "parcelKey": parcel.key, "trackingData": tracking})
    return changes


def _addition(order: ShopOrder, key: str, delivery: _Delivery, rules: DeliveryRules) -> Action:
    action: Action = {"action": "addDelivery", "deliveryKey": key}
    if delivery.shipping.key is not None:
        action["shippingKey"] = delivery.shipping.key
    action["items"] = _render_items(delivery.items)
    address = _address(order, delivery)
    if address:
        action["address"] = address
    action["parcels"] = [
        {"key": parcel_key, **_render_parcel(parcel)} for parcel_key, parcel in delivery.parcels.items()
    ]
    fields = _custom_values(delivery, rules)
    if rules.type_key and fields:
        # Only here: a type that is set later would take the place of somebody else's.
        action["custom"] = {"type": {"typeId": "type", "key": rules.type_key}, "fields": fields}
    return action


def _custom_values(delivery: _Delivery, rules: DeliveryRules) -> dict[str, str]:
    values = {
        "location": delivery.location_id,
        "channel": rules.locations.channel_of(delivery.location_id) or "",
        "release": delivery.release_id,
    }
    return {name: values[what] for what, name in rules.fields.items() if values[what]}


def _address(order: ShopOrder, delivery: _Delivery) -> dict[str, Any] | None:
    """Only where the order has several; elsewhere the order's own address says it."""
    if not (order.is_multiple or order.addresses):
        return None
    key = delivery.target.address_key if delivery.target else ""
    address = order.addresses.get(key) or delivery.shipping.address
    if not address or not address.get("country"):
        return None
    return {name: address[name] for name in _ADDRESS_FIELDS if address.get(name) not in (None, "")}


def _render_parcel(parcel: _Parcel) -> Action:
    rendered: Action = {"items": _render_items(parcel.items)}
    if parcel.tracking:
        rendered["trackingData"] = dict(parcel.tracking)
    return rendered


def _render_items(items: Mapping[str, int]) -> list[Action]:
    return [{"id": line_id, "quantity": units} for line_id, units in items.items()]
