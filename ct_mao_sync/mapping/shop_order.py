"""A commercetools order as a target: lines with their states, Deliveries with their Parcels, addresses.

Read from the document itself and leniently: what is not needed here may be of any kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.identity import target_line_ids
from ct_mao_sync.mapping.line_name import line_name

OURS = "mao-"
"""Keys of Deliveries and Parcels that this tool makes begin so; no other is ever touched."""


@dataclass(frozen=True, slots=True)
class ShopParcel:
    id: str
    key: str
    items: Mapping[str, int]
    """Line item id -> units."""
    tracking: Mapping[str, Any]
    """TrackingData as it stands, {} when there is none."""
    has_custom: bool


@dataclass(frozen=True, slots=True)
class ShopDelivery:
    id: str
    key: str
    items: Mapping[str, int]
    parcels: tuple[ShopParcel, ...]
    custom_fields: frozenset[str] | None
    """Names of its custom fields; None when it has no custom type."""

    @property
    def is_ours(self) -> bool:
        return self.key.startswith(OURS)


@dataclass(frozen=True, slots=True)
class ShopTarget:
    """One of several ways that units of a line go."""

    address_key: str
    shipping_key: str


@dataclass(frozen=True, slots=True)
class ShopLine:
    """A line item or a custom line item."""

    id: str
    is_custom: bool
    sku: str
    quantity: int
    states: Mapping[str, int]
    """State id -> units."""
    targets: Mapping[str, ShopTarget]
    """OrderLineId in MAO -> where those units go; empty when the line has no targets of its own."""


@dataclass(frozen=True, slots=True)
class ShopShipping:
    """One shipping of the order; `key` is None where the order has but one (shippingMode Single)."""

    key: str | None
    deliveries: tuple[ShopDelivery, ...]
    address: Mapping[str, Any] | None
    estimated: Mapping[str, str]
    """`from` and `until` of estimatedDelivery."""


@dataclass(frozen=True, slots=True)
class ShopOrder:
    id: str
    version: int
    label: str
    order_state: str
    shipment_state: str
    """"" when it was never set."""
    state_id: str
    """Id of its custom State, "" when it has none."""
    lines: tuple[ShopLine, ...]
    shippings: tuple[ShopShipping, ...]
    """Empty for an order without shippingInfo (digital)."""
    addresses: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Address key -> address, of itemShippingAddresses."""

    @property
    def is_multiple(self) -> bool:
        """shippingMode Multiple: a Delivery belongs to one of the shippings."""
        return any(shipping.key is not None for shipping in self.shippings)

    def name_of(self, line_id: str) -> str:
        return line_name(line_id, {line.id: line.sku for line in self.lines})

    @property
    def deliveries(self) -> tuple[ShopDelivery, ...]:
        return tuple(delivery for shipping in self.shippings for delivery in shipping.deliveries)


def parse_shop_order(document: Mapping[str, Any]) -> ShopOrder | Rejection:
    """Rejection `source-invalid` when a line has no id, or a quantity is no whole number."""
    label = str(document.get("orderNumber") or document.get("id") or "without id")
    try:
        return ShopOrder(
            id=str(document["id"]),
            version=_whole(document["version"]),
            label=label,
            order_state=str(document.get("orderState") or ""),
            shipment_state=str(document.get("shipmentState") or ""),
            state_id=_id_of(document.get("state")),
            lines=tuple(
                _parse_line(line, is_custom=name == "customLineItems")
                for name in ("lineItems", "customLineItems")
                for line in _rows(document, name)
            ),
            shippings=_parse_shippings(document),
            addresses={
                str(address["key"]): address
                for address in _rows(document, "itemShippingAddresses")
                if address.get("key")
            },
        )
    except (KeyError, TypeError, ValueError):
        return Rejection(
            "source-invalid",
            f"order {label}: commercetools shows a line, delivery or parcel without id or whole quantity",
            hint="look at the order in commercetools; then: "
            f"ct-mao-sync replay-errors --job status --entity {document.get('id')}",
        )


def _parse_line(line: Mapping[str, Any], *, is_custom: bool) -> ShopLine:
    line_id = str(line["id"])
    states: dict[str, int] = {}
    for row in _rows(line, "state"):
        state_id = _id_of(row.get("state"))
        states[state_id] = states.get(state_id, 0) + _whole(row["quantity"])
    variant = line.get("variant")
    return ShopLine(
        id=line_id,
        is_custom=is_custom,
        sku=str((variant.get("sku") if isinstance(variant, Mapping) else None) or ""),
        quantity=_whole(line["quantity"]),
        states=states,
        targets=_parse_targets(line_id, line),
    )


def _parse_targets(line_id: str, line: Mapping[str, Any]) -> dict[str, ShopTarget]:
    details = line.get("shippingDetails")
    found: dict[tuple[str, str], ShopTarget] = {}
    for target in _rows(details, "targets") if isinstance(details, Mapping) else ():
        if target.get("quantity") == 0:
            continue
        where = (str(target.get("addressKey") or ""), str(target.get("shippingMethodKey") or ""))
        found[where] = ShopTarget(*where)
    ids = target_line_ids(line_id, list(found))
    return dict(zip(ids, found.values(), strict=True))


def _parse_shippings(document: Mapping[str, Any]) -> tuple[ShopShipping, ...]:
    if document.get("shippingMode") == "Multiple":
        return tuple(
            _parse_shipping(str(each["shippingKey"]), each["shippingInfo"], each.get("shippingAddress"))
            for each in _rows(document, "shipping")
            if isinstance(each.get("shippingInfo"), Mapping)
        )
    info = document.get("shippingInfo")
    if not isinstance(info, Mapping):
        return ()
    return (_parse_shipping(None, info, document.get("shippingAddress")),)


def _parse_shipping(key: str | None, info: Mapping[str, Any], address: Any) -> ShopShipping:
    estimated = info.get("estimatedDelivery")
    return ShopShipping(
        key=key,
        deliveries=tuple(_parse_delivery(row) for row in _rows(info, "deliveries")),
        address=address if isinstance(address, Mapping) else None,
        estimated=dict(estimated) if isinstance(estimated, Mapping) else {},
    )


def _parse_delivery(row: Mapping[str, Any]) -> ShopDelivery:
    return ShopDelivery(
        id=str(row["id"]),
        key=str(row.get("key") or ""),
        items=_parse_items(row),
        parcels=tuple(
            ShopParcel(
                id=str(parcel["id"]),
                key=str(parcel.get("key") or ""),
                items=_parse_items(parcel),
                tracking=dict(parcel.get("trackingData") or {}),
                has_custom=bool(parcel.get("custom")),
            )
            for parcel in _rows(row, "parcels")
        ),
        custom_fields=_custom_fields(row.get("custom")),
    )


def _custom_fields(custom: Any) -> frozenset[str] | None:
    if not isinstance(custom, Mapping):
        return None
    fields = custom.get("fields")
    return frozenset(fields) if isinstance(fields, Mapping) else frozenset()


def _parse_items(holder: Mapping[str, Any]) -> dict[str, int]:
    items: dict[str, int] = {}
    for item in _rows(holder, "items"):
        items[str(item["id"])] = items.get(str(item["id"]), 0) + _whole(item["quantity"])
    return items


def _whole(value: Any) -> int:
    number = int(value)
    if isinstance(value, bool) or number != value:
        raise ValueError("not a whole number")
    return number


def _id_of(reference: Any) -> str:
    return str((reference.get("id") if isinstance(reference, Mapping) else None) or "")


def _rows(holder: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    rows = holder.get(name)
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list | tuple) else ()
