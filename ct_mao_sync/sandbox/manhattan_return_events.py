"""The endpoint for return events: Receipt, Verification, LineVerification, CarrierScanned.

Events of one request belong together: a Verification names every item and condition of a return at once.
A Verification without ReturnOrderId makes a return order by itself, by policy "order" (DOC: automated
returns); a Receipt without one changes nothing.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from .core import Json, World
from .manhattan_envelope import Refused
from .manhattan_parents import find_parent, returnable_units
from .manhattan_returns import ReturnLifecycle
from .manhattan_store import unknown_order
from .manhattan_totals import ZERO, rows
from .manhattan_values import code_of

RECEIVE = "/order/api/order/returnOrderEvent/receive"
_KINDS = {"Reciept": "Receipt"}  # one vendor sample spells it so


def receive_return_events(world: World, lifecycle: ReturnLifecycle, body: Json) -> Json:
    """Processes a request's events in their order; raises Refused at the first that is not permitted."""
    events = body.get("ReturnOrderEvent")
    if not isinstance(events, list) or not events or not all(isinstance(each, dict) for each in events):
        raise Refused("error.400", "ReturnOrderEvent is required", field="ReturnOrderEvent")
    verified: dict[str, list[Json]] = {}
    blind: dict[str, list[Json]] = {}
    for event in events:
        kind = event.get("EventTypeId")
        kind = _KINDS.get(str(kind), kind)
        return_id = event.get("ReturnOrderId")
        if kind not in ("Receipt", "Verification", "LineVerification", "CarrierScanned"):
            raise Refused("error.400", f"EventTypeId {kind} is unknown", field="EventTypeId")
        if not return_id:
            if kind == "Verification":
                blind.setdefault(_text(event, "ParentOrderId"), []).append(event)
            elif kind != "Receipt":
                raise Refused("error.400", "ReturnOrderId is required", field="ReturnOrderId")
            continue
        if kind == "CarrierScanned":
            lifecycle.scan_return(return_id)
            continue
        part = _read(event)
        if kind == "Verification":
            verified.setdefault(return_id, []).append(part)
            continue
        act = lifecycle.receive if kind == "Receipt" else lifecycle.verify_line
        act(
            return_id,
            part["OrderLineId"],
            part["Quantity"],
            condition=part["ItemConditionId"],
            item_id=part["ItemId"],
        )
    for return_id, parts in verified.items():
        lifecycle.verify(return_id, parts)
    made = [_automated(world, lifecycle, parent_id, parts) for parent_id, parts in blind.items()]
    return {"ReturnOrderEvent": events, "ReturnOrderId": made[0] if len(made) == 1 else made or None}


def _automated(world: World, lifecycle: ReturnLifecycle, parent_id: str, events: list[Json]) -> str:
    """A return order for goods that nobody announced: as many units as the parent has, the rest held."""
    parent = find_parent(world, parent_id)
    if parent is None:
        raise unknown_order(parent_id)
    lines: dict[str, Decimal] = {}
    found: list[tuple[str | None, Json]] = []
    for event in events:
        part = _read(event, line=False)
        left = part["Quantity"]
        for line in rows(parent, "OrderLine"):
            spare = returnable_units(line) - lines.get(line["OrderLineId"], ZERO)
            if line.get("ItemId") == part["ItemId"] and min(left, spare) > 0:
                units = min(left, spare)
                lines[line["OrderLineId"]] = lines.get(line["OrderLineId"], ZERO) + units
                found.append((line["OrderLineId"], {**part, "Quantity": units}))
                left -= units
        if left > 0:
            found.append((None, {**part, "Quantity": left}))
    if not lines:
        raise Refused("ord::10403", "Item is not eligible for return or exchange.")
    return_id = lifecycle.create_return(parent_id, lines, condition=None)
    by_parent = {line_id: str(index) for index, line_id in enumerate(lines, 1)}
    lifecycle.verify(
        return_id, [{**part, "OrderLineId": by_parent.get(line_id or "", "1")} for line_id, part in found]
    )
    return return_id


def _read(event: Json, *, line: bool = True) -> Json:
    try:
        quantity = Decimal(str(event.get("Quantity")))
    except InvalidOperation:
        quantity = Decimal(-1)
    if not quantity.is_finite() or quantity < 0:
        raise Refused("error.400", "Quantity must be a number from 0", field="Quantity")
    return {
        "OrderLineId": _text(event, "ReturnOrderLineId") if line else None,
        "ItemId": _text(event, "ItemId"),
        "Quantity": quantity,
        "ItemConditionId": code_of(event, "ReceivedItemCondition", "ItemConditionId"),
    }


def _text(event: Json, name: str) -> str:
    value = event.get(name)
    if not isinstance(value, str) or not value:
        raise Refused("error.400", f"{name} is required", field=name)
    return value
