"""Where a return line belongs: the shop's line, how many units of it MAO has shipped, and in which unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from ct_mao_sync.mapping.availability import exact_number
from ct_mao_sync.mapping.mao_document import quantity_of, rows_of, status_value, text_of
from ct_mao_sync.mapping.milestones import GONE, milestone_of
from ct_mao_sync.mapping.order_state import FULFILLED, status_id
from ct_mao_sync.mapping.return_order import ReturnLine, ReturnRules
from ct_mao_sync.mapping.return_shop import ShopLine, ShopOrder

_LINE_ITEM_ID_LENGTH = 36

# What is read of a parent order.
PARENT_TEMPLATE: Mapping[str, Any] = {
    "OrderId": None,
    "AlternateOrderId": None,
    "OrderLine": {
        "OrderLineId": None,
        "AlternateOrderLineId": None,
        "ItemId": None,
        "IsReturn": None,
        "Quantity": None,
        "UOM": None,
        "QuantityDetail": {"Quantity": None, "UOM": None, "StatusId": None},
        "FulfillmentDetail": {"Quantity": None, "UOM": None, "StatusId": None},
    },
}


@dataclass(frozen=True, slots=True)
class Place:
    """`shipped`: whole units that have left the warehouse, by MAO's own figure. `factor`: units of the shop
    in one unit of the return line."""

    line: ShopLine
    shipped: int
    factor: Decimal

    def whole(self, quantity: Decimal) -> int:
        """Units of the shop; rounded down, so never more than came back."""
        return int((quantity * self.factor).to_integral_value(ROUND_FLOOR))


def find_place(
    line: ReturnLine, parent: Mapping[str, Any], order: ShopOrder, rules: ReturnRules
) -> Place | str:
    """The reason, when there is none: MAO's line is unknown, or not of this order, or its unit is unknown."""
    sales = [row for row in rows_of(parent, "OrderLine") if row.get("IsReturn") is not True]
    row = next((row for row in sales if text_of(row.get("OrderLineId")) == line.parent_line_id), None)
    if not line.parent_line_id:
        return f"item {line.item!r} was not expected, and MAO names no line of the order it belongs to"
    if row is None:
        return f"the order has no line {line.parent_line_id} in MAO"
    shop_line = _shop_line(row, order, rules)
    if shop_line is None:
        return f"MAO's line {line.parent_line_id} is no line of the order in commercetools"
    sold_uom = text_of(row.get("UOM"))
    factor = _factor(line.uom, sold_uom, rules)
    if factor is None:
        return f"its unit {line.uom!r} cannot be turned into {sold_uom!r}"
    same = [each for each in sales if _shop_line(each, order, rules) == shop_line]
    return Place(shop_line, sum(_shipped(each, rules) for each in same), factor)


def _shop_line(row: Mapping[str, Any], order: ShopOrder, rules: ReturnRules) -> ShopLine | None:
    for name in ("OrderLineId", "AlternateOrderLineId"):
        own = text_of(row.get(name))
        # A line that ships to several places is several order lines: <line item id>.<hash>.
        for line_id in (own, own[:_LINE_ITEM_ID_LENGTH]):
            if line_id in order.lines:
                return order.lines[line_id]
    if rules.match_by_item and rules.items is not None:
        skus = set(rules.items.skus_of(text_of(row.get("ItemId"))))
        found = [line for line in order.lines.values() if line.sku in skus]
        return found[0] if len(found) == 1 else None
    return None


def _shipped(row: Mapping[str, Any], rules: ReturnRules) -> int:
    """The larger of what its fulfilments and its units say: an imported order may have only one of them. A
    returned unit was shipped."""
    uom = text_of(row.get("UOM"))
    fulfilled = _sum(
        [
            each
            for each in rows_of(row, "FulfillmentDetail")
            if (status_id(status_value(each)) or 0) >= FULFILLED
        ],
        uom,
        rules,
    )
    gone = _sum(
        [each for each in rows_of(row, "QuantityDetail") if milestone_of(status_value(each)) in GONE],
        uom,
        rules,
    )
    return int(max(fulfilled, gone).to_integral_value(ROUND_FLOOR))


def _sum(rows: Sequence[Mapping[str, Any]], uom: str, rules: ReturnRules) -> Decimal:
    total = Decimal(0)
    for row in rows:
        factor = _factor(text_of(row.get("UOM")), uom, rules)
        if factor is not None:
            total += (quantity_of(row.get("Quantity")) or Decimal(0)) * factor
    return total


def _factor(uom: str, other: str, rules: ReturnRules) -> Decimal | None:
    if uom == other or not uom or not other:
        return Decimal(1)
    own, sold = exact_number(rules.uom.get(uom)), exact_number(rules.uom.get(other))
    return own / sold if own and sold else None
