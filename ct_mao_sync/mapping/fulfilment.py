"""What MAO has done with an order, by unit: read from its lines' QuantityDetail, FulfillmentDetail and
OrderLineCancelHistory. Headers and texts are never asked: they lag, or are the tenant's to change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, DecimalException
from typing import Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping import milestones
from ct_mao_sync.mapping.availability import exact_number, parse_moment
from ct_mao_sync.mapping.fulfilment_document import version_of
from ct_mao_sync.mapping.item_units import EXACT, ItemUnits
from ct_mao_sync.mapping.mao_document import code_of, rows_of, status_value
from ct_mao_sync.mapping.milestones import GONE, milestone_of
from ct_mao_sync.mapping.order_state import is_cancelled, max_status, min_status

# Handed over at 7000 ("Fulfilled" is shipped or picked up), with no step of its own for the delivery (MAO
# docs: creating-and-updating-order).
PICKED_UP = frozenset({"PickUpAtStore", "ShipToStore", "StoreSale"})
# The leg of ship-to-store that ends at the store, not at the customer (MAO docs: retail-orders).
MERGE = "Merge"

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Shipment:
    """Units of one line that left in one package of one release (one FulfillmentDetail)."""

    release_id: str
    """"" where MAO names none."""
    package_id: str
    """PackageId, else the FulfillmentDetailId: a shipment without either cannot be told from another."""
    quantity: Decimal
    """In selling units, exact."""
    tracking_number: str = ""
    carrier_code: str = ""
    location_id: str = ""
    """Where the release ships from."""
    estimated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FulfilledLine:
    """One order line. Quantities are in the unit that the line is sold in, exact."""

    line_id: str
    alternate_id: str
    item_id: str
    quantity: Decimal
    """As MAO has it now: less what was cancelled."""
    units: Mapping[str, Decimal]
    """Milestone -> units; they add up to `quantity` at most."""
    cancelled: Decimal
    """By the history, which may hold rows twice; bounded by what was last sent, where that is known."""
    is_cancelled: bool = False
    is_digital: bool = False
    shipments: tuple[Shipment, ...] = ()
    """Oldest first."""


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """One MAO order as far as it concerns the shop."""

    mao_order_id: str
    entity: str
    """commercetools order id."""
    version: int
    """The newest of its timestamps, in microseconds; a smaller one is an older record."""
    lines: tuple[FulfilledLine, ...]
    is_cancelled: bool = False

    @property
    def facts(self) -> object:
        """What of it decides about the shop; equal facts need no second look."""
        return [
            self.is_cancelled,
            [
                [
                    line.line_id,
                    line.alternate_id,
                    line.item_id,
                    line.quantity,
                    dict(line.units),
                    line.cancelled,
                    line.is_cancelled,
                    line.is_digital,
                    [[getattr(shipment, name) for name in Shipment.__slots__] for shipment in line.shipments],
                ]
                for line in self.lines
            ],
        ]

    @property
    def is_settled(self) -> bool:
        """Every unit has left or is cancelled: what is still to come is a delivery or a return."""
        return all(set(_live(line)) <= set(GONE) for line in self.lines)

    @property
    def is_finished(self) -> bool:
        """Nothing can follow: every unit is delivered, returned or cancelled."""
        return all(
            set(_live(line)) <= {milestones.DELIVERED, milestones.RETURNED}
            and sum(line.units.values(), _ZERO) >= line.quantity
            for line in self.lines
        )


def _live(line: FulfilledLine) -> list[str]:
    return [m for m, units in line.units.items() if units > 0 and m != milestones.CANCELLED]


@dataclass(frozen=True, slots=True)
class FulfilmentRules:
    """What reading a MAO order depends on."""

    item_units: ItemUnits
    uom: Mapping[str, int | Decimal]
    milestones: Mapping[str, str]
    """Base status id of the tenant -> milestone, beside the product's own."""
    digital_delivery: str = "Email"


def map_fulfilment(
    row: Mapping[str, Any], rules: FulfilmentRules, last_sent: Mapping[str, Decimal]
) -> Fulfilment | Rejection:
    """`row` has the fields of FULFILMENT_TEMPLATE; `last_sent`: OrderLineId -> quantity that the orders job
    sent last. Return lines are left out: a return is an order of its own.

    Rejections: `status-unmapped`, `uom-unmapped`, `source-invalid`."""
    order = _Source(row, rules)
    releases = {str(each.get("ReleaseId")): each for each in rows_of(row, "Release")}
    estimates = _estimates(row)
    lines = []
    for line in rows_of(row, "OrderLine"):
        if line.get("IsReturn") is True:
            continue
        mapped = _map_line(order, line, releases, estimates, last_sent)
        if isinstance(mapped, Rejection):
            return mapped
        lines.append(mapped)
    return Fulfilment(
        order.order_id, order.entity, version_of(row), tuple(lines), is_cancelled=is_cancelled(row)
    )


@dataclass(frozen=True, slots=True)
class _Source:
    row: Mapping[str, Any]
    rules: FulfilmentRules

    @property
    def order_id(self) -> str:
        return str(self.row.get("OrderId") or "")

    @property
    def entity(self) -> str:
        return str(self.row.get("AlternateOrderId") or "")

    def reject(self, code: str, what: str, *, field: str = "", fix: str = "") -> Rejection:
        return Rejection(
            code=code,
            message=f"MAO order {self.order_id}: {what}",
            field=field,
            hint=f"{fix or 'look at the order in MAO'}; then: "
            f"ct-mao-sync replay-errors --job status --entity {self.entity}",
        )


def _map_line(
    order: _Source,
    line: Mapping[str, Any],
    releases: Mapping[str, Mapping[str, Any]],
    estimates: Mapping[str, datetime],
    last_sent: Mapping[str, Decimal],
) -> FulfilledLine | Rejection:
    line_id = str(line.get("OrderLineId") or "")
    quantity = number_of(line.get("Quantity"))
    if not line_id or quantity is None:
        return order.reject(
            "source-invalid", f"line {line_id or '?'} has no id or no quantity", field="OrderLine.Quantity"
        )
    method = code_of(line.get("DeliveryMethod"))
    digital = method == order.rules.digital_delivery
    units = _units_of(order, line, line_id, quantity)
    if isinstance(units, Rejection):
        return units
    if (digital or method in PICKED_UP) and milestones.SHIPPED in units:
        shipped = units.pop(milestones.SHIPPED)
        units[milestones.DELIVERED] = units.get(milestones.DELIVERED, _ZERO) + shipped
    shipments = _shipments_of(order, line, line_id, releases, estimates)
    if isinstance(shipments, Rejection):
        return shipments
    sent = last_sent.get(line_id)
    cancelled = cancelled_units(line, distinct=sent is None)
    if cancelled is None:
        return order.reject(
            "source-invalid",
            f"line {line_id} has a cancellation without quantity",
            field="OrderLine.OrderLineCancelHistory.CancelQuantity",
        )
    cancelled += units.pop(milestones.CANCELLED, _ZERO)
    if sent is not None:
        # History rows can come twice, and a unit that the shop took back itself was not cancelled by MAO.
        gone = max(_ZERO, sent - quantity)
        cancelled = gone if is_cancelled(line) else min(cancelled, gone)
    return FulfilledLine(
        line_id=line_id,
        alternate_id=str(line.get("AlternateOrderLineId") or ""),
        item_id=str(line.get("ItemId") or ""),
        quantity=quantity,
        units=units,
        cancelled=cancelled,
        is_cancelled=is_cancelled(line),
        is_digital=digital,
        shipments=shipments,
    )


def _units_of(
    order: _Source, line: Mapping[str, Any], line_id: str, quantity: Decimal
) -> dict[str, Decimal] | Rejection:
    """Milestone -> units of one line."""
    found: dict[str, Decimal] = {}
    details = [row for row in rows_of(line, "QuantityDetail") if number_of(row.get("Quantity")) != _ZERO]
    if not details:
        return _units_of_header(order, line, line_id, quantity)
    for row in details:
        units = _selling_units(order, line, line_id, row, "QuantityDetail")
        if isinstance(units, Rejection):
            return units
        milestone = _milestone(order, status_value(row))
        if milestone is None:
            return _unmapped_status(order, line_id, status_value(row))
        found[milestone] = found.get(milestone, _ZERO) + units
    return found


def _units_of_header(
    order: _Source, line: Mapping[str, Any], line_id: str, quantity: Decimal
) -> dict[str, Decimal] | Rejection:
    """A line without details: its lowest status is true of all its units."""
    if quantity == 0 or is_cancelled(line):
        return {}
    lowest, highest = min_status(line), max_status(line)
    if lowest is None or lowest != highest:
        return order.reject(
            "source-invalid",
            f"line {line_id} tells no quantities by status (QuantityDetail)",
            field="OrderLine.QuantityDetail",
        )
    milestone = _milestone(order, lowest)
    return {milestone: quantity} if milestone else _unmapped_status(order, line_id, lowest)


def _milestone(order: _Source, status: Any) -> str | None:
    base = str(status).partition(".")[0]
    return order.rules.milestones.get(base) or milestone_of(status)


def _unmapped_status(order: _Source, line_id: str, status: Any) -> Rejection:
    base = str(status).partition(".")[0][:20]
    return order.reject(
        "status-unmapped",
        f"line {line_id} has units at status {base!r}, which is no milestone",
        field="status.milestones",
        fix=f'say which one it is under [status.milestones], for example "{base}" = "picked"',
    )


def _shipments_of(
    order: _Source,
    line: Mapping[str, Any],
    line_id: str,
    releases: Mapping[str, Mapping[str, Any]],
    estimates: Mapping[str, datetime],
) -> tuple[Shipment, ...] | Rejection:
    """Rows at 7000 or above: they are also created when a package is packed (MAO docs:
    how-does-status-update-event-work)."""
    found: list[tuple[str, str, Shipment]] = []
    for row in rows_of(line, "FulfillmentDetail"):
        milestone = _milestone(order, status_value(row))
        if milestone not in GONE or number_of(row.get("Quantity")) == _ZERO:
            continue
        release_id = str(row.get("ReleaseId") or "")
        release = releases.get(release_id, {})
        package_id = str(row.get("PackageId") or row.get("FulfillmentDetailId") or release_id)
        if release.get("DestinationAction") == MERGE or not package_id:
            continue
        units = _selling_units(order, line, line_id, row, "FulfillmentDetail")
        if isinstance(units, Rejection):
            return units
        tracking = str(row.get("TrackingNumber") or "")
        moment = parse_moment(row.get("FulfillmentDate")) or parse_moment(row.get("CreatedTimestamp"))
        found.append(
            (
                moment.isoformat() if moment else "",
                str(row.get("FulfillmentDetailId") or ""),
                Shipment(
                    release_id,
                    package_id,
                    units,
                    tracking,
                    str(row.get("CarrierCode") or release.get("CarrierCode") or ""),
                    str(release.get("ShipFromLocationId") or ""),
                    # Once it is there, its estimate is history.
                    (estimates.get(tracking) or parse_moment(row.get("Eta")))
                    if milestone == milestones.SHIPPED
                    else None,
                ),
            )
        )
    found.sort(key=lambda each: each[:2])
    return tuple(shipment for _, _, shipment in found)


def _estimates(row: Mapping[str, Any]) -> dict[str, datetime]:
    """Tracking number -> estimated delivery, where delivery tracking is configured."""
    found = {}
    for info in rows_of(row, "OrderTrackingInfo"):
        moment = parse_moment(info.get("EstimatedDeliveryDate"))
        if moment is not None and info.get("TrackingNumber"):
            found[str(info["TrackingNumber"])] = moment
    return found


def _selling_units(
    order: _Source, line: Mapping[str, Any], line_id: str, row: Mapping[str, Any], what: str
) -> Decimal | Rejection:
    """A row's quantity in the unit that the line is sold in; a substitute counts like what it stands for."""
    units = number_of(row.get("Quantity"))
    if units is None:
        return order.reject(
            "source-invalid",
            f"line {line_id} has a {what} without quantity",
            field=f"OrderLine.{what}.Quantity",
        )
    ratio = number_of(row.get("SubstitutionRatio"))
    if ratio is not None and ratio not in (0, 1):
        return order.reject(
            "source-invalid",
            f"line {line_id} is filled with a substitute at a ratio of {ratio}, which cannot be counted",
            field=f"OrderLine.{what}.SubstitutionRatio",
        )
    sold_in, counted_in = str(line.get("UOM") or ""), str(row.get("UOM") or "")
    if not counted_in or counted_in == sold_in:
        return units
    item_id = str(line.get("ItemId") or "")
    factors = [_base_units(order.rules, item_id, uom) for uom in (counted_in, sold_in)]
    for uom, factor in zip((counted_in, sold_in), factors, strict=True):
        if factor is None:
            return order.reject(
                "uom-unmapped",
                f"line {line_id} is counted in the unit {uom!r}, which is not known",
                field=f"mapping.uom.{uom}",
                fix=f"add {uom!r} to mapping.uom, or units to the row of the SKU in mapping.skus_file",
            )
    counted, sold = factors
    assert counted is not None and sold is not None
    try:
        return EXACT.divide(EXACT.multiply(units, counted), sold)
    except DecimalException:
        # A third of a case has no exact figure; rounded down no unit is ever shown too early.
        return (units * counted / sold).quantize(Decimal("1e-9"), rounding="ROUND_DOWN")


def _base_units(rules: FulfilmentRules, item_id: str, uom: str) -> Decimal | None:
    """Base units of an item in one of a unit: as a SKU of it is sold, else by the general table."""
    for sku in rules.item_units.skus_of(item_id):
        sold = rules.item_units.sold_as(sku)
        if not isinstance(sold, Rejection) and sold.uom == uom:
            return sold.units
    units = rules.uom.get(uom)
    return None if units is None else Decimal(units)


def cancelled_units(line: Mapping[str, Any], *, distinct: bool) -> Decimal | None:
    """Units of an order line that were cancelled in MAO; None when nobody can tell. History rows can be
    written twice (MAO docs: order-migration-troubleshooting).

    distinct   leave out rows like one before; two units cancelled in one moment look alike too, so only where
               nothing else bounds the sum
    """
    total = _ZERO
    seen: set[tuple[str, str, str]] = set()
    for entry in rows_of(line, "OrderLineCancelHistory"):
        units = number_of(entry.get("CancelQuantity"))
        if units is None:
            return None
        moment = entry.get("CreatedTimestamp")
        if moment and distinct:
            mark = (str(moment), str(units), str(entry.get("CancelReason")))
            if mark in seen:
                continue
            seen.add(mark)
        total += units
    return total


def number_of(value: Any) -> Decimal | None:
    """A quantity, which may come as text (MAO docs: order-migration-sample-jsons); None for what is none."""
    if isinstance(value, str):
        try:
            value = Decimal(value.strip())
        except DecimalException:
            return None
    number = exact_number(value)
    return number if number is not None and number.is_finite() and number >= 0 else None
