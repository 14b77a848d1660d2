"""orders: commercetools -> MAO. Placed, changed and cancelled orders become MAO orders.

MAO's payload carries exactly the shop's money, or the order is rejected. Later changes are merged
three-way, so what MAO or a person changed there is never undone. A cancelled order is cancelled. Payments
are references; money is never moved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ct_mao_sync.clients.commercetools import CommercetoolsClient
from ct_mao_sync.clients.manhattan import ManhattanClient
from ct_mao_sync.config import Config
from ct_mao_sync.engine.job import OneByOne, Pass
from ct_mao_sync.engine.rows import Sending
from ct_mao_sync.engine.values import Change, Desired, Difference, Outcome, Page, Plan, Skip
from ct_mao_sync.errors import Rejection
from ct_mao_sync.jobs.order_targets import OrderTargets
from ct_mao_sync.jobs.order_writes import ACKED, Cancelling, OrderWriter
from ct_mao_sync.mapping.identity import candidate_order_ids, order_id_of
from ct_mao_sync.mapping.in_flight import InFlightOrder, units_of_order
from ct_mao_sync.mapping.order import map_order
from ct_mao_sync.mapping.order_base import remembered
from ct_mao_sync.mapping.order_differences import order_differences
from ct_mao_sync.mapping.order_merge import SentBase
from ct_mao_sync.mapping.order_plan import (
    CancelOrder,
    OrderRulesOfChange,
    OrderTarget,
    SaveOrder,
    SentOrder,
    UpdateSyncInfo,
    WantedOrder,
    export_refusal,
    plan_order,
)
from ct_mao_sync.mapping.order_state import is_cancelled, is_terminal
from ct_mao_sync.mapping.rules import order_rules
from ct_mao_sync.mapping.shop_id import is_shop_id
from ct_mao_sync.models.commercetools import Order, parse_orders
from ct_mao_sync.models.json import digest
from ct_mao_sync.state.store import Store

NAME = "orders"
ORDERS_PASS = "window:orders"
PAYMENTS_PASS = "window:payments"
EXPAND = (
    "paymentInfo.payments[*]",
    "shippingInfo.shippingMethod",
    "shipping[*].shippingInfo.shippingMethod",
    "discountCodes[*].discountCode",
    "lineItems[*].discountedPricePerQuantity[*].discountedPrice.includedDiscounts[*].discount",
)


@dataclass(frozen=True, slots=True)
class OrderRecord:
    raw: Mapping[str, Any]
    order: Order


class OrdersJob(OneByOne):
    """See engine.job.Job for what each method is asked."""

    name = NAME
    skips_by_digest = True
    target = "MAO"

    def __init__(
        self,
        config: Config,
        commercetools: CommercetoolsClient,
        manhattan: ManhattanClient,
        *,
        salt: bytes,
        shop_wins: bool = False,
    ) -> None:
        self._config = config
        self._commercetools = commercetools
        self._manhattan = manhattan
        self._salt = salt
        self._rules = order_rules(config)
        self._change_rules = OrderRulesOfChange(
            salt=salt,
            cancel_reason=config.orders.cancel_reason,
            late_cancel=config.orders.late_cancel,
            hold_type_id=config.orders.hold_until_paid,
            hold_resolve_reason=config.orders.hold_resolve_reason,
            sync_channel=config.orders.sync_channel,
            shop_wins=shop_wins,
        )
        self._writer = OrderWriter(commercetools, manhattan)
        self._targets = OrderTargets(commercetools, manhattan, config.orders.sync_channel, salt=salt)
        self._marked: set[str] = set()
        """Orders whose save this run marked as being sent (main thread only)."""
        self._keeps_in_flight = bool(config.inventory.network_view or config.inventory.location_view)
        self._sold: dict[str, InFlightOrder] = {}
        """What the orders of this run have sold, for the inventory job; taken out when recorded."""

    # ---- source ----------------------------------------------------------------------------------

    def passes(self, now: datetime) -> Sequence[Pass]:
        orders = Pass(
            name=ORDERS_PASS,
            overlap_s=self._config.sync.overlap_seconds,
            settle_s=self._config.sync.settle_seconds,
            start_at=self._config.orders.start_at,
        )
        rules = self._config.orders
        if rules.hold_until_paid and rules.paid_by == "payments":
            # A change of a Payment does not touch its Order, so it is looked for on its own.
            return orders, replace(orders, name=PAYMENTS_PASS)
        return (orders,)

    def read_page(self, scan: Pass, since: datetime, until: datetime | None, cursor: str | None) -> Page:
        if scan.name == PAYMENTS_PASS:
            return self._read_paid_page(since, until, cursor)
        page = self._commercetools.read_orders_page(
            since=since,
            until=until,
            after_id=cursor,
            limit=self._config.sync.page_size,
            expand=EXPAND,
        )
        return Page(
            changes=_changes(page.results),
            cursor=None if page.is_last else page.last_id,
            server_now=page.server_date,
            elapsed_s=page.elapsed_s,
            read_count=len(page.results),
        )

    def _read_paid_page(self, since: datetime, until: datetime | None, cursor: str | None) -> Page:
        """The orders of the payments that changed."""
        page = self._commercetools.read_payments_page(
            since=since, until=until, after_id=cursor, limit=self._config.sync.page_size
        )
        ids = [str(payment["id"]) for payment in page.results]
        orders = self._commercetools.read_orders_by_payments(ids, EXPAND) if ids else []
        return Page(
            changes=[replace(change, cursor=None) for change in _changes(orders)],
            cursor=None if page.is_last else page.last_id,
            server_now=page.server_date,
            elapsed_s=page.elapsed_s,
            read_count=len(page.results),
        )

    def read_entities(self, entities: Sequence[str]) -> list[Change]:
        results = self._commercetools.read_orders_by_ids(entities, EXPAND) if len(entities) > 1 else []
        present = {str(order["id"]) for order in results}
        gone: list[Change] = []
        for entity in entities:
            if entity not in present:
                # Queries may lag; only a read by id knows that an order is gone.
                found = self._commercetools.read_order(entity, EXPAND)
                if found:
                    results.append(found)
                else:
                    gone.append(Change(entity, entity, 0))
        return _changes(results) + gone

    def read_given(self, labels: Sequence[str]) -> tuple[list[Change], list[tuple[str, Rejection]]]:
        results = self._commercetools.read_orders_by_numbers(labels, EXPAND)
        numbers = {str(order.get("orderNumber")) for order in results}
        missing: list[tuple[str, Rejection]] = []
        for label in labels:
            if label in numbers:
                continue
            found = self._commercetools.read_order(label, EXPAND) if is_shop_id(label) else None
            if found:
                results.append(found)
            else:
                missing.append((label, _no_such_order(label)))
        return _changes(results), missing

    # ---- decide ----------------------------------------------------------------------------------

    def load_bases(self, store: Store, entities: Sequence[str]) -> dict[str, SentOrder]:
        return {
            entity: SentOrder(
                mao_order_id=row.mao_order_id,
                version=row.version,
                acked=row.was_acknowledged,
                base=SentBase(
                    dict(row.base) if row.base is not None else None,
                    tuple(dict(candidate) for candidate in row.candidates),
                ),
                cancelling=row.cancelling,
            )
            for entity, row in store.sent(entities).items()
        }

    def map(self, change: Change, base: SentOrder | None) -> Desired | Rejection | Skip:
        record: OrderRecord = change.record
        raw, order = record.raw, record.order
        refusal = export_refusal(
            raw,
            created_at=order.created_at,
            start_at=self._config.orders.start_at,
            order_states=self._config.orders.order_states,
            payment_states=self._config.orders.payment_states,
            stores=self._config.orders.stores,
        )
        cancelled = raw.get("orderState") == "Cancelled"
        # A cancelled order is looked up in MAO even when we do not remember it: the state may be lost.
        known = base is not None or bool(raw.get("syncInfo"))
        before_start = refusal.startswith("created before")
        if self._keeps_in_flight and not (before_start and not known):
            self._remember_sold(change.entity, raw, order)
        if refusal and not known and (before_start or not cancelled):
            return Skip(refusal)
        payload: Mapping[str, Any] | None = None
        hold = "none"
        personal: Mapping[str, str] = {}
        if not cancelled:
            mapped = map_order(raw, order, self._rules)
            if isinstance(mapped, Rejection):
                return mapped
            payload, hold, personal = mapped.payload, mapped.hold, mapped.personal
        wanted = WantedOrder(
            entity=change.entity,
            label=change.label,
            version=change.version,
            payload=payload,
            hold=hold,  # type: ignore[arg-type]
            cancelled=cancelled,
            not_exportable=refusal,
            order_id=order_id_of(self._config.orders.order_id, order),
            candidates=candidate_order_ids(order, self._config.orders.order_id),
            sync_info=_sync_info(raw),
        )
        key = digest(
            {
                "payload": {name: value for name, value in (payload or {}).items() if name != "Payment"},
                "hold": hold,
                "cancelled": cancelled,
                "not_exportable": refusal,
                "sync_channel": self._config.orders.sync_channel,
            }
        )
        return Desired(change.entity, change.label, change.version, key, wanted, personal)

    def _remember_sold(self, entity: str, raw: Mapping[str, Any], order: Order) -> None:
        lines = units_of_order(raw)
        if isinstance(lines, Rejection):
            return
        if raw.get("orderState") == "Complete" or raw.get("shipmentState") in ("Shipped", "Delivered"):
            lines = ()  # gone from MAO's stock as well
        self._sold[entity] = InFlightOrder(entity, order.created_at, lines)

    def read_targets(
        self, wanted: Sequence[Desired], bases: Mapping[str, SentOrder]
    ) -> dict[str, OrderTarget]:
        return self._targets.read([desired.record for desired in wanted], bases)

    def read_target_again(self, wanted: Desired, base: SentOrder | None) -> OrderTarget:
        return self._targets.read_again(wanted.record, base)

    def complete_targets(
        self, store: Store, wanted: Sequence[Desired], targets: Mapping[str, OrderTarget]
    ) -> Mapping[str, OrderTarget]:
        return targets

    def guard(
        self,
        wanted: Sequence[tuple[Desired, OrderTarget]],
        totals: dict[str, int],
        allow: frozenset[str],
    ) -> dict[str, Rejection]:
        """`orders.max_cancel` holds back only cancellations; the rest goes on."""
        cancels = [
            desired
            for desired, target in wanted
            if desired.record.cancelled
            and target is not None
            and target.order is not None
            and not target.taken
            and not is_cancelled(target.order)
            and not is_terminal(target.order)
        ]
        totals["cancels"] = totals.get("cancels", 0) + len(cancels)
        limit = self._config.orders.max_cancel
        if totals["cancels"] <= limit or "cancel" in allow:
            return {}
        return {desired.entity: _cancel_limit(desired, totals["cancels"], limit) for desired in cancels}

    def plan(self, wanted: Desired, target: OrderTarget, base: SentOrder | None) -> Plan | Rejection | Skip:
        planned = plan_order(wanted.record, target, base, self._change_rules)
        if isinstance(planned, Rejection):
            return planned
        if not planned.writes and planned.reason and not planned.pending:
            return Skip(planned.reason, outdated=planned.outdated)
        return Plan(
            entity=wanted.entity,
            label=wanted.label,
            writes=planned.writes,
            summary=tuple(_summary(write, wanted.record) for write in planned.writes),
            personal=wanted.personal,
            pending=planned.pending,
            state=self._state_after(wanted, target, base, pending=planned.pending),
        )

    def _state_after(
        self, wanted: Desired, target: OrderTarget, base: SentOrder | None, *, pending: bool
    ) -> Any:
        """What is to be remembered once MAO and the shop agree."""
        if pending:
            return Cancelling(str(target.order_id))
        if wanted.record.cancelled:
            return None
        if target.order is not None and not (base and base.base.known):
            return self._sending(wanted, str(target.order_id))  # adopted: MAO has it, whoever sent it
        return ACKED

    def _sending(self, wanted: Desired, order_id: str) -> Sending:
        return Sending(
            wanted.entity,
            order_id,
            wanted.version,
            remembered(wanted.record.payload, self._salt),
        )

    def differences(self, wanted: Desired, target: OrderTarget, plan: Plan) -> Sequence[Difference]:
        return [Difference(*each) for each in order_differences(wanted.record, target, plan.writes)]

    def known_entities(self, store: Store, after: str, count: int) -> Sequence[str]:
        return store.sent_after(after, count)

    # ---- write -----------------------------------------------------------------------------------

    def intend(self, store: Store, wanted: Sequence[tuple[Desired, OrderTarget]], now: datetime) -> None:
        known = store.sent([desired.entity for desired, _ in wanted])
        rows = [
            self._sending(desired, target.order_id)
            for desired, target in wanted
            if desired.record.payload is not None
            and isinstance(target.order_id, str)
            and not target.taken
            # An order that is there although nothing is known of it is adopted or left alone, never saved.
            and (desired.entity in known if target.order is not None else not desired.record.not_exportable)
        ]
        self._marked |= store.mark_sending(rows, at=now)

    def apply(self, plans: Sequence[Plan]) -> list[Outcome]:
        return [self._writer.apply(plan) for plan in plans]

    # ---- state -----------------------------------------------------------------------------------

    def record(self, store: Store, outcomes: Sequence[Outcome], now: datetime) -> None:
        store.acknowledge([o.entity for o in outcomes if o.state == ACKED], at=now)
        store.adopt([o.state for o in outcomes if isinstance(o.state, Sending)], at=now)
        store.start_cancelling(
            {o.entity: o.state.mao_order_id for o in outcomes if isinstance(o.state, Cancelling)}, at=now
        )
        store.stop_cancelling([o.entity for o in outcomes if o.kind != "pending"])
        never_sent = {
            o.entity
            for o in outcomes
            if o.kind in ("rejected", "skipped") and o.state is None and not o.attempted
        }
        store.forget_sending(never_sent & self._marked)
        if self._keeps_in_flight:
            self._record_sold(store, outcomes, now)

    def _record_sold(self, store: Store, outcomes: Sequence[Outcome], now: datetime) -> None:
        sold = [self._sold.pop(o.entity) for o in outcomes if o.entity in self._sold]
        store.replace_in_flight(sold)
        arrived = [o.entity for o in outcomes if o.state == ACKED or isinstance(o.state, Sending)]
        store.ack_in_flight(arrived, at=now)

    def page_done(self, store: Store, scan: Pass, *, last: bool, now: datetime) -> None:
        return None

    def pending(self, store: Store) -> Sequence[str]:
        return store.cancelling()

    def probe(self) -> None:
        self._manhattan.search_orders("OrderId = 'ct-mao-sync-probe'", template={"OrderId": None}, size=1)


def _changes(results: Sequence[Mapping[str, Any]]) -> list[Change]:
    changes: list[Change] = []
    for raw, parsed in zip(results, parse_orders(list(results)), strict=True):
        entity = str(raw.get("id") or raw.get("orderNumber") or digest(raw))
        label = str(raw.get("orderNumber") or entity)
        version = raw.get("version")
        version = version if isinstance(version, int) else 0
        if isinstance(parsed, Rejection):
            changes.append(Change(entity, label, version, rejection=parsed, cursor=entity))
        else:
            changes.append(Change(entity, label, version, OrderRecord(raw, parsed), cursor=entity))
    return changes


def _sync_info(raw: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Channel id and externalId, newest first: whether the same channel replaces or appends is not
    documented."""
    rows = [row for row in raw.get("syncInfo") or () if isinstance(row, Mapping)]
    rows.sort(key=lambda row: str(row.get("syncedAt") or ""), reverse=True)
    return tuple(
        (str((row.get("channel") or {}).get("id") or ""), str(row.get("externalId") or "")) for row in rows
    )


def _summary(write: SaveOrder | CancelOrder | UpdateSyncInfo, wanted: WantedOrder) -> str:
    text = f"{write.action} {write.subject}"
    if isinstance(write, SaveOrder):
        if write.creates:
            count = len(write.body.get("OrderLine") or ())
            return f"{text}: {count} {'line' if count == 1 else 'lines'}"
        return f"{text}: {', '.join(write.changed)}"
    return text


def _cancel_limit(wanted: Desired, count: int, limit: int) -> Rejection:
    return Rejection(
        code="cancel-limit",
        message=f"order {wanted.label}: cancellation held back; {count} orders would be cancelled in this "
        f"run and orders.max_cancel is {limit}",
        field="orders.max_cancel",
        hint="look: ct-mao-sync errors list --code cancel-limit ; if it is right: "
        "ct-mao-sync replay-errors --code cancel-limit --allow-cancel",
    )


def _no_such_order(label: str) -> Rejection:
    return Rejection(
        code="order-not-found",
        message=f"commercetools has no order with the number or id {label}",
        hint="check the number; orders without a number are given by their id",
    )
