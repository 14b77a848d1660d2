"""Where the units of a line go and how: the order's shippings, and the share of a line in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.address import is_deliverable, map_address
from ct_mao_sync.mapping.expressions import evaluate
from ct_mao_sync.mapping.identity import order_line_id
from ct_mao_sync.mapping.rules import ShippingRule
from ct_mao_sync.mapping.source import OrderSource, short_hash
from ct_mao_sync.models.commercetools import (
    Address,
    CustomLineItem,
    ItemShippingTarget,
    LineItem,
    ShippingInfo,
)

SHIP_TO_ADDRESS = "ShipToAddress"
_SHIP_TO_LOCATION = frozenset({"PickUpAtStore", "ShipToStore"})
_GROUP_ID_LENGTH_MAX = 50


@dataclass(frozen=True, slots=True)
class ShippingGroup:
    """One shipping of the order; `key` is its shippingKey, in shippingMode Single `shippingKey` or
    "single". Lines, charge and taxes of it share `fulfillment_group_id`."""

    key: str
    fulfillment_group_id: str
    info: ShippingInfo
    address: Address | None
    delivery: str
    method: str
    location: str


@dataclass(frozen=True, slots=True)
class LineShare:
    """The units of one line that go one way; most lines have one share. `group` None: digital."""

    order_line_id: str
    quantity: int
    group: ShippingGroup | None
    address: dict[str, str] | None
    """MAO's inner Address; None where none is needed."""


def is_multiple(source: OrderSource) -> bool:
    """shippingMode Multiple; old orders have no shippingMode and are Single."""
    return source.order.shipping_mode == "Multiple"


def map_shipping_groups(source: OrderSource) -> dict[str, ShippingGroup] | Rejection:
    """The order's shippings by key, none for a digital order."""
    order = source.order
    groups: dict[str, ShippingGroup] = {}
    if is_multiple(source):
        raw_entries = source.raw.get("shipping") or ()
        for entry, raw_entry in zip(order.shipping, raw_entries, strict=False):
            # `location` may look at the order and at this shipping (its own custom fields, for one).
            over = {**source.raw, **raw_entry}
            group = _map_group(source, entry.shipping_key, entry.shipping_info, entry.shipping_address, over)
            if isinstance(group, Rejection):
                return group
            groups[group.key] = group
    elif order.shipping_info:
        key = order.shipping_key or "single"
        group = _map_group(source, key, order.shipping_info, order.shipping_address, source.raw)
        if isinstance(group, Rejection):
            return group
        groups[key] = group
    return groups


def _map_group(
    source: OrderSource, key: str, info: ShippingInfo, address: Address | None, over: Mapping[str, Any]
) -> ShippingGroup | Rejection:
    rule = _find_rule(source, info)
    if isinstance(rule, Rejection):
        return rule
    location: Any = ""
    if rule.location is not None:
        location = evaluate(source, rule.location, over)
        if isinstance(location, Rejection):
            return location
        if location is None or not str(location).strip():
            return source.reject(
                "source-invalid",
                f"shipping {key}: {rule.location.config_key} finds no location",
                field=rule.location.config_key,
                fix=f"correct the order in commercetools or {rule.location.config_key}",
            )
    elif rule.delivery in _SHIP_TO_LOCATION:
        return source.reject(
            "payload-invalid",
            f"shipping {key} is delivered as {rule.delivery} but no location is configured",
            field="mapping.shipping_methods",
            fix="give the shipping method a location (JMESPath) in mapping.shipping_methods",
        )
    group_id = key if len(key) <= _GROUP_ID_LENGTH_MAX else f"{key[:41]}-{short_hash(key)}"
    return ShippingGroup(key, group_id, info, address, rule.delivery, rule.method, str(location).strip())


def _find_rule(source: OrderSource, info: ShippingInfo) -> ShippingRule | Rejection:
    table = source.rules.shipping_methods
    expanded = info.shipping_method.obj if info.shipping_method else None
    key = (expanded.key if expanded else None) or ""
    for name in (key, info.shipping_method_name):
        if name and name in table:
            return table[name]
    name = key or info.shipping_method_name
    return source.reject(
        "shipping-method-unmapped",
        f"its shipping method {name!r} has no MAO ShippingMethodId",
        field=f"mapping.shipping_methods.{name}",
        fix=f"add {name!r} to mapping.shipping_methods",
    )


def map_shares(
    source: OrderSource, item: LineItem | CustomLineItem, groups: Mapping[str, ShippingGroup]
) -> list[LineShare] | Rejection:
    """The shares of a line: one for each distinct target of its shippingDetails, else one. Quantities in
    selling units; they add up to the line's quantity, or the order is refused (`source-invalid`)."""
    targets = _distinct_targets(item)
    if not targets:
        if is_multiple(source) and groups:
            return source.reject(
                "source-invalid",
                f"line {item.id} has no shippingDetails.targets, which shippingMode Multiple needs",
                field="lineItems.shippingDetails",
            )
        group = next(iter(groups.values()), None)
        return _shares_of(source, item, [(None, item.quantity, group, source.order.shipping_address)])
    if sum(target.quantity for target in targets) != item.quantity:
        return source.reject(
            "source-invalid",
            f"line {item.id}: the quantities of its shippingDetails do not add up to {item.quantity}",
            field="lineItems.shippingDetails",
        )
    ways: list[tuple[ItemShippingTarget | None, int, ShippingGroup | None, Address | None]] = []
    for target in targets:
        group = _group_of(target, groups, multiple=is_multiple(source))
        if group is None and groups:
            return source.reject(
                "source-invalid",
                f"line {item.id} names a shippingMethodKey that the order does not have",
                field="lineItems.shippingDetails",
            )
        address = _address_of(source, target, group)
        ways.append((target if len(targets) > 1 else None, target.quantity, group, address))
    return _shares_of(source, item, ways)


def _shares_of(
    source: OrderSource,
    item: LineItem | CustomLineItem,
    ways: list[tuple[ItemShippingTarget | None, int, ShippingGroup | None, Address | None]],
) -> list[LineShare] | Rejection:
    shares: list[LineShare] = []
    for target, quantity, group, address in ways:
        ship_to: dict[str, str] | None = None
        if group is not None and group.delivery == SHIP_TO_ADDRESS:
            ship_to = dict(map_address(address)) if address else {}
            if not is_deliverable(ship_to):
                return source.reject(
                    "source-invalid",
                    f"line {item.id}: missing address (country, street, city or postal code)",
                    field="shippingAddress",
                )
        shares.append(LineShare(order_line_id(item.id, target), quantity, group, ship_to))
    return shares


def _distinct_targets(item: LineItem | CustomLineItem) -> list[ItemShippingTarget]:
    found: dict[tuple[str, str], ItemShippingTarget] = {}
    for target in item.shipping_details.targets if item.shipping_details else ():
        if target.quantity == 0:
            continue
        where = (target.address_key, target.shipping_method_key or "")
        if where in found:
            target = target.model_copy(update={"quantity": found[where].quantity + target.quantity})
        found[where] = target
    return list(found.values())


def _group_of(
    target: ItemShippingTarget, groups: Mapping[str, ShippingGroup], *, multiple: bool
) -> ShippingGroup | None:
    if multiple and target.shipping_method_key:
        return groups.get(target.shipping_method_key)
    return next(iter(groups.values())) if len(groups) == 1 else None


def _address_of(
    source: OrderSource, target: ItemShippingTarget, group: ShippingGroup | None
) -> Address | None:
    order = source.order
    own = order.shipping_address
    for address in (*order.item_shipping_addresses, group.address if group else None, own):
        if address is not None and target.address_key and address.key == target.address_key:
            return address
    if is_multiple(source):
        # Each shipping has an address of its own; an address key is only more precise.
        return group.address if group else None
    # A target of an order with one shipping that names no known address must not go to another one.
    return own if not target.address_key else None
