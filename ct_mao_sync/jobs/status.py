"""status: MAO -> commercetools. Every milestone and every parcel is shown in the shop.

Quantities are the truth: states of units, Deliveries with Parcels, shipmentState and orderState follow from
them, in one atomic update that holds only what is missing. What is shipped stays shipped.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from ct_mao_sync.clients.commercetools import CommercetoolsClient
from ct_mao_sync.clients.manhattan import ManhattanClient
from ct_mao_sync.config import Config
from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.engine.job import OneByOne, Pass
from ct_mao_sync.engine.values import Change, Desired, Difference, Outcome, Page, Plan, Skip
from ct_mao_sync.errors import (
    OutcomeUnknown,
    Problem,
    RecordRejected,
    Rejection,
    RunStopped,
    VersionConflict,
)
from ct_mao_sync.jobs.status_source import ARCHIVED, NAME, SWEEP_PASS, StatusSource
from ct_mao_sync.mapping.fulfilment import Fulfilment, map_fulfilment, number_of
from ct_mao_sync.mapping.order_base import steps_of
from ct_mao_sync.mapping.redact import redact
from ct_mao_sync.mapping.shop_order import parse_shop_order
from ct_mao_sync.mapping.status_differences import status_differences
from ct_mao_sync.mapping.status_plan import UpdateOrder, plan_status, status_rules
from ct_mao_sync.mapping.status_states import INITIAL, ShopStates, find_missing_states, shop_states
from ct_mao_sync.models.json import digest
from ct_mao_sync.state.order_status import FINISHED, OPEN, SETTLED, FollowedOrder
from ct_mao_sync.state.store import Checkpoint, Sent, Store

_NO_ORDER = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class StatusBase:
    """What the state remembers of an order."""

    mao_order_id: str = ""
    """Under which it was exported; "" when that is not known."""
    version: int = 0
    """Of the newest record that was applied."""
    last_sent: Mapping[str, Decimal] | None = None
    """OrderLineId -> quantity that MAO was sent last."""


@dataclass(frozen=True, slots=True)
class StatusTarget:
    """An order as the shop has it, None when it has none, and the States that may be needed."""

    order: Mapping[str, Any] | None
    states: ShopStates


@dataclass(frozen=True, slots=True)
class _Planned:
    """Outcome state: how far the order is once the plan is applied, and what could not be told."""

    order: FollowedOrder
    rejection: Rejection | None = None


class StatusJob(OneByOne):
    """See engine.job.Job for what each method is asked."""

    name = NAME
    skips_by_digest = True
    target = "commercetools"

    def __init__(
        self,
        config: Config,
        commercetools: CommercetoolsClient,
        manhattan: ManhattanClient,
        store: Store,
        *,
        clock: Clock,
        sweeps: bool = True,
        full: bool = False,
    ) -> None:
        self._commercetools = commercetools
        self._clock = clock
        self._rules = status_rules(config)
        self._rules_digest = config.mapping_digest()
        self._source = StatusSource(
            config, commercetools, manhattan, store, clock=clock, sweeps=sweeps, full=full
        )
        self._states: ShopStates | None = None
        self._states_lock = threading.Lock()

    # ---- source ----------------------------------------------------------------------------------

    def passes(self, now: datetime) -> Sequence[Pass]:
        return self._source.passes(now)

    def read_page(self, scan: Pass, since: datetime, until: datetime | None, cursor: str | None) -> Page:
        return self._source.read_page(scan, since, until, cursor)

    def read_entities(self, entities: Sequence[str]) -> list[Change]:
        return self._source.read_entities(entities)

    def read_given(self, labels: Sequence[str]) -> tuple[list[Change], list[tuple[str, Rejection]]]:
        return self._source.read_given(labels)

    # ---- decide ----------------------------------------------------------------------------------

    def load_bases(self, store: Store, entities: Sequence[str]) -> Mapping[str, StatusBase]:
        self._source.prefetch()
        sent, followed = store.sent(entities), store.followed(entities)
        bases = {}
        for entity in {*sent, *followed}:
            row, order = sent.get(entity), followed.get(entity)
            bases[entity] = StatusBase(
                mao_order_id=row.mao_order_id if row else "",
                version=order.version if order else 0,
                last_sent=_last_sent(row) if row else None,
            )
        return bases

    def map(self, change: Change, base: StatusBase | None) -> Desired | Rejection | Skip:
        base = base or StatusBase()
        if change.record == ARCHIVED:
            return Skip("archived in MAO after its last unit had left")
        row: Mapping[str, Any] = change.record
        if base.mao_order_id and row.get("OrderId") != base.mao_order_id:
            return Skip(f"it was exported as MAO order {base.mao_order_id}; another one names it too")
        if change.version < base.version:
            return Skip("an older record than the last one applied")
        fulfilment = map_fulfilment(row, self._rules.fulfilment, base.last_sent or {})
        if isinstance(fulfilment, Rejection):
            return fulfilment
        if not fulfilment.lines:
            return Skip("it has no lines that are sold")
        return Desired(
            change.entity,
            change.label,
            change.version,
            digest([self._rules_digest, fulfilment.facts]),
            fulfilment,
        )

    def read_targets(
        self, wanted: Sequence[Desired], bases: Mapping[str, StatusBase]
    ) -> Mapping[str, StatusTarget]:
        states = self._read_states()
        entities = [desired.entity for desired in wanted]
        found = {str(row["id"]): row for row in self._commercetools.read_orders_by_ids(entities)}
        for entity in entities:
            if entity not in found:
                # Queries lag; only a read by id knows that there is no such order.
                row = self._commercetools.read_order(entity)
                if row is not None:
                    found[entity] = row
        return {entity: StatusTarget(found.get(entity), states) for entity in entities}

    def read_target_again(self, wanted: Desired, base: StatusBase | None) -> StatusTarget:
        return StatusTarget(self._commercetools.read_order(wanted.entity), self._read_states())

    def complete_targets(
        self, store: Store, wanted: Sequence[Desired], targets: Mapping[str, StatusTarget]
    ) -> Mapping[str, StatusTarget]:
        return targets

    def guard(
        self, wanted: Sequence[tuple[Desired, StatusTarget]], totals: dict[str, int], allow: frozenset[str]
    ) -> Mapping[str, Rejection]:
        return {}

    def plan(self, wanted: Desired, target: StatusTarget, base: StatusBase | None) -> Plan | Rejection | Skip:
        fulfilment: Fulfilment = wanted.record
        if target.order is None:
            return _order_not_found(wanted)
        order = parse_shop_order(target.order)
        if isinstance(order, Rejection):
            return order
        planned = plan_status(fulfilment, order, target.states, self._rules)
        if planned.rejection is not None and not planned.writes:
            return planned.rejection
        followed = FollowedOrder(
            wanted.entity, fulfilment.mao_order_id, wanted.version, _progress(fulfilment)
        )
        if planned.rejection is not None:
            followed = replace(followed, progress=OPEN)
        return Plan(
            wanted.entity,
            wanted.label,
            writes=planned.writes,
            summary=planned.summary,
            personal=planned.personal,
            state=_Planned(followed, planned.rejection),
        )

    def differences(self, wanted: Desired, target: StatusTarget, plan: Plan) -> Sequence[Difference]:
        order = parse_shop_order(target.order or {})
        if isinstance(order, Rejection):
            return ()
        actions = [action for write in plan.writes for action in write.actions]
        return [Difference(*each) for each in status_differences(order, actions, target.states)]

    def _read_states(self) -> ShopStates:
        """Read once in a run, and only when the configuration names any. Raises RunStopped `state-missing`:
        without its States every order would be shown wrongly."""
        rules = self._rules
        if not rules.state_keys:
            return ShopStates()
        with self._states_lock:
            if self._states is None:
                rows = self._commercetools.read_states_by_keys([*rules.state_keys, INITIAL])
                if rules.workflow_states:
                    rows += self._commercetools.read_initial_states("OrderState")
                states = shop_states(rows)
                missing = find_missing_states(
                    states,
                    line_states=rules.line_states.values(),
                    workflow_states=rules.workflow_states.values(),
                )
                if missing:
                    raise _state_missing(missing)
                self._states = states
            return self._states

    # ---- write -----------------------------------------------------------------------------------

    def intend(self, store: Store, wanted: Sequence[tuple[Desired, StatusTarget]], now: datetime) -> None:
        return None

    def apply(self, plans: Sequence[Plan]) -> list[Outcome]:
        return [self._apply(plan) for plan in plans]

    def _apply(self, plan: Plan) -> Outcome:
        done: list[str] = []
        version: int | None = None
        for write, told in zip(plan.writes, plan.summary, strict=True):
            try:
                row = self._commercetools.update_order(
                    write.order_id,
                    version or write.version,
                    write.actions,
                    unread=write is plan.writes[-1],
                )
            except RecordRejected as error:
                return Outcome(
                    plan.entity,
                    plan.label,
                    "rejected",
                    rejection=_refusal(plan, write, error),
                    target_failure=True,
                    writes=tuple(done),
                )
            except (VersionConflict, OutcomeUnknown) as error:
                error.done = tuple(done)
                raise
            version = row.get("version")
            done.append(told)
        state: _Planned = plan.state
        if state.rejection is not None:
            return Outcome(
                plan.entity,
                plan.label,
                "rejected",
                rejection=state.rejection,
                state=state,
                writes=tuple(done),
            )
        return Outcome(
            plan.entity, plan.label, "written", reason="; ".join(done), state=state, writes=tuple(done)
        )

    # ---- state -----------------------------------------------------------------------------------

    def record(self, store: Store, outcomes: Sequence[Outcome], now: datetime) -> None:
        store.follow([o.state.order for o in outcomes if isinstance(o.state, _Planned)])
        store.follow_versions(
            {o.entity: o.version for o in outcomes if o.kind == "unchanged" and o.state is None}
        )
        archived = self._source.archived
        store.finish_orders(
            [o.entity for o in outcomes if o.reason.startswith("archived in MAO") or o.entity in archived]
        )

    def page_done(self, store: Store, scan: Pass, *, last: bool, now: datetime) -> None:
        if scan.name != SWEEP_PASS and last and store.checkpoint(NAME, SWEEP_PASS) is None:
            # The first window has just seen every order: the first sweep is due a whole rhythm later.
            store.save_checkpoint(NAME, SWEEP_PASS, Checkpoint(watermark=now))

    def pending(self, store: Store) -> Sequence[str]:
        return ()

    def probe(self) -> None:
        self._commercetools.read_orders_by_ids([_NO_ORDER])


def _last_sent(row: Sent) -> dict[str, Decimal]:
    """OrderLineId -> quantity of the last save, also of one whose answer is not known yet."""
    newest = row.candidates[-1] if row.candidates else row.base or {}
    found = {}
    for path, value in newest.items():
        if not path.endswith("/Quantity"):
            continue
        steps = steps_of(path)
        if len(steps) == 3 and steps[0] == "OrderLine" and steps[2] == "Quantity":
            quantity = number_of(value)
            if quantity is not None:
                found[steps[1]] = quantity
    return found


def _progress(fulfilment: Fulfilment) -> int:
    if fulfilment.is_finished:
        return FINISHED
    return SETTLED if fulfilment.is_settled else OPEN


def _order_not_found(wanted: Desired) -> Rejection:
    return Rejection(
        "order-not-found",
        f"MAO order {wanted.label}: commercetools has no order {wanted.entity}",
        field="AlternateOrderId",
        hint="if it belongs to another project of the tenant, leave such orders out by status.query; else "
        f"find out who deleted it; again: ct-mao-sync replay-errors --job status --entity {wanted.entity}",
    )


def _state_missing(missing: Sequence[tuple[str, str, str]]) -> RunStopped:
    key, kind, present = missing[0]
    what = f"is of type {present}, not {kind}" if present else f"does not exist; it must be of type {kind}"
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    section = "line_states" if kind == "LineItemState" else "workflow_states"
    return RunStopped(
        Problem(
            "state-missing",
            f"commercetools: the State {key!r} {what}{more}",
            f"status.{section}",
            f"create it in commercetools, or correct [status.{section}]; then: ct-mao-sync sync status",
        )
    )


def _refusal(plan: Plan, write: UpdateOrder, error: RecordRejected) -> Rejection:
    problem = error.problem
    told = problem.context.get("remote_message") or problem.message
    return Rejection(
        "target-refused",
        # Addresses of Deliveries are personal, and an answer can echo them.
        f"{write.subject}: commercetools refused to update it: {redact(str(told), plan.personal, ())}",
        hint=f"correct what it names, then: ct-mao-sync replay-errors --job status --entity {plan.entity}",
        context={
            name: redact(value, plan.personal, ()) if isinstance(value, str) else value
            for name, value in problem.context.items()
        },
    )
