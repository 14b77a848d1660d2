"""What one commercetools order lacks of what MAO has done with it: one list of update actions, computed as a
difference. Doing it twice adds nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.address import masks_of_address
from ct_mao_sync.mapping.fulfilment import Fulfilment, FulfilmentRules
from ct_mao_sync.mapping.item_units import ItemUnits
from ct_mao_sync.mapping.locations import Locations
from ct_mao_sync.mapping.milestones import CANCELLED
from ct_mao_sync.mapping.shop_order import ShopOrder
from ct_mao_sync.mapping.status_deliveries import Carrier, DeliveryRules, plan_deliveries, plan_estimates
from ct_mao_sync.mapping.status_lines import LineCount, count_lines
from ct_mao_sync.mapping.status_states import (
    ORDER_STATES,
    SHIPMENT_STATES,
    ShopStates,
    plan_line_states,
    plan_order_state,
    plan_shipment_state,
    plan_workflow_state,
    shown_cancelled,
)

if TYPE_CHECKING:
    from ct_mao_sync.config import Config

Action = dict[str, Any]

ACTIONS_MAX = 500  # commercetools docs, update actions
_SHOWN_MAX = 6


@dataclass(frozen=True, slots=True)
class StatusRules:
    """Every setting that the plan depends on. `line_states` and `workflow_states` hold State keys."""

    fulfilment: FulfilmentRules
    line_states: Mapping[str, str] = field(default_factory=dict)
    workflow_states: Mapping[str, str] = field(default_factory=dict)
    shipment_states: Mapping[str, str] = field(default_factory=lambda: SHIPMENT_STATES)
    order_states: Mapping[str, str] = field(default_factory=lambda: ORDER_STATES)
    deliveries: DeliveryRules = field(default_factory=DeliveryRules)
    match_by_item: bool = False

    @property
    def state_keys(self) -> tuple[str, ...]:
        """Every State that must be known."""
        return tuple(dict.fromkeys([*self.line_states.values(), *self.workflow_states.values()]))


def status_rules(config: Config) -> StatusRules:
    status = config.status
    return StatusRules(
        fulfilment=FulfilmentRules(
            item_units=ItemUnits(config.skus, config.mapping.uom, config.orders.default_uom),
            uom=config.mapping.uom,
            milestones=status.milestones,
            digital_delivery=config.orders.digital_delivery,
        ),
        line_states={str(name): key for name, key in status.line_states.items()},
        workflow_states={str(name): key for name, key in status.workflow_states.items()},
        shipment_states=_table(status.shipment_states, SHIPMENT_STATES),
        order_states=_table(status.order_states, ORDER_STATES),
        deliveries=DeliveryRules(
            per=status.delivery_per,
            carriers={code: Carrier(carrier.name, carrier.url) for code, carrier in status.carriers.items()},
            type_key=status.delivery_type,
            fields={str(what): name for what, name in status.delivery_fields.items()},
            locations=Locations(config.mapping.locations),
        ),
        match_by_item=status.match_by_item,
    )


def _table(given: Mapping[Any, str], product: Mapping[str, str]) -> Mapping[str, str]:
    """A table of the file takes the place of the product's; an entry without value says nothing."""
    return {name: value for name, value in given.items() if value} if given else product


@dataclass(frozen=True, slots=True)
class UpdateOrder:
    """At most 500 actions, all or none. `version` None: whatever the write before it has made."""

    order_id: str
    label: str
    version: int | None
    actions: Sequence[Action]
    action = "update"

    @property
    def subject(self) -> str:
        return f"order {self.label}"

    @property
    def body(self) -> dict[str, Any]:
        return {"version": self.version, "actions": list(self.actions)}


@dataclass(frozen=True, slots=True)
class StatusPlan:
    """`rejection`: what the shop cannot be told; the rest is told all the same."""

    writes: tuple[UpdateOrder, ...]
    summary: tuple[str, ...]
    rejection: Rejection | None = None
    personal: Mapping[str, str] = field(default_factory=dict)


def plan_status(
    fulfilment: Fulfilment, order: ShopOrder, states: ShopStates, rules: StatusRules
) -> StatusPlan:
    """All that is missing in the order. Rejections: `line-not-found`, `quantity-exceeded`,
    `status-unmapped`."""
    item_units: ItemUnits | None = rules.fulfilment.item_units if rules.match_by_item else None
    counts, rejection = count_lines(fulfilment, order, item_units)
    counts = [_with_shown_cancelled(count, states, rules) for count in counts]
    planned = plan_deliveries(order, counts, rules.deliveries)
    actions = list(planned.actions)
    if planned.exceeded:
        rejection = rejection or _exceeded(fulfilment, order, planned.exceeded)
    found: list[list[Action] | Rejection] = [
        plan_line_states(count, states, rules.line_states, order.label) for count in counts
    ]
    found += [
        plan_shipment_state(order, counts, rules.shipment_states),
        plan_order_state(order, counts, rules.order_states),
        plan_workflow_state(order, counts, states, rules.workflow_states),
        plan_estimates(order, counts),
    ]
    for each in found:
        if isinstance(each, Rejection):
            rejection = rejection or each
        else:
            actions += each
    writes = tuple(
        UpdateOrder(
            order.id,
            order.label,
            None if start else order.version,
            actions[start : start + ACTIONS_MAX],
        )
        for start in range(0, len(actions), ACTIONS_MAX)
    )
    return StatusPlan(
        writes,
        tuple(f"{write.action} {write.subject}: {_told(write.actions, order, states)}" for write in writes),
        rejection,
        {
            value: mask
            for action in planned.actions
            for value, mask in masks_of_address(action.get("address") or {}).items()
        },
    )


def _with_shown_cancelled(count: LineCount, states: ShopStates, rules: StatusRules) -> LineCount:
    """A unit that the shop shows as cancelled stays so: it is not there to be shipped."""
    more = shown_cancelled(count.line, states, rules.line_states) - count.units.get(CANCELLED, 0)
    if more <= 0:
        return count
    units = dict(count.units)
    for milestone in reversed([m for m in units if m != CANCELLED]):
        taken = min(more, units[milestone])
        units[milestone] -= taken
        units[CANCELLED] = units.get(CANCELLED, 0) + taken
        more -= taken
    return LineCount(count.line, {m: n for m, n in units.items() if n}, count.shipments)


def _exceeded(fulfilment: Fulfilment, order: ShopOrder, exceeded: Mapping[str, tuple[int, int]]) -> Rejection:
    line_id, (shipped, shown) = next(iter(exceeded.items()))
    return Rejection(
        "quantity-exceeded",
        f"order {order.label}: MAO order {fulfilment.mao_order_id} has shipped {shipped} of line {line_id}, "
        f"of which the shop can be shown only {shown}: more was shipped than ordered and not cancelled, or "
        "another tool made a Delivery of the same units",
        field="OrderLine.FulfillmentDetail.Quantity",
        hint="compare both; take the other tool's Delivery away or correct the order, then: "
        f"ct-mao-sync replay-errors --job status --entity {order.id}",
    )


def _told(actions: Sequence[Action], order: ShopOrder, states: ShopStates) -> str:
    """The actions in words, without personal values."""
    parts = [_words(action, order, states) for action in actions]
    shown = parts[:_SHOWN_MAX]
    if len(parts) > len(shown):
        shown.append(f"and {len(parts) - len(shown)} more")
    return "; ".join(shown)


def _words(action: Action, order: ShopOrder, states: ShopStates) -> str:
    name = action["action"]
    if name == "addDelivery":
        units = sum(item["quantity"] for item in action["items"])
        parcels = len(action["parcels"])
        return (
            f"add delivery {action['deliveryKey']} ({units} {'unit' if units == 1 else 'units'}, "
            f"{parcels} {'parcel' if parcels == 1 else 'parcels'})"
        )
    if name in ("transitionLineItemState", "transitionCustomLineItemState"):
        line_id = str(action.get("lineItemId") or action.get("customLineItemId"))
        source, target = (states.by_id[action[field]["id"]].key for field in ("fromState", "toState"))
        return f"move {action['quantity']} of {order.name_of(line_id)} from {source} to {target}"
    if name == "changeShipmentState":
        return f"shipment state {action['shipmentState']}"
    if name == "changeOrderState":
        return f"order state {action['orderState']}"
    if name == "transitionState":
        return f"state {states.by_id[action['state']['id']].key}"
    if name == "setEstimatedDelivery":
        return f"estimated delivery until {action['estimatedDelivery']['until']}"
    verbs = {
        "removeDelivery": "remove delivery",
        "setDeliveryItems": "units of delivery",
        "addParcelToDelivery": "add parcel",
        "removeParcelFromDelivery": "remove parcel",
        "setParcelItems": "units of parcel",
        "setParcelTrackingData": "tracking of parcel",
    }
    return f"{verbs[name]} {action.get('parcelKey') or action.get('deliveryKey')}"
