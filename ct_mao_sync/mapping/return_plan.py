"""What to write to a commercetools order so that its ReturnInfos say what MAO says. Pure.

Items are added, their shipment state set once their units are verified, their payment state once they are
paid back; nothing ever goes back, and no item of another writer is touched. What cannot be done is a problem
of its part only: the rest of the return goes through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.return_allocate import Group, Slot, deal_out
from ct_mao_sync.mapping.return_events import (
    OutboxEvent,
    gives_something_back,
    groups_of,
    refunded,
    worth,
)
from ct_mao_sync.mapping.return_events import disposed as disposed_event
from ct_mao_sync.mapping.return_keys import ADVISED as ADVISED_KEY
from ct_mao_sync.mapping.return_keys import condition_key, item_key, line_key, parse_key
from ct_mao_sync.mapping.return_order import (
    BACK_IN_STOCK,
    KEPT,
    UNMAPPED,
    UNUSABLE,
    ReturnLine,
    ReturnRules,
    WantedReturn,
)
from ct_mao_sync.mapping.return_place import Place, find_place
from ct_mao_sync.mapping.return_problems import ReturnProblems
from ct_mao_sync.mapping.return_shop import (
    ADVISED,
    INITIAL,
    RETURNED,
    ShopItem,
    ShopOrder,
)
from ct_mao_sync.mapping.return_text import render_comment, render_fields, same_value
from ct_mao_sync.mapping.return_write import add_info, rewrite_infos


@dataclass(frozen=True, slots=True)
class ReturnTarget:
    """The parent order on both sides. `order_id`: its id in the shop, by MAO's word; "" when the order is not
    of a shop of ours."""

    parent: Mapping[str, Any] | None
    order_id: str = ""
    order: ShopOrder | None = None
    malformed: bool = False
    type_id: str = ""
    """Id of the Type of `returns.item_type`, "" when it is not needed or not there."""


@dataclass(frozen=True, slots=True)
class ReturnBase:
    """What the state remembers: the newest version seen, and the items that were recorded."""

    version: int = 0
    items: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlannedReturn:
    """`items`: key -> units of every item that is recorded once the actions are done. `is_open`: MAO has more
    to tell (what waits as a dead letter is followed as such). `skip`: why nothing is to be done."""

    actions: tuple[Mapping[str, Any], ...] = ()
    summary: tuple[str, ...] = ()
    problems: tuple[Rejection, ...] = ()
    events: tuple[OutboxEvent, ...] = ()
    items: Mapping[str, int] = field(default_factory=dict)
    is_open: bool = False
    skip: str = ""


@dataclass(slots=True)
class _Item:
    """One item of the line being planned: there already, deleted by somebody, or new."""

    slot: Slot
    shop: ShopItem | None = None
    deleted: bool = False


def plan_return(
    wanted: WantedReturn, target: ReturnTarget, base: ReturnBase, rules: ReturnRules
) -> PlannedReturn:
    """Planning once more after the actions are done gives no action."""
    problems = ReturnProblems(wanted)
    if target.parent is None:
        return PlannedReturn(problems=(problems.parent_unknown(),), items=base.items)
    if not target.order_id:
        return PlannedReturn(skip="its order is not of this shop")
    if target.malformed:
        return PlannedReturn(problems=(problems.order_malformed(target.order_id),), items=base.items)
    if target.order is None:
        return PlannedReturn(problems=(problems.order_unknown(target.order_id),), items=base.items)
    planner = _Planner(wanted, target, target.order, base, rules, problems)
    for line in wanted.lines:
        planner.plan_line(line, target.parent)
    planner.events += refunded(wanted, target.order, planner.places)
    return planner.finish()


@dataclass(slots=True)
class _Planner:
    wanted: WantedReturn
    target: ReturnTarget
    order: ShopOrder
    base: ReturnBase
    rules: ReturnRules
    problems: ReturnProblems
    drafts: dict[str, dict[str, Any]] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    """Keys of announcements that a rewrite replaces."""
    changes: list[dict[str, Any]] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)
    events: list[OutboxEvent] = field(default_factory=list)
    recorded: dict[str, int] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)
    """Line -> units that this plan adds."""
    places: dict[str, Place] = field(default_factory=dict)
    is_open: bool = False

    # ---- a line ------------------------------------------------------------------------------------

    def plan_line(self, line: ReturnLine, parent: Mapping[str, Any]) -> None:
        owed = line.refund.expected and not line.refund.done and bool(line.units)
        self.is_open |= not line.finished or owed
        prefix = line_key(self.wanted.return_id, line.line_id)
        mine = [item for item in self.order.items() if item.ours and item.ours.line == prefix]
        gone = self._deleted(prefix, mine)
        if not (line.units or line.strange or mine or gone or self.rules.add_when == "advised"):
            return
        place = find_place(line, parent, self.order, self.rules)
        if isinstance(place, str):
            if line.units or line.strange:
                self.problems.line_unknown(line, place)
            self._remember(mine, gone)
            return
        if place.whole(line.strange):
            self.problems.other_item(line, place.whole(line.strange))
        self.places[line.line_id] = place
        groups = groups_of(line, place)
        there = [_Item(_slot_of(item), item) for item in mine if item.shipment_state != ADVISED]
        lost = [_Item(Slot(key, _condition_of(key), units), deleted=True) for key, units in gone.items()]
        # In the order in which they stand, or would stand, in the shop: so the next plan deals out alike.
        items = [*there, *lost] if self.rules.recreate else [*lost, *there]
        left = deal_out([item.slot for item in items], groups)
        if gone and not self.rules.recreate:
            self.problems.deleted(line, list(gone))
        fresh = self._new_items(prefix, items, left)
        again = lost if self.rules.recreate else []
        announced = [item for item in mine if item.shipment_state == ADVISED]
        if self._add(line, place, [*again, *fresh], announced, sum(group.quantity for group in groups)):
            items += fresh
            deal_out([item.slot for item in items], groups)
        self._remember(mine, gone)
        position = 0
        for item in items:
            self._follow(line, place, item, position)
            position += item.slot.quantity

    def _deleted(self, prefix: str, mine: list[ShopItem]) -> dict[str, int]:
        """Items that were recorded and are not there any more."""
        there = {item.key for item in mine}
        return {
            key: units
            for key, units in self.base.items.items()
            if key not in there and (parsed := parse_key(key)) is not None and parsed.line == prefix
        }

    def _remember(self, mine: list[ShopItem], gone: Mapping[str, int]) -> None:
        self.recorded |= gone
        self.recorded |= {item.key: item.quantity for item in mine if item.shipment_state != ADVISED}

    def _new_items(self, prefix: str, items: list[_Item], left: list[Group]) -> list[_Item]:
        """One item for each condition and fate: what is verified need not wait for the rest."""
        numbers: dict[str, int] = {}
        for item in items:
            parsed = parse_key(item.slot.key)
            if parsed is not None:
                numbers[parsed.condition] = max(numbers.get(parsed.condition, 0), parsed.number)
        fresh = []
        for group in left:
            condition = condition_key(group.condition)
            numbers[condition] = numbers.get(condition, 0) + 1
            key = item_key(prefix, condition, numbers[condition])
            fresh.append(_Item(Slot(key, condition, group.quantity, groups=[group])))
        return fresh

    def _add(
        self, line: ReturnLine, place: Place, items: list[_Item], announced: list[ShopItem], came: int
    ) -> bool:
        """Drafts of the new items and, with "advised", of what is still to come. False when they must not be
        added."""
        units = sum(item.slot.quantity for item in items)
        expected = 0
        if self.rules.add_when == "advised" and not line.finished:
            expected = max(0, place.whole(line.expected) - came)
        shown = sum(item.quantity for item in announced)
        stale = shown > expected and self.rules.add_when == "advised"
        further = expected if stale else max(0, expected - shown)
        if not units and not stale and not further:
            return True
        if units + further:
            total = self._recorded(place.line.id, announced if stale else ()) + units + further
            if total > min(place.shipped, place.line.quantity):
                self.problems.too_many(line, total, min(place.shipped, place.line.quantity))
                return False
            if self.rules.wait_for_delivery and self.order.ships and total > place.line.delivered:
                self.problems.not_delivered(line, self.order.label, total, place.line.delivered)
                return False
        if stale and not all(item.ours and item.is_untouched for item in self.order.items()):
            self.problems.rewrite_unsafe(line, self.order.label)
            return False
        if stale:
            self.dropped |= {item.key for item in announced}
            self.summary.append(f"rewrite its return infos: line {line.line_id} has moved on")
        for item in items:
            self.drafts[item.slot.key] = self._draft(line, place, item.slot, RETURNED)
            self.recorded[item.slot.key] = item.slot.quantity
        if further:
            prefix = line_key(self.wanted.return_id, line.line_id)
            number = max((item.ours.number for item in announced if item.ours), default=0) + 1
            slot = Slot(item_key(prefix, ADVISED_KEY, number), ADVISED_KEY, further)
            self.drafts[slot.key] = self._draft(line, place, slot, ADVISED)
        self.added[place.line.id] = self.added.get(place.line.id, 0) + units + further
        return True

    def _recorded(self, line_id: str, replaced: Sequence[ShopItem]) -> int:
        """Units of a line that are recorded, whoever wrote them, with what this plan adds. Announcements of
        others do not count."""
        gone = self.dropped | {item.key for item in replaced}
        total = self.added.get(line_id, 0)
        for item in self.order.items():
            announced = item.shipment_state == ADVISED
            counts = bool(item.ours) and self.rules.add_when == "advised" if announced else True
            if item.line_id == line_id and counts and item.key not in gone:
                total += item.quantity
        return total

    def _draft(self, line: ReturnLine, place: Place, slot: Slot, state: str) -> dict[str, Any]:
        draft: dict[str, Any] = {
            "key": slot.key,
            "quantity": slot.quantity,
            "customLineItemId" if place.line.custom else "lineItemId": place.line.id,
            "shipmentState": state,
        }
        if comment := render_comment(self.rules.comment, self.wanted, line, slot.groups):
            draft["comment"] = comment
        if self.rules.item_type:
            draft["custom"] = {
                "type": {"typeId": "type", "key": self.rules.item_type},
                "fields": self._fields(line, slot, None, settled=False),
            }
        condition = ", ".join(dict.fromkeys(group.condition for group in slot.groups if group.condition))
        what = f"{slot.quantity} of {self.order.name_of(place.line.id)}"
        self.summary.append(f"add {what} as {state}{f' ({condition})' if condition else ''}")
        return draft

    # ---- what becomes of an item -------------------------------------------------------------------

    def _follow(self, line: ReturnLine, place: Place, item: _Item, position: int) -> None:
        slot = item.slot
        groups = slot.groups
        complete = slot.filled == slot.quantity or line.finished
        verified = bool(groups) and all(group.fate for group in groups) and complete
        fates = {group.fate for group in groups}
        disposed = verified and UNMAPPED not in fates
        amount = self._worth(line, place, position, slot.filled) if verified else None
        refunded = verified and line.refund.done and bool(amount) and gives_something_back(self.wanted, line)
        if disposed and amount is not None:
            self.events.append(
                disposed_event(self.wanted, self.order, line, place, slot.key, groups, position)
            )
        if item.shop is None and slot.key not in self.drafts:
            return  # deleted, or not to be added
        if verified and UNMAPPED in fates:
            self.problems.unmapped(line, [group for group in groups if group.fate == UNMAPPED])
        self._set_shipment_state(line, item, fates, disposed=disposed)
        self._set_payment_state(line, item, verified=verified, refunded=refunded)
        if self.rules.item_type:
            self._set_fields(line, item, amount, settled=disposed)

    def _set_shipment_state(self, line: ReturnLine, item: _Item, fates: set[str], *, disposed: bool) -> None:
        shown = item.shop.shipment_state if item.shop else RETURNED
        if not disposed or shown != RETURNED or fates == {KEPT}:
            return
        if len(fates) > 1 or item.slot.filled < item.slot.quantity:
            self.problems.split(line, item.slot)
            return
        (fate,) = fates
        if fate in (BACK_IN_STOCK, UNUSABLE):
            self._change("setReturnShipmentState", item.slot.key, shipmentState=fate)
            self.summary.append(f"set {item.slot.key} to {fate}")

    def _set_payment_state(self, line: ReturnLine, item: _Item, *, verified: bool, refunded: bool) -> None:
        shown = item.shop.payment_state if item.shop else INITIAL
        if not self.rules.payment_state or shown != INITIAL:
            return  # decided already, by whomever
        vanished = line.finished and not item.slot.groups
        wanted = ""
        if refunded:
            wanted = "Refunded"
        elif vanished or (verified and line.refund.done):
            wanted = "NotRefunded"  # MAO took it out of the return, or is done and gives nothing for it
        if wanted:
            self._change("setReturnPaymentState", item.slot.key, paymentState=wanted)
            self.summary.append(f"set {item.slot.key} to {wanted}")

    def _set_fields(self, line: ReturnLine, item: _Item, amount: int | None, *, settled: bool) -> None:
        key = item.slot.key
        fields = self._fields(line, item.slot, amount, settled=settled)
        if item.shop is None:
            self.drafts[key]["custom"]["fields"] = fields
        elif item.shop.custom is None:
            custom_type = {"typeId": "type", "key": self.rules.item_type}
            self._change("setReturnItemCustomType", key, type=custom_type, fields=fields)
            self.summary.append(f"set the custom type of {key}")
        elif (item.shop.custom.get("type") or {}).get("id") == self.target.type_id:
            shown = item.shop.custom.get("fields") or {}
            for name, value in fields.items():
                # Units are dealt out anew until they are settled; what was told at first stays till then.
                if not same_value(shown.get(name), value) and (settled or name not in shown):
                    self._change("setReturnItemCustomField", key, name=name, value=value)
                    self.summary.append(f"set {name} of {key}")

    def _fields(self, line: ReturnLine, slot: Slot, amount: int | None, *, settled: bool) -> dict[str, Any]:
        return render_fields(
            self.rules.item_fields or {}, self.wanted, line, slot.groups, amount=amount, settled=settled
        )

    def _change(self, action: str, key: str, **values: Any) -> None:
        self.changes.append({"action": action, "returnItemKey": key, **values})

    def _worth(self, line: ReturnLine, place: Place, position: int, units: int) -> int | None:
        amount = worth(self.wanted, line, place, position, units)
        if amount is None:
            self.problems.no_price(line)
        return amount

    def finish(self) -> PlannedReturn:
        actions: list[Mapping[str, Any]] = []
        if self.dropped:
            actions.append(rewrite_infos(self.order, self.dropped, self.wanted, list(self.drafts.values())))
        elif self.drafts:
            actions.append(add_info(self.wanted, list(self.drafts.values())))
        actions += self.changes
        return PlannedReturn(
            tuple(actions),
            tuple(self.summary),
            self.problems.found(),
            tuple(self.events),
            self.recorded,
            self.is_open,
        )


def _slot_of(item: ShopItem) -> Slot:
    assert item.ours is not None
    decided = item.shipment_state if item.shipment_state in (BACK_IN_STOCK, UNUSABLE) else ""
    return Slot(item.key, item.ours.condition, item.quantity, decided)


def _condition_of(key: str) -> str:
    parsed = parse_key(key)
    return parsed.condition if parsed else ""
