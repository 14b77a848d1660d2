"""Writing one order: the save or the cancellation in MAO, then the acknowledgement in the shop; and what a
refusal means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ct_mao_sync.clients.commercetools import CommercetoolsClient
from ct_mao_sync.clients.manhattan import ManhattanClient
from ct_mao_sync.engine.values import Outcome, Plan
from ct_mao_sync.errors import OutcomeUnknown, RecordRejected, Rejection, VersionConflict
from ct_mao_sync.mapping.order_plan import (
    ORDER_ACTIONS,
    CancelOrder,
    SaveOrder,
    UpdateSyncInfo,
    cancel_refused,
)
from ct_mao_sync.mapping.order_state import REQUESTED, cancellation_request

# "Not permitted at this status" for an order and for a line (DOC: order-orchestration-process).
NOT_PERMITTED = frozenset({"10007", "10008"})

ACKED = "acked"
"""Outcome state: MAO has the last thing that was sent."""


@dataclass(frozen=True, slots=True)
class Cancelling:
    """Outcome state: MAO decides about a late cancellation by and by."""

    mao_order_id: str


class OrderWriter:
    """The only place that writes for the orders job."""

    def __init__(self, commercetools: CommercetoolsClient, manhattan: ManhattanClient) -> None:
        self._commercetools = commercetools
        self._manhattan = manhattan

    def apply(self, plan: Plan) -> Outcome:
        """One after the other; what was done before a refusal is in the outcome. Raises as Job.apply."""
        done: list[str] = []
        state: Any = None
        kind: Any = "written"
        for write in plan.writes:
            try:
                if isinstance(write, SaveOrder):
                    stored = self._manhattan.save_order(write.body)
                    state = plan.state
                    if plan.pending or _is_undecided(stored, write.body):
                        # Not acknowledged: the base keeps the line until MAO has decided about it.
                        kind, state = "pending", Cancelling(write.order_id)
                elif isinstance(write, CancelOrder):
                    if not self._cancel(write):
                        kind, state = "pending", Cancelling(write.order_id)
                else:
                    actions = write.body["actions"]
                    self._commercetools.update_order(write.entity, write.version, actions, unread=True)
                    state = state or plan.state
            except RecordRejected as error:
                return self._refused(plan, write, error, state, done)
            except (VersionConflict, OutcomeUnknown) as error:
                error.done = tuple(done)
                raise
            done.append(f"{write.action} {write.subject}")
        return Outcome(plan.entity, plan.label, kind, reason="; ".join(done), state=state, writes=tuple(done))

    def _cancel(self, write: CancelOrder) -> bool:
        """True when MAO cancelled at once, False when it decides later (line by line)."""
        try:
            self._manhattan.cancel_order(write.order_id, write.reason_id, org_id=write.org_id)
            return True
        except RecordRejected as error:
            if not (write.late_lines and _remote_codes(error) & NOT_PERMITTED):
                raise
        # After release only whole lines can be cancelled, and MAO decides asynchronously
        # (DOC: lateordercancellation).
        self._manhattan.save_order(
            {
                "OrderId": write.order_id,
                **({"OrgId": write.org_id} if write.org_id else {}),
                "OrderLine": [
                    {
                        "OrderLineId": line_id,
                        "IsCancelled": True,
                        "CancelReason": {"ReasonId": write.reason_id},
                    }
                    for line_id in write.late_lines
                ],
                "OrderActions": dict(ORDER_ACTIONS),
            }
        )
        return False

    def _refused(
        self,
        plan: Plan,
        write: SaveOrder | CancelOrder | UpdateSyncInfo,
        error: RecordRejected,
        state: Any,
        done: Sequence[str],
    ) -> Outcome:
        problem = error.problem
        not_permitted = bool(_remote_codes(error) & NOT_PERMITTED)
        named = None
        if not_permitted and isinstance(write, CancelOrder):
            named = cancel_refused(plan.label, plan.entity, write.order_id, "it is already released")
        elif not_permitted and isinstance(write, SaveOrder) and not write.creates:
            named = _locked_by_status(plan, write)
        return Outcome(
            plan.entity,
            plan.label,
            "rejected",
            rejection=named.with_context(**problem.context) if named else _refusal(plan, write, error),
            target_failure=named is None,
            state=state,
            writes=tuple(done),
        )


def _is_undecided(stored: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
    """Whether MAO has only noted that a line of this save is to be cancelled: it was released meanwhile."""
    cancelled = {line["OrderLineId"] for line in sent.get("OrderLine") or () if line.get("IsCancelled")}
    return any(
        line.get("OrderLineId") in cancelled and cancellation_request(line) == REQUESTED
        for line in stored.get("OrderLine") or ()
    )


def _remote_codes(error: RecordRejected) -> set[str]:
    return set(str(error.problem.context.get("remote_code", "")).split(","))


def _locked_by_status(plan: Plan, write: SaveOrder) -> Rejection:
    shown = ", ".join(write.changed[:3]) or "a field"
    return Rejection(
        code="order-locked",
        message=f"order {plan.label}: the shop changed {shown}, but MAO does not permit that any more "
        "at the status it has reached",
        field=write.changed[0] if write.changed else "",
        hint="change it in MAO or the warehouse; it closes by itself when MAO is done with the order. "
        f"To ask again: ct-mao-sync replay-errors --entity {plan.entity}",
    )


def _refusal(plan: Plan, write: SaveOrder | CancelOrder | UpdateSyncInfo, error: RecordRejected) -> Rejection:
    problem = error.problem
    system = "commercetools" if isinstance(write, UpdateSyncInfo) else "MAO"
    told = problem.context.get("remote_message") or problem.message
    hint = f"correct what it names, then: ct-mao-sync replay-errors --entity {plan.entity}"
    if isinstance(write, UpdateSyncInfo):
        hint = (
            f"the channel {write.channel_key} must exist with the role OrderExport; "
            'create it, or set sync_channel = "" under [orders]; then: '
            f"ct-mao-sync replay-errors --entity {plan.entity}"
        )
    return Rejection(
        code="target-refused",
        message=f"order {plan.label}: {system} refused to {write.action} it: {told}",
        hint=hint,
        context=problem.context,
    )
