"""Which states follow from the counted units: State of each unit, shipmentState, orderState, custom State.

Each function gives the update actions that are missing, none when nothing is. What was reached is never
taken back: forward only from shipping on, in both directions before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping import milestones
from ct_mao_sync.mapping.milestones import (
    BACKORDERED,
    BEFORE_SHIPPING,
    CANCELLED,
    DELIVERED,
    GONE,
    OPEN,
    RETURNED,
    SHIPPED,
)
from ct_mao_sync.mapping.shop_order import ShopLine, ShopOrder
from ct_mao_sync.mapping.status_lines import LineCount

Action = dict[str, Any]

INITIAL = "Initial"
"""Key of the built-in State in which every line item begins (commercetools docs: LineItem state)."""
SOME = "some_"
"""`some_shipped`: at least one unit has reached it; `shipped`: all that are not cancelled."""

# commercetools docs: ShipmentState (one l in its Canceled), OrderState.
SHIPMENT_STATES: Mapping[str, str] = MappingProxyType(
    {
        OPEN: "Pending",
        BACKORDERED: "Backorder",
        milestones.PACKED: "Ready",
        SOME + SHIPPED: "Partial",
        SHIPPED: "Shipped",
        DELIVERED: "Delivered",
        CANCELLED: "Canceled",
    }
)
ORDER_STATES: Mapping[str, str] = MappingProxyType(
    {SOME + milestones.ALLOCATED: "Confirmed", DELIVERED: "Complete", CANCELLED: "Cancelled"}
)
# Steps within one rank may be taken in both directions.
_SHIPMENT_RANKS = {"Partial": 1, "Shipped": 2, "Delivered": 3, "Canceled": 3}
_ORDER_RANKS = {"Open": 0, "Confirmed": 1, "Complete": 2, "Cancelled": 2}

# Where a milestone without a State of its own is shown: the nearest one before it on the way.
_BEFORE: Mapping[str, str] = MappingProxyType(
    {
        RETURNED: DELIVERED,
        DELIVERED: SHIPPED,
        SHIPPED: milestones.PACKED,
        milestones.PACKED: milestones.PICKED,
        milestones.PICKED: milestones.IN_PROCESS,
        milestones.IN_PROCESS: milestones.RELEASED,
        milestones.RELEASED: milestones.ALLOCATED,
        milestones.ALLOCATED: OPEN,
        BACKORDERED: OPEN,
    }
)


@dataclass(frozen=True, slots=True)
class ShopState:
    """A State of the project. `transitions` None: every other State may follow."""

    id: str
    key: str
    type: str
    is_initial: bool = False
    transitions: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class ShopStates:
    """The States that the configuration names, and those in which things begin."""

    by_key: Mapping[str, ShopState] = field(default_factory=dict)
    by_id: Mapping[str, ShopState] = field(default_factory=dict)


def shop_states(rows: Iterable[Mapping[str, Any]]) -> ShopStates:
    """The States of a project as read."""
    states = [
        ShopState(
            id=str(row["id"]),
            key=str(row.get("key") or ""),
            type=str(row.get("type") or ""),
            is_initial=row.get("initial") is True,
            transitions=None
            if row.get("transitions") is None
            else frozenset(str(each.get("id")) for each in row["transitions"]),
        )
        for row in rows
    ]
    return ShopStates({state.key: state for state in states}, {state.id: state for state in states})


def find_missing_states(
    states: ShopStates, *, line_states: Iterable[str], workflow_states: Iterable[str]
) -> list[tuple[str, str, str]]:
    """(key, type that it must have, type that it has or "") of each State that cannot be used."""
    wanted = [(key, "LineItemState") for key in line_states]
    wanted += [(key, "OrderState") for key in workflow_states]
    found = []
    for key, kind in dict.fromkeys(wanted):
        state = states.by_key.get(key)
        if state is None or state.type != kind:
            found.append((key, kind, state.type if state else ""))
    return found


# ---- line items ------------------------------------------------------------------------------------


def shown_cancelled(line: ShopLine, states: ShopStates, line_states: Mapping[str, str]) -> int:
    """Units that the shop shows as cancelled; they stay so."""
    key = line_states.get(CANCELLED)
    state = states.by_key.get(key) if key else None
    return line.states.get(state.id, 0) if state else 0


def plan_line_states(
    count: LineCount, states: ShopStates, line_states: Mapping[str, str], label: str
) -> list[Action] | Rejection:
    """Transitions from what is to what should be. Units in States of somebody else stay where they are and
    count for what is least advanced. Rejection `status-unmapped` where the States allow no way forward."""
    initial = states.by_key.get(INITIAL)
    if not line_states or initial is None:
        return []
    line = count.line
    state_of = {m: _state_of(m, line_states, states, initial) for m in milestones.MILESTONES}
    milestone_of: dict[str, str] = {}
    for milestone in reversed(milestones.MILESTONES):  # the least advanced one that shares a State
        milestone_of[state_of[milestone].id] = milestone
    milestone_of[initial.id] = OPEN
    current: dict[str, int] = {}
    for state_id, units in line.states.items():
        if state_id in milestone_of:
            milestone = milestone_of[state_id]
            current[milestone] = current.get(milestone, 0) + units
    wanted: dict[str, int] = {}
    for milestone, units in count.units.items():
        shared = milestone_of[state_of[milestone].id]
        wanted[shared] = wanted.get(shared, 0) + units
    wanted = _forward_only(wanted, current, sum(current.values()))
    return _transitions(line, wanted, current, state_of, label)


def _state_of(
    milestone: str, line_states: Mapping[str, str], states: ShopStates, initial: ShopState
) -> ShopState:
    at: str | None = milestone
    while at is not None:
        if at in line_states:
            return states.by_key[line_states[at]]
        at = _BEFORE.get(at)
    return initial


def _forward_only(wanted: Mapping[str, int], current: Mapping[str, int], movable: int) -> dict[str, int]:
    """`wanted`, cut to the units that may be moved, and with what was reached before."""
    result: dict[str, int] = {}
    want, have, reached = 0, 0, 0
    for milestone in GONE:
        want += wanted.get(milestone, 0)
        have += current.get(milestone, 0)
        # Cancelled units stay cancelled as well; a unit of another tool is nobody's to move.
        most = movable - current.get(CANCELLED, 0)
        result[milestone] = max(0, max(have, min(want, most)) - reached)
        reached += result[milestone]
    left = movable - reached
    cancelled = max(current.get(CANCELLED, 0), wanted.get(CANCELLED, 0))
    result[CANCELLED] = min(cancelled, left)
    left -= result[CANCELLED]
    for milestone in BEFORE_SHIPPING:
        result[milestone] = min(wanted.get(milestone, 0), left)
        left -= result[milestone]
    result[OPEN] += left
    return result


def _transitions(
    line: ShopLine,
    wanted: Mapping[str, int],
    current: Mapping[str, int],
    state_of: Mapping[str, ShopState],
    label: str,
) -> list[Action] | Rejection:
    order = [*GONE, CANCELLED, *BEFORE_SHIPPING]
    surplus = {m: current.get(m, 0) - wanted.get(m, 0) for m in order}
    actions: list[Action] = []
    for target in order:
        for source in order:
            units = min(-surplus[target], surplus[source])
            if units <= 0:
                continue
            through = _between(source, target, state_of)
            way = find_way(state_of[source], state_of[target], through)
            if way is None:
                if order.index(target) < order.index(source):
                    return _no_way(label, line, state_of[source], state_of[target])
                continue  # a step back that the project does not want to see
            surplus[target] += units
            surplus[source] -= units
            for here, there in pairwise(way):
                actions.append(_transition(line, units, here, there))
    return actions


def _between(source: str, target: str, state_of: Mapping[str, ShopState]) -> list[ShopState]:
    """States that a unit may pass on its way: never one that it has not reached, or from which there is no
    way back."""
    way = [*reversed(BEFORE_SHIPPING), *reversed(GONE)]
    if target == CANCELLED:
        target = milestones.PACKED
    if source == CANCELLED:
        return []
    low, high = sorted((way.index(source), way.index(target)))
    return [state_of[milestone] for milestone in way[low : high + 1] if milestone != BACKORDERED]


def _transition(line: ShopLine, units: int, source: ShopState, target: ShopState) -> Action:
    kind = "customLineItem" if line.is_custom else "lineItem"
    return {
        "action": f"transition{kind[0].upper()}{kind[1:]}State",
        f"{kind}Id": line.id,
        "quantity": units,
        "fromState": {"typeId": "state", "id": source.id},
        "toState": {"typeId": "state", "id": target.id},
    }


def find_way(source: ShopState, target: ShopState, through: Iterable[ShopState]) -> list[ShopState] | None:
    """The shortest way by the transitions that the States allow, through some of them; None when there is
    none."""
    others = {state.id: state for state in (*through, target)}
    ways: list[list[ShopState]] = [[source]]
    seen = {source.id}
    while ways:
        longer = []
        for way in ways:
            if way[-1].id == target.id:
                return way
            allowed = way[-1].transitions
            # Where everything is allowed, nothing is nearer than the target itself.
            following = (target.id,) if allowed is None else sorted(allowed & others.keys())
            longer += [[*way, others[id]] for id in following if id not in seen]
        seen |= {way[-1].id for way in longer}
        ways = longer
    return None


def _no_way(label: str, line: ShopLine, source: ShopState, target: ShopState) -> Rejection:
    return Rejection(
        "status-unmapped",
        f"order {label}: units of line {line.id} cannot go from State {source.key!r} to {target.key!r}: "
        "no transition leads there",
        field="status.line_states",
        hint="allow the transition in commercetools, or map the milestones between under "
        "[status.line_states]; then: ct-mao-sync replay-errors --code status-unmapped",
    )


# ---- the order -------------------------------------------------------------------------------------


def reached_value(counts: Sequence[LineCount], table: Mapping[str, str]) -> str:
    """What a table says of an order: the value of the most advanced milestone that all units, or some
    (`some_…`), have reached. "" when it says nothing. Cancelled units count only when all are."""
    total = sum(count.line.quantity for count in counts)
    live = total - sum(count.units.get(CANCELLED, 0) for count in counts)
    if total == 0:
        return ""
    if live == 0:
        return table.get(CANCELLED, "")
    at_least = {m: sum(count.at_least(m) for count in counts) for m in (*GONE, *BEFORE_SHIPPING)}
    backordered = sum(count.units.get(BACKORDERED, 0) for count in counts)
    for milestone in GONE:
        if milestone in table and at_least[milestone] == live:
            return table[milestone]
    for milestone in GONE:
        if SOME + milestone in table and at_least[milestone]:
            return table[SOME + milestone]
    if backordered:
        for name in (BACKORDERED, SOME + BACKORDERED):
            if name in table:
                return table[name]
    for milestone in BEFORE_SHIPPING:
        if milestone == BACKORDERED:
            continue
        if milestone in table and at_least[milestone] == live:
            return table[milestone]
        if SOME + milestone in table and at_least[milestone]:
            return table[SOME + milestone]
    return ""


def plan_shipment_state(
    order: ShopOrder, counts: Sequence[LineCount], table: Mapping[str, str]
) -> list[Action]:
    wanted = reached_value(counts, table)
    present = order.shipment_state
    step = _SHIPMENT_RANKS.get(wanted, 0) - _SHIPMENT_RANKS.get(present, 0)
    if not wanted or wanted == present or step < 0 or _SHIPMENT_RANKS.get(present) == 3:
        return []
    if step == 0 and present and present not in table.values():
        return []  # somebody else's word, such as Delayed, until there is something new to say
    return [{"action": "changeShipmentState", "shipmentState": wanted}]


def plan_order_state(order: ShopOrder, counts: Sequence[LineCount], table: Mapping[str, str]) -> list[Action]:
    wanted = reached_value(counts, table)
    if not wanted or _ORDER_RANKS.get(wanted, 0) <= _ORDER_RANKS.get(order.order_state, 0):
        return []
    return [{"action": "changeOrderState", "orderState": wanted}]


def plan_workflow_state(
    order: ShopOrder, counts: Sequence[LineCount], states: ShopStates, table: Mapping[str, str]
) -> list[Action] | Rejection:
    """The order's custom State: only from one of ours or from where orders begin. Rejection
    `status-unmapped` where the States allow no way forward."""
    key = reached_value(counts, table)
    if not key:
        return []
    target = states.by_key[key]
    if target.id == order.state_id:
        return []
    ranks = _workflow_ranks(table)
    ours = {states.by_key[name].id: rank for name, rank in ranks.items()}
    if not order.state_id:
        # The first State of an order must be an initial one (commercetools docs: transitionState).
        starts = [state for state in states.by_id.values() if state.is_initial and state.type == target.type]
        starts.sort(key=lambda state: (state.id != target.id, state.id))
    else:
        present = states.by_id.get(order.state_id)
        if present is None or not (present.id in ours or present.is_initial):
            return []
        was, now = ours.get(present.id, 0), ranks[key]
        if now < was and was >= _SHIPPED_RANK:
            return []
        starts = [present]
    most = ranks[key]
    through = [states.by_key[name] for name, rank in ranks.items() if rank <= most]
    for start in starts:
        way = find_way(start, target, through)
        if way is not None:
            steps = way if not order.state_id else way[1:]
            return [{"action": "transitionState", "state": {"typeId": "state", "id": s.id}} for s in steps]
    if order.state_id and ranks[key] < ours.get(order.state_id, 0):
        return []
    return Rejection(
        "status-unmapped",
        f"order {order.label}: no transition leads to the State {key!r}",
        field="status.workflow_states",
        hint="allow the transition in commercetools, or make a State initial; then: "
        "ct-mao-sync replay-errors --code status-unmapped",
    )


_SHIPPED_RANK = 100


def _workflow_ranks(table: Mapping[str, str]) -> dict[str, int]:
    """State key -> how far it is; from `_SHIPPED_RANK` on there is no way back."""
    ranks: dict[str, int] = {}
    for name, key in table.items():
        milestone = name.removeprefix(SOME)
        rank = 2 * milestones.MILESTONES.index(milestone) + (milestone == name)
        if milestone in (*GONE, CANCELLED):
            rank += _SHIPPED_RANK
        ranks[key] = min(rank, ranks.get(key, rank))
    return ranks
