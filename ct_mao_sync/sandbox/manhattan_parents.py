"""What a return order does to the order it came from: units pending return, returned, and given back.

Read from the return order itself whenever it is stored, so that no way of changing it can be forgotten.
Pipeline (DOC: creating and updating order): createReturn 7000, 7500 -> 8000; confirmReturn 8000 -> 8500;
cancelReturn 8000, 8500 -> 7000, also where the unit had been 7500.
"""

from __future__ import annotations

from decimal import Decimal

from .core import MANHATTAN, Json, World
from .manhattan_envelope import Refused
from .manhattan_store import key_of, reinstate_order
from .manhattan_totals import ZERO, compute_order, number, rows, status_of
from .manhattan_units import move_units, units_at
from .manhattan_values import copy_json, render_moment

ELIGIBLE = (7500, 7000)
PENDING_RETURN = 8000
RETURNED = 8500
VERIFIED = 18000

Claims = dict[tuple[str, str], tuple[Decimal, Decimal]]
"""(ParentOrderId, ParentOrderLineId) -> units on their way, units returned."""


def has_returns(order: Json) -> bool:
    """Whether any line of the order is a return."""
    return any(line.get("IsReturn") for line in rows(order, "OrderLine"))


def claims_of(order: Json | None) -> Claims:
    """What the return lines of an order take from their parents."""
    claims: Claims = {}
    for line in rows(order or {}, "OrderLine"):
        parent_id, line_id = line.get("ParentOrderId"), line.get("ParentOrderLineId")
        if not line.get("IsReturn") or not parent_id or not line_id:
            continue
        parent = (parent_id, line_id)
        pending, returned = claims.get(parent, (ZERO, ZERO))
        for row in rows(line, "QuantityDetail"):
            if status_of(row["StatusId"]) == VERIFIED:
                returned += number(row["Quantity"])
            else:
                pending += number(row["Quantity"])
        claims[parent] = pending, returned
    return claims


def returnable_units(line: Json) -> Decimal:
    """ReturnableQuantity of a sale line: units fulfilled or delivered, and not in a return."""
    return ZERO if line.get("IsReturn") else sum((units_at(line, status) for status in ELIGIBLE), ZERO)


def find_parent(world: World, key: str) -> Json | None:
    """The order that units come back of; an archived one is reinstated, as MAO does for a return."""
    store = world.mao
    if key in store.archived:
        reinstate_order(world, key, store.archived.pop(key))
    return store.orders.get(key)


def line_of(order: Json, line_id: str) -> Json | None:
    """The line of that id."""
    return next((each for each in rows(order, "OrderLine") if each["OrderLineId"] == line_id), None)


def check_parents(world: World, org: str, before: Json | None, after: Json) -> None:
    """Raises Refused when the order's return lines want more of a parent line than can be returned."""
    was = claims_of(before)
    for (parent_id, line_id), units in claims_of(after).items():
        more = sum(units, ZERO) - sum(was.get((parent_id, line_id), (ZERO, ZERO)), ZERO)
        if more <= 0:
            continue
        parent = find_parent(world, key_of(world, org, parent_id))
        line = line_of(parent, line_id) if parent is not None else None
        keys = {"ParentOrderId": parent_id, "ParentOrderLineId": line_id}
        if line is None:
            raise Refused("error.400", f"Parent order line {parent_id}/{line_id} does not exist", keys=keys)
        if line.get("IsCancelled"):
            raise Refused("ord::10400", "Item is cancelled.", keys=keys)
        if more > returnable_units(line):
            if sum((units_at(line, status) for status in (PENDING_RETURN, RETURNED)), ZERO) > 0:
                raise Refused("ord::10402", "A return has already been initiated for this item.", keys=keys)
            raise Refused("ord::10399", "Item is not yet shipped.", keys=keys)


def changed_parents(world: World, before: Json | None, after: Json) -> dict[str, Json]:
    """New revisions of the orders whose units the change of a return order moves, by key."""
    was, now = claims_of(before), claims_of(after)
    changed: dict[str, Json] = {}
    moment = render_moment(world.now(MANHATTAN))
    for parent_id, line_id in {**was, **now}:
        place = (parent_id, line_id)
        old, new = was.get(place, (ZERO, ZERO)), now.get(place, (ZERO, ZERO))
        if old == new:
            continue
        key = key_of(world, after["OrgId"], parent_id)
        parent = changed.get(key)
        if parent is None:
            stored = find_parent(world, key)
            if stored is None:
                continue
            parent = copy_json(stored)
        line = line_of(parent, line_id)
        if line is None:
            continue
        _move(world, line, new[0] - old[0], new[1] - old[1], moment)
        changed[key] = parent
    for key, parent in changed.items():
        _stamp(world, key, parent, moment)
    return changed


def _move(world: World, line: Json, pending: Decimal, returned: Decimal, moment: str) -> None:
    """Units that the parent does not have stay out of it: an excess is a matter of the return order."""
    freed = -(pending + returned)
    if returned > 0:
        announced = min(returned, max(-pending, ZERO))  # other units at 8000 are of other returns
        _shift(world, line, (PENDING_RETURN,), RETURNED, announced, moment)
        _shift(world, line, ELIGIBLE, RETURNED, returned - announced, moment)
    if pending > 0:
        _shift(world, line, ELIGIBLE, PENDING_RETURN, pending, moment)
    if freed > 0:
        _shift(world, line, (PENDING_RETURN, RETURNED), 7000, freed, moment)


def _shift(
    world: World, line: Json, sources: tuple[int, ...], target: int, units: Decimal, moment: str
) -> None:
    there = sum((units_at(line, status) for status in sources), ZERO)
    if min(units, there) > 0:
        move_units(world, line, sources, target, min(units, there), moment)


def _stamp(world: World, key: str, order: Json, moment: str) -> None:
    if world.settings.header_lag_s > 0:
        world.mao.facts.setdefault(key, {})["header_due"] = moment
    else:
        order["UpdatedTimestamp"] = moment
    compute_order(order, world.new_id)
