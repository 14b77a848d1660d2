"""Units that the shop has sold and MAO's availability still contains.

A unit is in flight while its order is not in MAO, or is there but neither allocated nor counted as
back-ordered by the view, or came there so late that the figure may not know it. The order's own units
count, whatever became of its export: a rejected export has sold its units like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.availability import exact_number, parse_moment
from ct_mao_sync.mapping.inventory_entry import whole_number
from ct_mao_sync.mapping.item_units import EXACT, ItemUnits
from ct_mao_sync.mapping.mao_document import rows_of
from ct_mao_sync.mapping.order_state import CANCELLED, is_cancelled, max_status, min_status, status_id

BACK_ORDERED = 1500
ALLOCATED = 2000
_LINE_ITEM_ID_LENGTH = 36
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class SoldLine:
    """One line item that takes stock. `channel_id`: its supply channel, "" = the entry without channel."""

    line_id: str
    sku: str
    channel_id: str
    units: int


@dataclass(frozen=True, slots=True)
class InFlightOrder:
    """The lines of one order as the shop has it now; none when it was cancelled."""

    order_id: str
    created_at: datetime
    lines: tuple[SoldLine, ...]
    acked_at: datetime | None = None
    """When it is known to have arrived in MAO; None leaves what the state knows."""


@dataclass(frozen=True, slots=True)
class InFlightLine:
    """One line as the state keeps it. `uncounted` of its `units` were in flight when it was last judged;
    all of them until then."""

    order_id: str
    line_id: str
    sku: str
    channel_id: str
    units: int
    uncounted: int
    acked_at: datetime | None = None


def units_of_order(document: Mapping[str, Any]) -> tuple[SoldLine, ...] | Rejection:
    """The lines of a commercetools order that take stock: inventoryMode of the line, else of the order, is
    not None (commercetools docs: InventoryMode, default None), and the order is not Cancelled. Read from
    the document itself: an order whose other parts are malformed, and which is therefore never
    exported, has sold its units too. Custom line items have no inventory."""
    if document.get("orderState") == "Cancelled":
        return ()
    lines = document.get("lineItems")
    if lines is not None and not isinstance(lines, list | tuple):
        return _malformed(document, "lineItems")
    of_order = document.get("inventoryMode") or "None"
    found = []
    for place, line in enumerate(lines or ()):
        if not isinstance(line, Mapping):
            return _malformed(document, f"lineItems.{place}")
        if (line.get("inventoryMode") or of_order) == "None":
            continue
        variant = line.get("variant")
        sku = variant.get("sku") if isinstance(variant, Mapping) else None
        if sku is None:
            continue  # stock is kept by SKU
        units, line_id = whole_number(line.get("quantity")), line.get("id")
        channel = line.get("supplyChannel")
        channel_id = channel.get("id") if isinstance(channel, Mapping) else channel
        for name, good in (
            ("id", isinstance(line_id, str)),
            ("variant.sku", isinstance(sku, str)),
            ("quantity", units is not None and units >= 0),
            ("supplyChannel", channel_id is None or isinstance(channel_id, str)),
        ):
            if not good:
                return _malformed(document, f"lineItems.{place}.{name}")
        if units:
            found.append(SoldLine(str(line_id), sku, channel_id or "", units))
    return tuple(found)


def judge_lines(
    lines: Iterable[InFlightLine],
    mao_orders: Mapping[str, Mapping[str, Any] | None],
    *,
    settled_before: datetime,
    nets_backorders: bool,
) -> list[InFlightLine]:
    """The lines with what is uncounted now. `mao_orders` holds, by commercetools order id, the MAO orders
    that were looked up, None for one that is not there; a line whose order was not looked up stays.

    `settled_before`: the beginning of the availability read on MAO's clock, less the settle time. What
    was acknowledged, or moved, after it may be missing from the figure and counts as in flight."""
    judged = []
    for line in lines:
        if line.order_id in mao_orders or line.acked_at is None:
            units = uncounted_units(
                line,
                mao_orders.get(line.order_id),
                settled_before=settled_before,
                nets_backorders=nets_backorders,
            )
            line = line if units == line.uncounted else replace(line, uncounted=units)
        judged.append(line)
    return judged


def hold_back(
    lines: Sequence[InFlightLine], judged: Sequence[InFlightLine], lagging: Set[str]
) -> tuple[list[InFlightLine], dict[tuple[str, str], int]]:
    """What is judged, but for `lagging` orders: they were saved so recently that what was looked up may be
    older, and nothing of them is taken for counted that was not before. (SKU, channel id) -> units that are
    held back for this reason."""
    kept: list[InFlightLine] = []
    held: dict[tuple[str, str], int] = {}
    for before, line in zip(lines, judged, strict=True):
        units = before.uncounted - line.uncounted
        if line.order_id in lagging and units > 0:
            held[line.sku, line.channel_id] = held.get((line.sku, line.channel_id), 0) + units
        else:
            kept.append(line)
    return kept, held


def uncounted_units(
    line: InFlightLine,
    mao_order: Mapping[str, Any] | None,
    *,
    settled_before: datetime,
    nets_backorders: bool,
) -> int:
    """Sold units of one line that MAO's figure still contains; whatever cannot be read counts as in
    flight. `mao_order` needs OrderLine with QuantityDetail (Quantity, UOM, StatusId, UpdatedTimestamp),
    Quantity, UOM, IsCancelled, IsReturn, Min/MaxFulfillmentStatusId and OrderLineCancelHistory."""
    if mao_order is None or line.acked_at is None or line.acked_at > settled_before:
        return line.units
    if is_cancelled(mao_order):
        return 0
    own = [row for row in rows_of(mao_order, "OrderLine") if _is_of(row, line.line_id)]
    if not own:
        return line.units
    uncounted, known = _ZERO, _ZERO
    for row in own:
        if is_cancelled(row):
            known += line.units  # MAO will not ship it, so nothing of it is on its way
            continue
        quantity, cancelled, open_units = _number(row.get("Quantity")), _cancelled(row), None
        if quantity is not None and cancelled is not None:
            open_units = _open_units(row, settled_before, nets_backorders)
        if quantity is None or cancelled is None or open_units is None:
            return line.units
        uncounted += open_units
        known += quantity + cancelled
    # What the shop added to the line and MAO has not been told yet.
    uncounted += max(_ZERO, line.units - known)
    return min(line.units, int(uncounted.to_integral_value(ROUND_CEILING)))


def base_units_in_flight(
    sums: Mapping[tuple[str, str], int], item_units: ItemUnits
) -> tuple[dict[str, Decimal], dict[tuple[str, str], Decimal]]:
    """Units by (SKU, channel id) as base units: by item over all channels, for the network view, and by
    (item, channel id), for location views. SKUs that are no MAO item take nothing from its stock; their
    own entries are rejected anyway."""
    by_item: dict[str, Decimal] = {}
    by_channel: dict[tuple[str, str], Decimal] = {}
    for (sku, channel_id), units in sums.items():
        base = item_units.base_units(sku, units)
        if units <= 0 or isinstance(base, Rejection):
            continue
        sold = item_units.sold_as(sku)
        if isinstance(sold, Rejection):
            continue
        key = (sold.item, channel_id)
        by_item[sold.item] = EXACT.add(by_item.get(sold.item, _ZERO), base)
        by_channel[key] = EXACT.add(by_channel.get(key, _ZERO), base)
    return by_item, by_channel


def changed_entries(
    counted: Mapping[tuple[str, str], Decimal], sums: Mapping[tuple[str, str], int], item_units: ItemUnits
) -> list[tuple[str, str]]:
    """Entries, as (SKU, channel id), whose units in flight are not those that their quantity allows for. Each
    is judged by itself: several SKUs may sell one item, and each of their entries has to follow a sale from
    any of them."""
    by_item, by_channel = base_units_in_flight(sums, item_units)
    now = {(sku, ""): units for item, units in by_item.items() for sku in item_units.skus_of(item)}
    for (item, channel_id), units in by_channel.items():
        if channel_id:
            now.update(((sku, channel_id), units) for sku in item_units.skus_of(item))
    return sorted(
        place for place in now.keys() | counted.keys() if now.get(place, _ZERO) != counted.get(place, _ZERO)
    )


def _open_units(row: Mapping[str, Any], settled_before: datetime, nets_backorders: bool) -> Decimal | None:
    """Units of an order line that were not counted at `settled_before`; None when nobody can tell."""
    details = rows_of(row, "QuantityDetail")
    if not details:
        lowest, highest = min_status(row), max_status(row)
        if lowest is None or highest is None or _moved_late(row, settled_before):
            return None
        if _is_counted(lowest, nets_backorders) and (lowest >= ALLOCATED or lowest == highest):
            return _ZERO
        return _number(row.get("Quantity"))
    total, live = _ZERO, _ZERO
    for detail in details:
        units = _number(detail.get("Quantity"))
        if units is None:
            return None
        if units == 0:
            continue  # units that left stay as a row of zero (MAO docs: published orders)
        if (detail.get("UOM") or row.get("UOM")) != row.get("UOM"):
            return None
        status = status_id(detail.get("StatusId") or (detail.get("Status") or {}).get("StatusId"))
        if status is None:
            return None
        live += units
        if status == CANCELLED:
            continue
        late = _moved_late(detail if detail.get("UpdatedTimestamp") else row, settled_before)
        if late or not _is_counted(status, nets_backorders):
            total += units
    if live == 0:
        return _number(row.get("Quantity"))
    return total


def _is_counted(status: int, nets_backorders: bool) -> bool:
    """Allocated and beyond is reserved or gone; a view can be told to subtract what is back-ordered (MAO
    docs: how-is-availability-computed)."""
    return status >= ALLOCATED or (nets_backorders and status == BACK_ORDERED)


def _moved_late(row: Mapping[str, Any], settled_before: datetime) -> bool:
    moved_at = parse_moment(row.get("UpdatedTimestamp"))
    return moved_at is not None and moved_at > settled_before


def _cancelled(row: Mapping[str, Any]) -> Decimal | None:
    """Units cancelled in MAO. History rows can be written twice; only those that say when are compared."""
    total = _ZERO
    seen: set[tuple[str, str, str]] = set()
    for entry in rows_of(row, "OrderLineCancelHistory"):
        units = _number(entry.get("CancelQuantity"))
        if units is None:
            return None
        moment = entry.get("CreatedTimestamp")
        if moment:
            mark = (str(moment), str(units), str(entry.get("CancelReason")))
            if mark in seen:
                continue
            seen.add(mark)
        total += units
    return total


def _is_of(row: Mapping[str, Any], line_id: str) -> bool:
    if row.get("IsReturn") is True:
        return False
    for name in ("OrderLineId", "AlternateOrderLineId"):
        own = row.get(name)
        if own == line_id:
            return True
        # A line that ships to several places is several order lines: <line item id>.<hash>.
        if isinstance(own, str) and own[_LINE_ITEM_ID_LENGTH:] and own[:_LINE_ITEM_ID_LENGTH] == line_id:
            return True
    return False


def _number(value: Any) -> Decimal | None:
    number = exact_number(value)
    return number if number is not None and number.is_finite() and number >= 0 else None


def _malformed(document: Mapping[str, Any], field: str) -> Rejection:
    label = next((str(document[name]) for name in ("orderNumber", "id") if document.get(name)), "without id")
    return Rejection(
        "source-invalid",
        f"order {label}: {field} is not what commercetools documents, so its units in flight are not known",
        field=field,
        hint="look at the order in commercetools",
    )
