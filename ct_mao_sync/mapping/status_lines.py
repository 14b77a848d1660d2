"""MAO's order lines as line items of the shop: which is which, and how many units of each are where.

Whole selling units, which add up to the line item's quantity. A unit that left never comes back: what the
shop shows as delivered stays so, whatever a late record says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping import milestones
from ct_mao_sync.mapping.fulfilment import FulfilledLine, Fulfilment, Shipment
from ct_mao_sync.mapping.identity import line_item_id_of
from ct_mao_sync.mapping.item_units import ItemUnits
from ct_mao_sync.mapping.milestones import BEFORE_SHIPPING, CANCELLED, GONE, OPEN, SHIPPED
from ct_mao_sync.mapping.shop_order import ShopLine, ShopOrder, ShopTarget

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class PlacedShipment:
    """Whole units of one line item in one package."""

    shipment: Shipment
    units: int
    target: ShopTarget | None
    """Where they go, where the line item has targets of its own."""


@dataclass(frozen=True, slots=True)
class LineCount:
    """One line item, unit by unit. `units` add up to its quantity."""

    line: ShopLine
    units: Mapping[str, int]
    shipments: tuple[PlacedShipment, ...] = ()
    """Oldest first; together they can be more than was ordered."""

    def at_least(self, milestone: str) -> int:
        """Units that reached a milestone, of those that were not cancelled."""
        reached = milestones.MILESTONES[milestones.MILESTONES.index(milestone) :]
        return sum(n for m, n in self.units.items() if m in reached and m != CANCELLED)


def count_lines(
    fulfilment: Fulfilment, order: ShopOrder, item_units: ItemUnits | None
) -> tuple[list[LineCount], Rejection | None]:
    """Every line item of the order, and each custom line item that MAO ships; and the lines of MAO that the
    shop does not have, which the others need not wait for. `item_units`: lines without a known id are found
    by their ItemId."""
    own: dict[str, list[FulfilledLine]] = {}
    unknown: list[FulfilledLine] = []
    by_id = {line.id: line for line in order.lines}
    by_item = _lines_by_item(order.lines, item_units) if item_units else {}
    for mao_line in fulfilment.lines:
        line = _find(mao_line, by_id, by_item)
        if line is not None:
            own.setdefault(line.id, []).append(mao_line)
        elif mao_line.quantity > 0 and not mao_line.is_cancelled:
            unknown.append(mao_line)
    shown: dict[str, int] = {}
    for delivery in order.deliveries:
        for line_id, units in delivery.items.items() if delivery.is_ours else ():
            shown[line_id] = shown.get(line_id, 0) + units
    counts = [
        _count(line, own.get(line.id, ()), shown.get(line.id, 0), all_cancelled=fulfilment.is_cancelled)
        for line in order.lines
        if line.id in own or not line.is_custom
    ]
    return counts, _line_not_found(fulfilment, order, unknown) if unknown else None


def _find(
    mao_line: FulfilledLine, by_id: Mapping[str, ShopLine], by_item: Mapping[str, ShopLine | None]
) -> ShopLine | None:
    for name in (mao_line.line_id, mao_line.alternate_id):
        found = by_id.get(name) or by_id.get(line_item_id_of(name))
        if found is not None:
            return found
    return by_item.get(mao_line.item_id)


def _lines_by_item(lines: Iterable[ShopLine], item_units: ItemUnits) -> dict[str, ShopLine | None]:
    """ItemId -> the only line item that sells it; None where there are several."""
    found: dict[str, ShopLine | None] = {}
    for line in lines:
        sold = item_units.sold_as(line.sku) if line.sku else None
        if sold is not None and not isinstance(sold, Rejection):
            found[sold.item] = None if sold.item in found else line
    return found


def _count(line: ShopLine, own: Sequence[FulfilledLine], shown: int, *, all_cancelled: bool) -> LineCount:
    found: dict[str, int] = {}
    reached, counted = _ZERO, 0
    for milestone in (*GONE, *BEFORE_SHIPPING):
        reached += sum((each.units.get(milestone, _ZERO) for each in own), _ZERO)
        found[milestone] = _floor(reached) - counted
        counted += found[milestone]
    units: dict[str, int] = {}
    left = line.quantity
    for milestone in GONE:
        left -= _put(units, milestone, min(found[milestone], left))
    # What the shop shows as delivered has been shipped, also where an older record does not know it.
    left -= _put(units, SHIPPED, min(max(0, shown - (line.quantity - left)), left))
    if own and (all_cancelled or all(each.is_cancelled for each in own)):
        cancelled = left
    else:
        # A line that was split in MAO lives on in another: what MAO still has was not cancelled.
        there = sum((each.quantity for each in own), _ZERO)
        cancelled = _floor(min(sum((each.cancelled for each in own), _ZERO), line.quantity - there))
    left -= _put(units, CANCELLED, min(cancelled, left))
    for milestone in BEFORE_SHIPPING:
        left -= _put(units, milestone, min(found[milestone], left))
    _put(units, OPEN, left)
    return LineCount(line, units, tuple(_placed(line, own)))


def _put(units: dict[str, int], milestone: str, count: int) -> int:
    if count > 0:
        units[milestone] = units.get(milestone, 0) + count
        return count
    return 0


def _placed(line: ShopLine, own: Iterable[FulfilledLine]) -> Iterable[PlacedShipment]:
    """Parts of a unit in several packages count with the package that completes the unit."""
    for mao_line in own:
        if mao_line.is_digital:
            continue
        shipped, counted = _ZERO, 0
        for shipment in mao_line.shipments:
            shipped += shipment.quantity
            units = _floor(shipped) - counted
            counted += units
            if units > 0:
                yield PlacedShipment(shipment, units, _target(line, mao_line.line_id))


def _target(line: ShopLine, mao_line_id: str) -> ShopTarget | None:
    if mao_line_id in line.targets:
        return line.targets[mao_line_id]
    return next(iter(line.targets.values())) if len(line.targets) == 1 else None


def _floor(units: Decimal) -> int:
    return int(units.to_integral_value(ROUND_FLOOR))


def _line_not_found(fulfilment: Fulfilment, order: ShopOrder, unknown: Sequence[FulfilledLine]) -> Rejection:
    first, more = unknown[0], len(unknown) - 1
    others = f" and {more} more" if more else ""
    return Rejection(
        "line-not-found",
        f"order {order.label}: MAO order {fulfilment.mao_order_id} has line {first.line_id} "
        f"(item {first.item_id}){others}, which the shop does not have; the other lines are up to date",
        field="OrderLine.OrderLineId",
        hint="if the item tells the line, set match_by_item = true under [status]; else settle it in MAO or: "
        f"ct-mao-sync errors list --code line-not-found ; again: "
        f"ct-mao-sync replay-errors --job status --entity {order.id}",
    )
