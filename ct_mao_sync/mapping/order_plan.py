"""What is to be done about one order: create, update, cancel, acknowledge, or nothing. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.order_adopt import base_for_shop, differences
from ct_mao_sync.mapping.order_merge import SentBase, merge_order, order_locked
from ct_mao_sync.mapping.order_state import (
    RELEASED,
    REQUEST_FAILED,
    REQUESTED,
    active_hold,
    cancellation_request,
    is_cancelled,
    is_line_late_cancellable,
    is_line_terminal,
    is_terminal,
    max_status,
)

# Sent with EVERY save, also an update: MAO must neither price, charge nor tax again, nor settle
# (DOC: order-pricing; IsImport(ed) is never set, it suppresses all events).
ORDER_ACTIONS: Mapping[str, Any] = {
    "IsAlreadyPriced": True,
    "IsAlreadyCharged": True,
    "IsAlreadyTaxed": True,
    "SkipPaymentProcessing": True,
}


@dataclass(frozen=True, slots=True)
class WantedOrder:
    """One order as the shop has it now."""

    entity: str
    label: str
    version: int
    payload: Mapping[str, Any] | None
    """The complete save body without OrderId; None for a cancelled order."""
    hold: Literal["none", "waiting", "paid"]
    cancelled: bool
    not_exportable: str
    """Why it would not be created in MAO; "" when it would."""
    order_id: str | Rejection
    """What the template makes of it, for an order that is not in MAO yet."""
    candidates: tuple[str, ...]
    """OrderIds under which it may already be in MAO."""
    sync_info: tuple[tuple[str, str], ...]
    """(channel id, externalId), the newest of each channel."""


@dataclass(frozen=True, slots=True)
class SentOrder:
    """What the state remembers of earlier exports."""

    mao_order_id: str
    version: int
    """commercetools version that MAO was last stamped with."""
    acked: bool
    base: SentBase
    cancelling: bool = False
    """A late cancellation that we asked for was not decided yet when MAO was last looked at."""


@dataclass(frozen=True, slots=True)
class OrderTarget:
    """What MAO has."""

    order_id: str | Rejection
    """Under which id the order is, or would be, in MAO."""
    order: Mapping[str, Any] | None
    where: Literal["active", "archived", "absent"]
    taken: bool = False
    """The OrderId belongs to another order of the tenant."""
    known: bool = False
    """By our own word (state, sync info) it must be in MAO."""
    external_id: str = ""
    """Our sync info on the commercetools order, "" when there is none."""


@dataclass(frozen=True, slots=True)
class OrderRulesOfChange:
    """The settings that decide about changes, as plain values."""

    salt: bytes
    cancel_reason: str
    late_cancel: bool
    hold_type_id: str
    hold_resolve_reason: str
    sync_channel: str
    shop_wins: bool = False
    """A person says that the shop is right where nothing is known of what was sent last."""


@dataclass(frozen=True, slots=True)
class SaveOrder:
    """POST order/save: creates or updates one order."""

    order_id: str
    body: Mapping[str, Any]
    creates: bool
    changed: tuple[str, ...] = ()

    @property
    def action(self) -> str:
        return "create" if self.creates else "update"

    @property
    def subject(self) -> str:
        return f"MAO order {self.order_id}"


@dataclass(frozen=True, slots=True)
class CancelOrder:
    order_id: str
    reason_id: str
    late_lines: tuple[str, ...]
    """Lines to ask for one by one when MAO refuses the whole; empty = do not."""
    org_id: str = ""
    """The organisation that MAO says the order belongs to."""

    action = "cancel"

    @property
    def subject(self) -> str:
        return f"MAO order {self.order_id}"

    @property
    def body(self) -> Mapping[str, Any]:
        org_id = {"OrgId": self.org_id} if self.org_id else {}
        return {"OrderId": self.order_id, **org_id, "CancelReason": {"ReasonId": self.reason_id}}


@dataclass(frozen=True, slots=True)
class UpdateSyncInfo:
    entity: str
    version: int
    channel_key: str
    external_id: str

    action = "acknowledge"

    @property
    def subject(self) -> str:
        return f"commercetools order {self.entity} as {self.external_id}"

    @property
    def body(self) -> Mapping[str, Any]:
        return {
            "version": self.version,
            "actions": [
                {
                    "action": "updateSyncInfo",
                    "channel": {"typeId": "channel", "key": self.channel_key},
                    "externalId": self.external_id,
                }
            ],
        }


Write = SaveOrder | CancelOrder | UpdateSyncInfo


@dataclass(frozen=True, slots=True)
class OrderPlan:
    writes: tuple[Write, ...]
    reason: str = ""
    """Why nothing is to be done although shop and MAO differ, "" when they agree."""
    pending: bool = False
    """A late cancellation is still being decided in MAO."""
    outdated: bool = False
    """MAO has a newer version of the order."""


def export_refusal(
    raw: Mapping[str, Any],
    *,
    created_at: datetime,
    start_at: datetime | None,
    order_states: Sequence[str],
    payment_states: Sequence[str],
    stores: Sequence[str],
) -> str:
    """Why this order would not be created in MAO, "" when it would. An order that was exported once is
    followed whatever state it takes."""
    state = raw.get("orderState")
    store = (raw.get("store") or {}).get("key")
    if start_at is not None and created_at < start_at:
        return "created before orders.start_at"
    if state == "Cancelled":
        return "cancelled before it was exported"
    if state == "Complete" or state not in order_states:
        return f"orderState {state} is not in orders.order_states"
    if payment_states and raw.get("paymentState") not in payment_states:
        return f"paymentState {raw.get('paymentState')} is not in orders.payment_states"
    if stores and store not in stores:
        return "its store is not in orders.stores"
    if raw.get("shipmentState") in ("Shipped", "Delivered", "Partial") or _has_deliveries(raw):
        return "shipped before it was exported"
    if any((info or {}).get("items") for info in raw.get("returnInfo") or ()):
        return "returned before it was exported"
    return ""


def _has_deliveries(raw: Mapping[str, Any]) -> bool:
    infos = [raw.get("shippingInfo"), *((s or {}).get("shippingInfo") for s in raw.get("shipping") or ())]
    return any((info or {}).get("deliveries") for info in infos)


def plan_order(
    wanted: WantedOrder, target: OrderTarget, sent: SentOrder | None, rules: OrderRulesOfChange
) -> OrderPlan | Rejection:
    """The writes that bring MAO, and our sync info, in line with the shop."""
    if _belongs_to_somebody_else(wanted, target):
        if wanted.not_exportable and not target.known:
            return OrderPlan((), wanted.not_exportable)
        return Rejection(
            code="order-id-taken",
            message=f"order {wanted.label}: MAO has an order {target.order_id} that belongs to somebody else "
            "(another AlternateOrderId); it was not touched",
            field="orders.order_id",
            hint='give exported orders ids of their own, e.g. order_id = "WEB-{orderNumber}" under [orders], '
            f"then: ct-mao-sync replay-errors --entity {wanted.entity}",
        )
    if target.order is None:
        return _plan_absent(wanted, target, rules)
    if target.where == "archived":
        return _plan_archived(wanted, target, sent, rules)
    if sent is not None and 0 < wanted.version < sent.version:
        # A late read of the source must not bring back what a newer version has changed since.
        return OrderPlan((), "an older version of the order than the one that MAO has", outdated=True)
    if wanted.cancelled:
        return _plan_cancellation(wanted, target, sent, rules)
    return _plan_update(wanted, target, sent, rules)


def _belongs_to_somebody_else(wanted: WantedOrder, target: OrderTarget) -> bool:
    owner = target.order.get("AlternateOrderId", wanted.entity) if target.order is not None else wanted.entity
    return target.taken or owner != wanted.entity


def _plan_absent(
    wanted: WantedOrder, target: OrderTarget, rules: OrderRulesOfChange
) -> OrderPlan | Rejection:
    if target.known:
        return Rejection(
            code="order-not-found",
            message=f"order {wanted.label}: it was exported as {target.order_id}, but MAO has no such order, "
            "not in its archive either; it was not sent again",
            hint="find out who removed it in MAO. Nothing is sent twice; "
            "to leave it so: ct-mao-sync errors discard",
        )
    if wanted.not_exportable:
        return OrderPlan((), wanted.not_exportable)
    if isinstance(target.order_id, Rejection):
        return target.order_id
    if wanted.payload is None:
        return OrderPlan((), "cancelled before it was exported")
    body = {
        "OrderId": target.order_id,
        **wanted.payload,
        "OrderActions": {**ORDER_ACTIONS, "VersionTimestamp": str(wanted.version)},
    }
    save = SaveOrder(target.order_id, body, creates=True)
    return OrderPlan((save, *_sync_info(wanted, target, rules)))


def _plan_archived(
    wanted: WantedOrder, target: OrderTarget, sent: SentOrder | None, rules: OrderRulesOfChange
) -> OrderPlan | Rejection:
    """MAO archives an order some 30 days after it is finished: nothing can change there any more."""
    changed = _unsent_changes(wanted, target, sent, rules)
    if not changed:
        # The shop is still told its OrderId: the next time nothing but that may know that it was exported.
        return OrderPlan(() if wanted.cancelled else _sync_info(wanted, target, rules))
    return Rejection(
        code="order-locked",
        message=f"order {wanted.label}: MAO has archived it as {target.order_id}; "
        f"the shop's change of {changed[0]} was not sent",
        field=changed[0],
        hint="un-archive it in MAO when the change matters, then: "
        f"ct-mao-sync replay-errors --entity {wanted.entity}; else: ct-mao-sync errors discard",
    )


def _unsent_changes(
    wanted: WantedOrder, target: OrderTarget, sent: SentOrder | None, rules: OrderRulesOfChange
) -> Sequence[str]:
    """What of the shop's order an order that takes no changes any more does not have."""
    assert target.order is not None
    if wanted.payload is None:
        return [] if is_cancelled(target.order) else ["orderState"]
    if sent is None or not sent.base.known:
        return differences(wanted.payload, target.order)
    merge = merge_order(
        wanted.payload,
        target.order,
        sent.base,
        salt=rules.salt,
        cancel_reason=rules.cancel_reason,
        with_quantities=True,
        with_shipped_lines=True,
    )
    return merge.changed + merge.locked


def _plan_cancellation(
    wanted: WantedOrder, target: OrderTarget, sent: SentOrder | None, rules: OrderRulesOfChange
) -> OrderPlan | Rejection:
    assert target.order is not None and isinstance(target.order_id, str)
    if is_cancelled(target.order):
        return OrderPlan(())
    if is_terminal(target.order):
        return OrderPlan((), "already finished in MAO, nothing left to cancel")
    open_lines = [
        line
        for line in target.order.get("OrderLine") or ()
        if not line.get("IsReturn") and not is_line_terminal(line)
    ]
    requests = [cancellation_request(line) for line in open_lines]
    failed = any(request in REQUEST_FAILED for request in requests)
    if failed and sent is not None and sent.cancelling and REQUESTED not in requests:
        # The answer to what we asked. Asked again only when a person says so.
        return cancel_refused(wanted.label, wanted.entity, target.order_id, "the late cancellation failed")
    late_lines = tuple(
        str(line["OrderLineId"])
        for line, request in zip(open_lines, requests, strict=True)
        if request != REQUESTED and is_line_late_cancellable(line)
    )
    if REQUESTED in requests and (failed or not late_lines):
        return OrderPlan((), "MAO has not decided about the late cancellation yet", pending=True)
    org_id = str(target.order.get("OrgId") or "")
    late = late_lines if rules.late_cancel else ()
    return OrderPlan((CancelOrder(target.order_id, rules.cancel_reason, late, org_id),))


def cancel_refused(label: str, entity: str, order_id: str, why: str) -> Rejection:
    return Rejection(
        code="cancel-refused",
        message=f"order {label}: the shop cancelled it, but MAO did not cancel {order_id}: {why}",
        field="orderState",
        hint="stop it in the warehouse or let it ship; it closes by itself when MAO is done with the order. "
        f"To ask again: ct-mao-sync replay-errors --entity {entity}",
    )


def _plan_update(
    wanted: WantedOrder, target: OrderTarget, sent: SentOrder | None, rules: OrderRulesOfChange
) -> OrderPlan | Rejection:
    assert target.order is not None and wanted.payload is not None and isinstance(target.order_id, str)
    sync_info = _sync_info(wanted, target, rules)
    if is_terminal(target.order):
        lost = _unsent_changes(wanted, target, sent, rules)
        return OrderPlan(sync_info, "finished in MAO, later changes are not sent" if lost else "")
    body: dict[str, Any] = {}
    changed: list[str] = []
    vanished: Mapping[str, Mapping[str, Any]] = {}
    newer = stamped = wanted.version > (sent.version if sent else 0)
    base = sent.base if sent else SentBase()
    if not base.known:
        found = differences(wanted.payload, target.order)
        if found and not rules.shop_wins:
            return _base_unknown(wanted, target.order_id, found)
        if found:
            base = base_for_shop(wanted.payload, target.order, found, rules.salt)
            # Which version MAO was stamped with is not known either. Only a quantity needs the stamp; MAO
            # refuses it when it is not newer.
            stamped = any(path.endswith("/Quantity") for path in found)
    if base.known:
        merge = merge_order(
            wanted.payload,
            target.order,
            base,
            salt=rules.salt,
            cancel_reason=rules.cancel_reason,
            with_quantities=newer,
        )
        locked = merge.locked + _not_cancellable(merge.vanished, rules)
        if locked:
            return order_locked(wanted.label, wanted.entity, locked)
        body, changed, vanished = merge.body, merge.changed, merge.vanished
    failed = {row for row, line in vanished.items() if cancellation_request(line) in REQUEST_FAILED}
    asked_again_only = bool(failed) and failed.issuperset(changed)
    if asked_again_only and sent is not None and sent.cancelling:
        # The answer to what we asked. Asked again only when a person says so, or the order changes.
        return _line_cancel_refused(wanted, target.order_id, sorted(failed))
    if wanted.hold == "paid" and active_hold(target.order, rules.hold_type_id):
        resolved = {"HoldTypeId": rules.hold_type_id, "StatusId": "2000"}
        if rules.hold_resolve_reason:
            resolved["ResolveReasonId"] = rules.hold_resolve_reason
        body["OrderHold"] = [resolved]
        changed.append(f"OrderHold/{rules.hold_type_id}")
    # A line that was released already is taken out when MAO says so, or not at all.
    pending = any(
        cancellation_request(line) == REQUESTED or (max_status(line) or 0) >= RELEASED
        for line in vanished.values()
    )
    if not body:
        return OrderPlan(sync_info, pending=pending)
    actions = dict(ORDER_ACTIONS)
    if stamped and not asked_again_only and changed != [f"OrderHold/{rules.hold_type_id}"]:
        actions["VersionTimestamp"] = str(wanted.version)
    save = SaveOrder(
        target.order_id,
        {"OrderId": target.order_id, **_organisation(wanted, target), **body, "OrderActions": actions},
        creates=False,
        changed=tuple(changed),
    )
    return OrderPlan((save, *sync_info), pending=pending)


def _not_cancellable(vanished: Mapping[str, Mapping[str, Any]], rules: OrderRulesOfChange) -> list[str]:
    """Lines that the shop took out after their release, where late cancellation is not allowed."""
    if rules.late_cancel:
        return []
    return [
        row
        for row, line in vanished.items()
        if (max_status(line) or 0) >= RELEASED and cancellation_request(line) != REQUESTED
    ]


def _line_cancel_refused(wanted: WantedOrder, order_id: str, rows: Sequence[str]) -> Rejection:
    return Rejection(
        code="cancel-refused",
        message=f"order {wanted.label}: the shop took {', '.join(rows[:3])} out, but MAO did not cancel it "
        f"in {order_id}: the late cancellation failed",
        field=rows[0],
        hint="stop it in the warehouse or let it ship; it closes by itself when MAO is done with the order. "
        f"To ask again: ct-mao-sync replay-errors --entity {wanted.entity}",
    )


def _organisation(wanted: WantedOrder, target: OrderTarget) -> Mapping[str, Any]:
    """The OrgId that the order was created with: without it a save means the organisation of the request,
    and there the same OrderId would be a new order."""
    assert wanted.payload is not None and target.order is not None
    org_id = target.order.get("OrgId") or wanted.payload.get("OrgId")
    return {"OrgId": org_id} if wanted.payload.get("OrgId") and org_id else {}


def _base_unknown(wanted: WantedOrder, order_id: str, found: Sequence[str]) -> Rejection:
    shown = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
    return Rejection(
        code="base-unknown",
        message=f"order {wanted.label}: it is in MAO as {order_id} and differs in {shown}; what was sent "
        "last is not known (the state file was lost?), so nothing was overwritten",
        field=found[0],
        hint=f"the shop is right: ct-mao-sync reconcile orders --order {wanted.label} --fix; "
        "MAO is right: ct-mao-sync errors discard",
        context={"fields": ", ".join(found)[:300]},
    )


def _sync_info(
    wanted: WantedOrder, target: OrderTarget, rules: OrderRulesOfChange
) -> tuple[UpdateSyncInfo, ...]:
    if not rules.sync_channel or target.external_id == target.order_id:
        return ()
    assert isinstance(target.order_id, str)
    return (UpdateSyncInfo(wanted.entity, wanted.version, rules.sync_channel, target.order_id),)
