"""returns: MAO -> commercetools. What comes back appears as ReturnInfo of the order it was sold by.

Item by item, with reason, condition, disposition and refund status; and, in the outbox, what a payment
service has to know. Money is never moved here. Return lines without a parent order belong to no order of the
shop; the sale lines of an exchange are an order of MAO's own, which the shop never had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ct_mao_sync.clients.commercetools import CommercetoolsClient
from ct_mao_sync.clients.manhattan import ManhattanClient
from ct_mao_sync.config import Config
from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.engine.job import OneByOne, Pass
from ct_mao_sync.engine.rows import to_text
from ct_mao_sync.engine.values import Change, Desired, Difference, Outcome, Page, Plan, Settled, Skip
from ct_mao_sync.errors import RecordRejected, Rejection, RunStopped
from ct_mao_sync.jobs.return_outbox import Outbox
from ct_mao_sync.jobs.return_source import ReturnSource
from ct_mao_sync.jobs.return_targets import ReturnTargets
from ct_mao_sync.mapping.item_units import ItemUnits
from ct_mao_sync.mapping.return_differences import return_differences
from ct_mao_sync.mapping.return_events import OutboxEvent
from ct_mao_sync.mapping.return_order import ReturnRules, WantedReturn, map_return
from ct_mao_sync.mapping.return_plan import PlannedReturn, ReturnBase, ReturnTarget, plan_return
from ct_mao_sync.mapping.return_problems import joined, standalone
from ct_mao_sync.mapping.return_write import UpdateReturns
from ct_mao_sync.models.json import digest, dump_json
from ct_mao_sync.state.store import FollowedReturn, OutboxRow, Store

NAME = "returns"


@dataclass(frozen=True, slots=True)
class Followed:
    """Outcome state: what of a return is to be remembered, and what the payment service is to know."""

    row: FollowedReturn
    events: tuple[OutboxEvent, ...]


@dataclass(frozen=True, slots=True)
class _Write:
    """An update, and what it was planned from: a second return of the same order is planned once more."""

    update: UpdateReturns
    wanted: Desired
    target: ReturnTarget
    base: ReturnBase

    @property
    def action(self) -> str:
        return self.update.action

    @property
    def subject(self) -> str:
        return self.update.subject

    @property
    def body(self) -> dict[str, Any]:
        return self.update.body


class ReturnsJob(OneByOne):
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
        outbox: Outbox | None,
        full: bool = False,
        recreate: bool = False,
    ) -> None:
        self._commercetools = commercetools
        self._manhattan = manhattan
        self._rules = return_rules(config, recreate=recreate)
        self._rules_digest = digest(_rules_document(self._rules))
        self._source = ReturnSource(config, commercetools, manhattan, store, clock=clock, full=full)
        self._targets = ReturnTargets(commercetools, manhattan, self._rules)
        self._keeps_outbox = bool(config.returns.outbox)
        self._outbox = outbox

    # ---- source ----------------------------------------------------------------------------------

    def passes(self, now: datetime) -> Sequence[Pass]:
        return self._source.passes()

    def read_page(self, scan: Pass, since: datetime, until: datetime | None, cursor: str | None) -> Page:
        return self._source.read_page(scan, since, cursor)

    def read_entities(self, entities: Sequence[str]) -> list[Change]:
        return self._source.read_entities(entities)

    def read_given(self, labels: Sequence[str]) -> tuple[list[Change], list[tuple[str, Rejection]]]:
        return self._source.read_given(labels)

    # ---- decide ----------------------------------------------------------------------------------

    def load_bases(self, store: Store, entities: Sequence[str]) -> Mapping[str, ReturnBase]:
        return {
            entity: ReturnBase(row.version, row.items)
            for entity, row in store.followed_returns(entities).items()
        }

    def map(self, change: Change, base: ReturnBase | None) -> Desired | Rejection | Skip:
        row, parent_id = change.record
        if base is not None and change.version < base.version:
            return Skip("older than what was seen before")
        if not parent_id:
            if self._rules.standalone == "reject":
                return standalone(change.label)
            return Skip("it comes back of no order")
        wanted = map_return(row, parent_id, self._rules)
        if isinstance(wanted, Rejection):
            return wanted
        key = digest(_document(wanted) | {"rules": self._rules_digest})
        return Desired(change.entity, change.label, change.version, key, wanted)

    def read_targets(
        self, wanted: Sequence[Desired], bases: Mapping[str, ReturnBase]
    ) -> dict[str, ReturnTarget]:
        return self._targets.read([desired.record for desired in wanted], bases)

    def read_target_again(self, wanted: Desired, base: ReturnBase | None) -> ReturnTarget:
        return self._targets.read_again(wanted.record)

    def complete_targets(
        self, store: Store, wanted: Sequence[Desired], targets: Mapping[str, ReturnTarget]
    ) -> Mapping[str, ReturnTarget]:
        return targets

    def guard(
        self,
        wanted: Sequence[tuple[Desired, ReturnTarget]],
        totals: dict[str, int],
        allow: frozenset[str],
    ) -> Mapping[str, Rejection]:
        return {}

    def groups(self, wanted: Sequence[tuple[Desired, ReturnTarget]]) -> Sequence[Sequence[Desired]]:
        """The returns of one order one after the other: side by side each would outdate the others."""
        by_order: dict[str, list[Desired]] = {}
        for desired, target in wanted:
            by_order.setdefault(target.order_id or desired.entity, []).append(desired)
        return list(by_order.values())

    def plan(self, wanted: Desired, target: ReturnTarget, base: ReturnBase | None) -> Plan | Rejection | Skip:
        base = base or ReturnBase()
        planned = plan_return(wanted.record, target, base, self._rules)
        if planned.skip:
            return Skip(planned.skip)
        return self._plan(planned, wanted, target, base)

    def _plan(self, planned: PlannedReturn, wanted: Desired, target: ReturnTarget, base: ReturnBase) -> Plan:
        record: WantedReturn = wanted.record
        writes: tuple[_Write, ...] = ()
        if planned.actions and target.order is not None:
            subject = f"order {target.order.label} (return {record.return_id})"
            update = UpdateReturns(
                target.order.id, target.order.version, planned.actions, subject, planned.summary
            )
            writes = (_Write(update, wanted, target, base),)
        return Plan(
            wanted.entity,
            wanted.label,
            writes=writes,
            summary=tuple(f"update {write.subject}: {'; '.join(planned.summary)}" for write in writes),
            state=Followed(
                FollowedReturn(wanted.entity, wanted.version, planned.is_open, planned.items),
                planned.events if self._keeps_outbox else (),
            ),
            rejection=joined(planned.problems) if planned.problems else None,
        )

    def differences(self, wanted: Desired, target: ReturnTarget, plan: Plan) -> Sequence[Difference]:
        if target.order is None:
            return ()
        actions = [action for write in plan.writes for action in write.update.actions]
        return [Difference(*each) for each in return_differences(target.order, actions)]

    # ---- write -----------------------------------------------------------------------------------

    def intend(self, store: Store, wanted: Sequence[tuple[Desired, ReturnTarget]], now: datetime) -> None:
        return None

    def apply(self, plans: Sequence[Plan]) -> list[Outcome]:
        """Those of one group are of one order: each is planned on what the one before it left."""
        outcomes: list[Outcome] = []
        document: Mapping[str, Any] | None = None
        for number, plan in enumerate(plans, start=1):
            (write,) = plan.writes
            if document is not None:
                target = self._targets.after(write.target, document)
                planned = plan_return(write.wanted.record, target, write.base, self._rules)
                plan = self._plan(planned, write.wanted, target, write.base)
            outcome, document = self._apply(plan, document, last=number == len(plans))
            outcomes.append(outcome)
        return outcomes

    def _apply(
        self, plan: Plan, document: Mapping[str, Any] | None, *, last: bool
    ) -> tuple[Outcome, Mapping[str, Any] | None]:
        """The outcome, and the order as it is afterwards; after the last one nobody asks for it."""
        done: tuple[str, ...] = ()
        if plan.writes:
            (write,) = plan.writes
            update = write.update
            try:
                document = self._commercetools.update_order(
                    update.order_id, update.version, update.actions, unread=last
                )
            except RecordRejected as error:
                return _refused(plan, write, error), document
            done = (f"{update.action} {update.subject}: {'; '.join(update.summary)}",)
        if plan.rejection is not None:
            kind: Any = "rejected"
        else:
            kind = "written" if done else "unchanged"
        outcome = Outcome(
            plan.entity,
            plan.label,
            kind,
            reason="; ".join(done),
            rejection=plan.rejection,
            state=plan.state,
            writes=done,
        )
        return outcome, document

    # ---- state -----------------------------------------------------------------------------------

    def record(self, store: Store, outcomes: Sequence[Outcome], now: datetime) -> None:
        followed = [outcome.state for outcome in outcomes if isinstance(outcome.state, Followed)]
        store.follow_returns([each.row for each in followed], at=now)
        at = to_text(now)
        store.add_to_outbox(
            [
                OutboxRow(event.key, dump_json(event.as_line(at)).decode("ascii"))
                for each in followed
                for event in each.events
            ],
            at=now,
        )
        self._source.saw({each.row.entity: each.row.version for each in followed})

    def page_done(self, store: Store, scan: Pass, *, last: bool, now: datetime) -> None:
        return None

    def pending(self, store: Store) -> Sequence[str]:
        return ()

    def settle(self, store: Store, *, last: bool) -> Settled:
        """What was committed goes into the outbox's file; where that cannot be written, the run goes on and
        says so at its end."""
        if self._outbox is not None:
            try:
                self._outbox.flush(store)
            except RunStopped:
                if last:
                    raise
        return Settled()

    def probe(self) -> None:
        self._commercetools.read_project()


def return_rules(config: Config, *, recreate: bool = False) -> ReturnRules:
    """The rules of a configuration."""
    section = config.returns
    return ReturnRules(
        disposition=dict(section.disposition),
        uom=dict(config.mapping.uom),
        add_when=section.add_when,
        payment_state=section.payment_state,
        standalone=section.standalone,
        comment=section.comment,
        item_type=section.item_type,
        item_fields={str(name): field for name, field in section.item_fields.items()},
        wait_for_delivery=section.wait_for_delivery,
        match_by_item=config.status.match_by_item,
        items=ItemUnits(config.skus, config.mapping.uom, config.orders.default_uom),
        recreate=recreate,
    )


def _rules_document(rules: ReturnRules) -> dict[str, Any]:
    """What of the rules decides about what is written."""
    return {
        "disposition": dict(rules.disposition),
        "uom": dict(rules.uom),
        "add_when": rules.add_when,
        "payment_state": rules.payment_state,
        "item_type": rules.item_type,
        "item_fields": dict(rules.item_fields or {}),
    }


def _document(wanted: WantedReturn) -> dict[str, Any]:
    """What of a return decides about what is written; when it came does not."""
    return {
        "return": wanted.return_id,
        "parent": wanted.parent_id,
        "tracking": wanted.tracking_id,
        "payments": [[each.name, str(each.amount), each.line_ids] for each in wanted.payments],
        "lines": [
            [
                line.line_id,
                line.parent_line_id,
                line.item,
                line.uom,
                line.expected,
                [[each.condition, each.disposition, each.fate, each.quantity] for each in line.units],
                line.strange,
                line.finished,
                line.reason,
                None if line.unit_amount is None else str(line.unit_amount),
                line.refund.done,
                line.refund.reference,
            ]
            for line in wanted.lines
        ],
    }


def _refused(plan: Plan, write: _Write, error: RecordRejected) -> Outcome:
    problem = error.problem
    told = problem.context.get("remote_message") or problem.message
    return Outcome(
        plan.entity,
        plan.label,
        "rejected",
        rejection=Rejection(
            "target-refused",
            f"return {plan.label}: commercetools refused to {write.action} {write.subject}: {told}",
            hint="correct what it names, then: "
            f"ct-mao-sync replay-errors --job returns --entity {plan.label}",
            context=problem.context,
        ),
        target_failure=True,
    )
