"""What a return center found: details of item and condition, variances from what was expected, holds.

By policy "order" the first Verification of a line decides: its quantity replaces the line's, less or more;
nothing at all cancels the line. By policy "line" each LineVerification adds units, and the line is held until
they are complete. Unexpected items and an excess that the parent line does not have become lines of their own
with an ItemVariance hold (DOC: return variance; how does return work).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from .core import Json, World
from .manhattan_cancel import cancel_line, finish_order
from .manhattan_envelope import Refused
from .manhattan_parents import find_parent, line_of, returnable_units
from .manhattan_return_lines import (
    PENDING,
    RECEIVED,
    SCANNED,
    VERIFIED,
    hold_line,
    new_return_line,
    scale_money,
    unhold_line,
)
from .manhattan_store import key_of, line_not_permitted
from .manhattan_totals import ZERO, line_range, number, rows, status_name
from .manhattan_units import move_units, take_units, units_at
from .manhattan_values import code_of

_BEFORE = (RECEIVED, SCANNED, PENDING)
_REASON = {"ReasonId": "NotReceived"}


@dataclass(frozen=True, slots=True)
class Found:
    """Units of one item in one condition, as the return center counted them against a line."""

    line_id: str
    item_id: str
    units: Decimal
    condition: str | None
    is_gift: bool = False


def receive_units(world: World, order: Json, line: Json, found: Found, moment: str) -> None:
    """A Receipt: a detail, and expected units become Received."""
    _require_open(order, line)
    _add_detail(world, order, line, found, moment, replace=False)
    if found.item_id == line.get("ItemId"):
        there = units_at(line, SCANNED) + units_at(line, PENDING)
        if min(found.units, there) > 0:
            move_units(world, line, (SCANNED, PENDING), RECEIVED, min(found.units, there), moment)
    line["UpdatedTimestamp"] = moment


def verify_lines(world: World, order: Json, found: Iterable[Found], moment: str) -> None:
    """A Verification of the lines it names: once for each, whatever was received of them before."""
    by_line: dict[str, list[Found]] = {}
    for each in found:
        by_line.setdefault(each.line_id, []).append(each)
    for line_id, parts in by_line.items():
        line = require_return_line(order, line_id)
        _require_open(order, line)
        if units_at(line, VERIFIED) > 0:
            raise line_not_permitted(order["OrderId"], line_id, status_name(VERIFIED))
        expected = [part for part in parts if part.item_id == line.get("ItemId")]
        for part in parts:
            if part not in expected:
                _add_unexpected(world, order, line, part, moment)
        _drop_strange_details(line)
        if expected or not any(part.units > 0 for part in parts):
            _verify_line(world, order, line, expected, moment)
    if "line" in world.settings.auto_resolve_variances:
        for line in rows(order, "OrderLine"):
            if line.get("IsReturn") and line_range(line) == (PENDING, PENDING):
                cancel_line(world, order, line, _REASON, None)
    finish_order(order, _REASON, None)


def verify_units(world: World, order: Json, line: Json, found: Found, moment: str) -> None:
    """A LineVerification: units become Returned; the line is held until all of them are."""
    _require_open(order, line)
    if found.item_id != line.get("ItemId"):
        _add_unexpected(world, order, line, found, moment)
        return
    if found.units > 0:
        _add_detail(world, order, line, found, moment, replace=False)
    excess = found.units - (number(line["Quantity"]) - units_at(line, VERIFIED))
    if excess > 0:
        _grow(world, order, line, found, excess, moment)
    moved = min(found.units, number(line["Quantity"]) - units_at(line, VERIFIED))
    if moved > 0:
        move_units(world, line, _BEFORE, VERIFIED, moved, moment)
    line["UpdatedTimestamp"] = moment
    if units_at(line, VERIFIED) < number(line["Quantity"]):
        _note_variance(line, units_at(line, VERIFIED) - number(line["Quantity"]))
        hold_line(line, "QuantityVariance", moment)
    elif excess <= 0:
        _note_variance(line, None)
        unhold_line(line, "QuantityVariance", moment)
    _compare_conditions(line, moment)


def require_return_line(order: Json, line_id: str) -> Json:
    """The return line of that id; raises Refused."""
    line = line_of(order, line_id)
    if line is None or not line.get("IsReturn"):
        raise Refused("error.400", f"Return line {line_id} does not exist", field="ReturnOrderLineId")
    return line


def _require_open(order: Json, line: Json) -> None:
    if not order.get("IsConfirmed"):
        raise Refused("error.400", "The return order is not confirmed", keys={"OrderId": order["OrderId"]})
    if line.get("IsReceiptExpected") is False:
        raise Refused("error.400", f"Line {line['OrderLineId']} of the return expects no receipt")
    if line.get("IsCancelled") or line_range(line) == (VERIFIED, VERIFIED):
        raise line_not_permitted(order["OrderId"], line["OrderLineId"], status_name(line_range(line)[1]))


def _verify_line(world: World, order: Json, line: Json, parts: list[Found], moment: str) -> None:
    units = sum((part.units for part in parts), ZERO)
    verified = {part.condition for part in parts}
    for detail in rows(line, "ReturnDetail"):
        if code_of(detail, "ReceivedItemCondition", "ItemConditionId") not in verified:
            detail |= {"Quantity": ZERO, "UpdatedTimestamp": moment}
    for part in parts:
        if part.units > 0:
            _add_detail(world, order, line, part, moment, replace=True)
    line["UpdatedTimestamp"] = moment
    if units == 0:
        cancel_line(world, order, line, _REASON, None)
        return
    expected = number(line["Quantity"])
    if units > expected:
        units -= _grow(world, order, line, parts[-1], units - expected, moment)
    elif units < expected:
        take_units(line, tuple(reversed(_BEFORE)), expected - units, moment)
        line["Quantity"] = units
        scale_money(world, order, line, expected)
        _note_variance(line, units - expected)
        if "quantity" not in world.settings.auto_resolve_variances:
            hold_line(line, "QuantityVariance", moment)
    move_units(world, line, _BEFORE, VERIFIED, units, moment)
    _compare_conditions(line, moment)


def _grow(world: World, order: Json, line: Json, part: Found, excess: Decimal, moment: str) -> Decimal:
    """More than expected: as far as the parent line has units, the rest on a line of its own; gives that."""
    parent_id, parent_line = _parent_of(world, order, line)
    spare = min(excess, returnable_units(parent_line)) if parent_line is not None else ZERO
    if spare > 0:
        before = number(line["Quantity"])
        line["Quantity"] = before + spare
        pending = next(row for row in rows(line, "QuantityDetail") if row["StatusId"] == str(PENDING))
        pending["Quantity"] = number(pending["Quantity"]) + spare
        scale_money(world, order, line, before)
        _note_variance(line, spare)
        automatic = "quantity" in world.settings.auto_resolve_variances
        if not automatic or world.settings.return_policy == "line":
            hold_line(line, "QuantityVariance", moment)
    rest = excess - spare
    if rest > 0:
        for detail in reversed(rows(line, "ReturnDetail")):
            if code_of(detail, "ReceivedItemCondition", "ItemConditionId") == part.condition:
                detail["Quantity"] = max(ZERO, number(detail["Quantity"]) - rest)
                break
        extra = Found(line["OrderLineId"], part.item_id, rest, part.condition, part.is_gift)
        _add_item_variance(world, order, line, extra, (parent_id, None) if parent_id else None, moment)
    return rest


def _add_unexpected(world: World, order: Json, line: Json, part: Found, moment: str) -> None:
    """Another item than the line's: of the same parent as far as that has it, else of nobody."""
    if part.units <= 0:
        return
    parent_id = line.get("ParentOrderId")
    parent = find_parent(world, key_of(world, order["OrgId"], parent_id)) if parent_id else None
    left = part.units
    for other in rows(parent or {}, "OrderLine"):
        spare = returnable_units(other)
        if other.get("ItemId") == part.item_id and min(left, spare) > 0:
            own = Found(part.line_id, part.item_id, min(left, spare), part.condition, part.is_gift)
            _add_item_variance(world, order, line, own, (str(parent_id), other), moment)
            left -= own.units
    if left > 0:
        own = Found(part.line_id, part.item_id, left, part.condition, part.is_gift)
        _add_item_variance(world, order, line, own, (parent_id, None) if parent_id else None, moment)


def _add_item_variance(
    world: World, order: Json, line: Json, part: Found, parent: tuple[str, Json | None] | None, moment: str
) -> None:
    extra = new_return_line(
        world,
        order,
        part.item_id,
        part.units,
        line.get("UOM"),
        moment,
        parent=parent,
        additional={"ReturnReason": None, "ItemCondition": None, "IsItemVariance": True},
    )
    _add_detail(world, order, extra, part, moment, replace=False)
    move_units(world, extra, (PENDING,), VERIFIED, part.units, moment)
    automatic = (
        "item" in world.settings.auto_resolve_variances and parent is not None and parent[1] is not None
    )
    if not automatic:
        hold_line(extra, "ItemVariance", moment)


def _parent_of(world: World, order: Json, line: Json) -> tuple[str | None, Json | None]:
    parent_id, line_id = line.get("ParentOrderId"), line.get("ParentOrderLineId")
    parent = find_parent(world, key_of(world, order["OrgId"], parent_id)) if parent_id else None
    return parent_id, line_of(parent, line_id) if parent is not None and line_id else None


def _add_detail(world: World, order: Json, line: Json, part: Found, moment: str, *, replace: bool) -> None:
    """One ReturnDetail for line x item x condition; a verified quantity replaces a received one."""
    details = line["ReturnDetail"] = rows(line, "ReturnDetail")
    for detail in details:
        same = code_of(detail, "ReceivedItemCondition", "ItemConditionId") == part.condition
        if same and detail["ItemId"] == part.item_id:
            detail["Quantity"] = part.units if replace else number(detail["Quantity"]) + part.units
            detail["UpdatedTimestamp"] = moment
            return
    details.append(
        {
            "ReturnDetailId": world.new_id(),
            "ItemId": part.item_id,
            "Quantity": part.units,
            "UOM": line.get("UOM"),
            "LocationId": line.get("ShipToLocationId"),
            "ReturnOrderId": order["OrderId"],
            "ReturnOrderLineId": line["OrderLineId"],
            "ReceivedItemCondition": {"ItemConditionId": part.condition} if part.condition else None,
            "ReturnType": line.get("ReturnType"),
            "IsGiftReturn": part.is_gift,
            "CreatedTimestamp": moment,
            "UpdatedTimestamp": moment,
        }
    )


def _drop_strange_details(line: Json) -> None:
    """Receipts of other items go to the lines that the verification made for them."""
    line["ReturnDetail"] = [row for row in rows(line, "ReturnDetail") if row["ItemId"] == line.get("ItemId")]


def _compare_conditions(line: Json, moment: str) -> None:
    additional = line.get("OrderLineAdditional") or {}
    expected = code_of(additional, "ItemCondition", "ItemConditionId")
    conditions = {
        code_of(row, "ReceivedItemCondition", "ItemConditionId")
        for row in rows(line, "ReturnDetail")
        if number(row["Quantity"]) > 0
    }
    if expected is not None and conditions - {expected, None}:
        line["OrderLineAdditional"] = {**additional, "IsConditionVariance": True}
        hold_line(line, "ConditionVariance", moment)


def _note_variance(line: Json, units: Decimal | None) -> None:
    line["OrderLineAdditional"] = {**(line.get("OrderLineAdditional") or {}), "VarianceQuantity": units}
