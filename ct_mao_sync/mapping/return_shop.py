"""A commercetools order as far as returns are concerned: lines, what was delivered, ReturnInfos.

Read from the document itself and leniently: an order with a malformed price has returns too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ct_mao_sync.mapping.inventory_entry import whole_number
from ct_mao_sync.mapping.line_name import line_name
from ct_mao_sync.mapping.mao_document import rows_of
from ct_mao_sync.mapping.return_keys import ReturnKey, parse_key

ADVISED = "Advised"
RETURNED = "Returned"
INITIAL = "Initial"
NON_REFUNDABLE = "NonRefundable"


@dataclass(frozen=True, slots=True)
class ShopLine:
    """A line item or, with `custom`, a custom line item. `delivered`: units of it in all Deliveries."""

    id: str
    sku: str
    quantity: int
    delivered: int
    custom: bool = False


@dataclass(frozen=True, slots=True)
class ShopItem:
    """One return item. `ours` is None for an item of another writer. `info`: place of its ReturnInfo."""

    id: str
    key: str
    line_id: str
    custom_line: bool
    quantity: int
    shipment_state: str
    payment_state: str
    comment: str
    custom: Mapping[str, Any] | None
    ours: ReturnKey | None
    info: int

    @property
    def is_untouched(self) -> bool:
        """As it was created: nothing that a rewrite would reset."""
        if self.shipment_state == ADVISED:
            return self.payment_state == NON_REFUNDABLE
        return self.shipment_state == RETURNED and self.payment_state == INITIAL


@dataclass(frozen=True, slots=True)
class ShopReturnInfo:
    tracking_id: str
    date: str
    items: tuple[ShopItem, ...]


@dataclass(frozen=True, slots=True)
class ShopOrder:
    id: str
    version: int
    number: str
    ships: bool
    """False for an order that nothing is delivered of, such as a digital one."""
    lines: Mapping[str, ShopLine] = field(default_factory=dict)
    infos: tuple[ShopReturnInfo, ...] = ()

    @property
    def label(self) -> str:
        return self.number or self.id

    def name_of(self, line_id: str) -> str:
        return line_name(line_id, {line.id: line.sku for line in self.lines.values()})

    def items(self) -> Iterator[ShopItem]:
        for info in self.infos:
            yield from info.items


def parse_shop_order(document: Mapping[str, Any]) -> ShopOrder | None:
    """None when the document is not what commercetools documents."""
    version = document.get("version")
    if not isinstance(document.get("id"), str) or type(version) is not int:
        return None
    shippings = [document, *rows_of(document, "shipping")]
    infos = [each["shippingInfo"] for each in shippings if isinstance(each.get("shippingInfo"), Mapping)]
    delivered: dict[str, int] = {}
    for info in infos:
        for delivery in rows_of(info, "deliveries"):
            for item in rows_of(delivery, "items"):
                of_line = str(item.get("id"))
                delivered[of_line] = delivered.get(of_line, 0) + (whole_number(item.get("quantity")) or 0)
    lines: dict[str, ShopLine] = {}
    for name in ("lineItems", "customLineItems"):
        for line in rows_of(document, name):
            line_id, quantity = line.get("id"), whole_number(line.get("quantity"))
            if not isinstance(line_id, str) or quantity is None:
                return None
            variant = line.get("variant")
            sku = variant.get("sku") if isinstance(variant, Mapping) else None
            lines[line_id] = ShopLine(
                line_id,
                str(sku or ""),
                quantity,
                delivered.get(line_id, 0),
                custom=name == "customLineItems",
            )
    returns: list[ShopReturnInfo] = []
    for place, row in enumerate(rows_of(document, "returnInfo")):
        items = [_parse_item(item, place) for item in rows_of(row, "items")]
        if None in items:
            return None
        returns.append(
            ShopReturnInfo(
                str(row.get("returnTrackingId") or ""),
                str(row.get("returnDate") or ""),
                tuple(item for item in items if item is not None),
            )
        )
    number = document.get("orderNumber")
    return ShopOrder(
        document["id"],
        version,
        number if isinstance(number, str) else "",
        bool(infos),
        lines,
        tuple(returns),
    )


def _parse_item(row: Mapping[str, Any], info: int) -> ShopItem | None:
    quantity, item_id = whole_number(row.get("quantity")), row.get("id")
    if quantity is None or not isinstance(item_id, str):
        return None
    key = str(row.get("key") or "")
    custom = row.get("custom")
    custom_line = row.get("lineItemId") is None
    return ShopItem(
        id=item_id,
        key=key,
        line_id=str(row.get("customLineItemId" if custom_line else "lineItemId") or ""),
        custom_line=custom_line,
        quantity=quantity,
        shipment_state=str(row.get("shipmentState") or ""),
        payment_state=str(row.get("paymentState") or ""),
        comment=str(row.get("comment") or ""),
        custom=custom if isinstance(custom, Mapping) else None,
        ours=parse_key(key),
        info=info,
    )
